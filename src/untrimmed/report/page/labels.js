// What happens in each video as the reader says it: corrected detections, kept and exported.
// A label is { start, end, label }.  Where nobody has corrected anything there are none.
// It may be of a class that the detector does not know: these follow `data.classes`.

const labels = (() => {
  const SHORTEST = 0.04; // seconds
  const classes = [...data.classes, ...data.added];
  const corrected = new Map(); // by number of the video
  const undone = new Map(); // by number of the video, earlier states, the latest last
  for (const { number, id } of videos) {
    const some = Object.hasOwn(data.corrections, id) && data.corrections[id];
    if (some) corrected.set(number, some.map(([start, end, label]) => ({ start, end, label })));
  }
  let drafts = new Map(); // to start from; not kept until something is changed
  const unsaved = new Map(); // by number of the video, the number of the change
  let changes = 0;
  let queue = Promise.resolve(); // changes reach the server in order
  let tell = () => {};

  const inOrder = (some) => [...some].sort((a, b) => a.start - b.start || a.end - b.end);

  // Those that are shown while correcting: the reader's, or else what is to be corrected.
  function of(video) {
    return corrected.get(video.number) || drafts.get(video.number) || [];
  }

  // Start from what is known to happen, or else from what is shown.
  function draft(video, filter) {
    const some = video.actions
      ? video.actions.filter(({ ignored }) => !ignored)
      : shownDetections(video, filter);
    const plain = some.map(({ start, end, label }) => ({ start, end, label }));
    drafts.set(video.number, inOrder(plain));
  }

  function plainly(video) {
    const some = corrected.get(video.number);
    return some ? some.map(({ start, end, label }) => [start, end, classes[label]]) : null;
  }

  async function send(video) {
    const body = JSON.stringify({ video: video.id, labels: plainly(video) });
    const answer = await fetch("corrections", {
      method: "POST", headers: { "X-Token": data.live.token }, body,
    });
    if (!answer.ok) throw new Error(await answer.text());
  }

  function keep(video) {
    changes += 1;
    const change = changes;
    unsaved.set(video.number, change);
    if (!data.live) {
      tell("kept in this page until it is closed: export them", true);
      return;
    }
    tell("saving …");
    queue = queue.then(() => send(video)).then(
      () => {
        if (unsaved.get(video.number) === change) unsaved.delete(video.number);
        if (!unsaved.size) tell(`saved in ${data.live.folder}`);
      },
      (error) => tell(`not saved: ${error.message}`, true),
    );
  }

  function remember(video) {
    const before = corrected.has(video.number) ? of(video).map((each) => ({ ...each })) : null;
    undone.set(video.number, [...(undone.get(video.number) || []), before].slice(-100));
  }

  // Puts other labels in the place of a video's; they are kept at once.
  function put(video, some) {
    remember(video);
    corrected.set(video.number, inOrder(some));
    keep(video);
  }

  const change = (video, old, fresh) => {
    const others = of(video).filter((each) => each !== old);
    put(video, fresh ? [...others, fresh] : others);
    return fresh;
  };

  function undo(video) {
    const before = undone.get(video.number) || [];
    if (!before.length) return;
    const last = before.pop();
    if (last) corrected.set(video.number, last);
    else corrected.delete(video.number);
    keep(video);
  }

  function discard(video) {
    remember(video);
    corrected.delete(video.number);
    keep(video);
  }

  // The same label with other ends, inside the video and not too short.
  function moved(video, { label, ...old }, { start = old.start, end = old.end }) {
    const [first, last] = [Math.max(0, start), Math.min(video.duration, end)];
    if (start !== old.start && end === old.end) {
      return { start: Math.min(first, last - SHORTEST), end: last, label };
    }
    return { start: first, end: Math.max(last, first + SHORTEST), label };
  }

  const isCorrected = (video) => corrected.has(video.number);
  return {
    classes, of, draft, put, change, undo, discard, moved, isCorrected,
    canUndo: (video) => Boolean((undone.get(video.number) || []).length),
    count: () => corrected.size,
    unsaved: () => unsaved.size > 0,
    onState: (listener) => {
      tell = listener;
    },
  };
})();
