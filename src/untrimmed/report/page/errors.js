// Kinds of errors with what each costs, and which class is taken for which.  Both lead to examples.

const MISSED = -1; // beside the kinds of data.kinds
const MOST_CLASSES = 24; // of a matrix that can still be read

// A click goes from example to example: [{ video, item }, ...] by name.
const examples = (() => {
  let byName = new Map();
  const next = new Map();
  return {
    begin() {
      byName = new Map();
    },
    add(name, video, item) {
      if (!byName.has(name)) byName.set(name, []);
      byName.get(name).push({ video, item });
    },
    count: (name) => (byName.get(name) || []).length,
    show(name) {
      const some = byName.get(name) || [];
      if (!some.length) return;
      const n = (next.get(name) || 0) % some.length;
      next.set(name, n + 1);
      choose(some[n].video);
      seekTo(some[n].item);
    },
  };
})();

// The class that an action is called by the surest detection that hits it, whatever its class.
function confusionOf(filter) {
  const none = data.classes.length;
  const cell = (row, column) => `${row}→${column}`;
  for (const video of videos) {
    if (!video.actions) continue;
    const called = video.found[filter.model].called(filter.tiou);
    const met = new Set();
    for (const detection of shownDetections(video, filter)) {
      const action = called[detection.n];
      const kind = kindOf(video, detection, filter);
      if (action >= 0) {
        met.add(action);
        const { label } = video.actions[action];
        if (!filter.hidden.has(label)) examples.add(cell(label, detection.label), video, detection);
      } else if (kind !== null && kind >= 3) {
        examples.add(cell(none, detection.label), video, detection); // overlaps no action enough
      }
    }
    for (const action of video.actions) {
      if (action.ignored || filter.hidden.has(action.label) || met.has(action.n)) continue;
      examples.add(cell(action.label, none), video, action);
    }
  }
  return { cell, none };
}

function drawConfusion(filter) {
  const { cell, none } = confusionOf(filter);
  const total = (label) =>
    [...data.classes, ""].reduce((sum, _, other) => sum + examples.count(cell(label, other)), 0);
  const known = data.classes.map((_, label) => label).filter((label) => !filter.hidden.has(label));
  const frequent = known
    .map((label) => [label, total(label)])
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST_CLASSES)
    .map(([label]) => label)
    .sort((a, b) => a - b);
  const columns = [...frequent, none];
  const short = (label) => (label === none ? "missed" : data.classes[label]);
  const head = make("tr", {}, make("td"), ...columns.map((label) =>
    make("th", { scope: "col", title: short(label) }, make("span", { text: short(label) }))));
  const rows = [...frequent, none].map((row) => {
    const all = total(row);
    const name = row === none ? "no action" : data.classes[row];
    const cells = columns.map((column) => {
      const number = examples.count(cell(row, column));
      const td = make("td", {});
      if (!number) return td;
      const share = all ? number / all : 0;
      const right = row === column ? "right" : "wrong";
      const title = `${name} → ${short(column)}: ${number} of ${all}`;
      const button = make("button", { type: "button", text: number, title, className: right });
      button.dataset.example = cell(row, column);
      button.dataset.tint = Math.ceil(10 * share);
      td.append(button);
      return td;
    });
    return make("tr", {}, make("th", { scope: "row", text: name, title: name }), ...cells);
  });
  element("confusion-box").replaceChildren(
    make("table", { id: "confusion" }, make("thead", {}, head), make("tbody", {}, ...rows)),
  );
  const left = known.length - frequent.length;
  element("confusion-note").textContent = left ? `The ${MOST_CLASSES} most frequent classes.` : "";
}

// How many of each kind there are at the threshold, and what mAP would gain without it.
function drawKinds(filter) {
  const counts = data.kinds.map(() => 0);
  let missed = 0;
  for (const video of videos) {
    if (!video.actions) continue;
    for (const detection of shownDetections(video, filter)) {
      const kind = kindOf(video, detection, filter);
      if (kind === null) continue;
      counts[kind] += 1;
      examples.add(`kind ${kind}`, video, detection);
    }
    for (const action of missedActions(video, filter)) {
      missed += 1;
      examples.add(`kind ${MISSED}`, video, action);
    }
  }
  const most = Math.max(1, missed, ...counts.slice(1));
  const costs = data.costs[filter.model];
  const line = (kind, { name, colour, meaning }, number) => {
    const bar = make("i", { className: `amount ${colour === null ? "open" : colourName(colour)}` });
    bar.style.width = `${(100 * number) / most}%`;
    const button = make("button", { type: "button", disabled: !number, title: meaning || "" },
      make("span", { className: "name", text: name }),
      make("span", { className: "room" }, bar),
      make("b", { text: number }),
    );
    if (costs && kind > 0) {
      const gain = (100 * costs.gains[kind]).toFixed(1);
      button.append(make("span", { className: "cost", text: gain }));
    }
    button.dataset.example = `kind ${kind}`;
    return make("li", {}, button);
  };
  element("error-kinds").classList.toggle("costed", Boolean(costs));
  element("error-kinds").replaceChildren(
    ...data.kinds.map((kind, n) => [kind, n]).slice(1).map(([kind, n]) => line(n, kind, counts[n])),
    line(MISSED, { name: "missed action", colour: null }, missed),
  );
}

function drawErrors(filter) {
  if (!anyTruth) return;
  examples.begin();
  drawKinds(filter);
  drawConfusion(filter);
}
