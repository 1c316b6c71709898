// Lists and numbers beside the timeline: videos, events of the chosen one, counts.

// One button per video, made once; counts and order change.
const videoList = (() => {
  const rows = videos.map((video) => {
    const note = make("span", { className: "note" });
    const length = make("span", { className: "length", text: clock(video.duration, 0) });
    const name = make("span", { className: "name", text: video.id, title: video.id });
    const share = make("span", { className: "share" }, make("i"), make("i"), make("i"));
    const mark = make("span", { className: "mark", text: "corrected", hidden: true });
    const button = make("button", { type: "button" }, name, length, share, note, mark);
    button.dataset.video = video.number;
    return { video, button, note, share, mark, item: make("li", {}, button), counts: null };
  });

  function fill({ video, note, share }, sum) {
    const found = sum.actions ? `${sum.hits}/${sum.actions} found` : "no actions";
    note.textContent = video.actions
      ? `${found} · ${plural(sum.falseAlarms, "false alarm")}`
      : plural(sum.detections, "detection");
    [sum.hits, sum.missed, sum.falseAlarms].forEach((number, n) => {
      share.children[n].style.flexGrow = number;
    });
    share.hidden = !sum.actions && !sum.falseAlarms;
  }

  function update(filter, { order, search, chosen }) {
    const sought = search.trim().toLowerCase();
    for (const row of rows) {
      const sum = count([row.video], filter);
      row.button.setAttribute("aria-current", String(row.video === chosen));
      row.item.hidden = !row.video.id.toLowerCase().includes(sought);
      row.mark.hidden = !labels.isCorrected(row.video);
      if (!row.counts || Object.keys(sum).some((name) => sum[name] !== row.counts[name])) {
        fill(row, sum);
      }
      row.counts = sum;
    }
    const byName = (a, b) => a.video.id.localeCompare(b.video.id, undefined, { numeric: true });
    rows.sort((a, b) => (order === "id" ? 0 : b.counts[order] - a.counts[order]) || byName(a, b));
    const list = element("videos");
    if (rows.some(({ item }, n) => list.children[n] !== item)) {
      list.replaceChildren(...rows.map((row) => row.item));
    }
    element("videos-none").hidden = rows.some((row) => !row.item.hidden);
  }

  // The video `step` places after the chosen one among those listed; the chosen one at the ends.
  function beside(chosen, step) {
    const listed = rows.filter((row) => !row.item.hidden).map((row) => row.video);
    return listed[listed.indexOf(chosen) + step] || chosen;
  }

  const first = () => rows[0].video;
  const show = (chosen) =>
    rows.find((row) => row.video === chosen).button.scrollIntoView({ block: "nearest" });
  return { update, beside, first, show };
})();

// Detections and missed actions in order of time; the reader's labels while these are corrected.
const eventList = (() => {
  let rows = [];

  function row(item, { words, fate, colour = item.label }) {
    const button = make(
      "button",
      { type: "button", className: fate },
      make("i", { className: `swatch ${colourName(colour)}` }),
      make("span", { className: "name", text: labels.classes[item.label] }),
      make("span", { className: "when", text: span(item, 1) }),
      make("span", { className: "score", text: item.score === undefined ? "" : item.score.toFixed(2) }),
      make("span", { className: "fate", text: words }),
    );
    if (item.iou !== undefined && words) {
      button.append(make("span", { className: "iou", text: `IoU ${item.iou.toFixed(2)}` }));
    }
    return { item, button };
  }

  function detectionRow(video, item, filter) {
    const [kind, alarm] = [kindOf(video, item, filter), fateOf(video, item, filter) === FALSE_ALARM];
    const words = fateWord(video, item, filter);
    const byKind = state.colours === "kind" && kind !== null;
    const colour = byKind ? data.kinds[kind].colour : item.label;
    return row(item, { words, fate: alarm ? "false-alarm" : "hit", colour });
  }

  function rowsOf(video, filter) {
    if (state.editing) {
      const own = labels.of(video).filter(({ label }) => !filter.hidden.has(label));
      return own.map((item) => row(item, { words: "", fate: "own" }));
    }
    const missed = state.filter.unlisted.has(MISSED) ? [] : missedActions(video, filter);
    return [
      ...listedDetections(video, filter).map((item) => detectionRow(video, item, filter)),
      ...missed.map((item) => row(item, { words: "missed", fate: "missed" })),
    ].sort((a, b) => a.item.start - b.item.start || a.item.end - b.item.end);
  }

  function draw(video, filter, seek) {
    rows = rowsOf(video, filter);
    for (const { item, button } of rows) button.addEventListener("click", () => seek(item));
    element("events").replaceChildren(...rows.map(({ button }) => make("li", {}, button)));
    element("events-none").hidden = rows.length > 0;
    element("events-none").textContent = state.editing
      ? "No label yet: A adds one at the time of the player."
      : "Nothing above the threshold.";
  }

  function moveTo(time) {
    for (const { item, button } of rows) {
      button.classList.toggle("now", item.start <= time && time < item.end);
    }
  }

  function select(selected) {
    for (const { item, button } of rows) {
      if (item === selected) {
        button.setAttribute("aria-current", "true");
        const list = element("events"); // not scrollIntoView, which would move the page too
        const above = button.offsetTop - list.offsetTop - list.scrollTop;
        if (above < 0 || above + button.offsetHeight > list.clientHeight) {
          list.scrollTop += above - list.clientHeight / 2;
        }
      } else button.removeAttribute("aria-current");
    }
  }

  return { draw, moveTo, select };
})();

function drawTotals(filter) {
  const judged = videos.filter((video) => video.actions);
  const [sum, byLabel] = [count(judged, filter), countByLabel(judged, filter)];
  filledIn(element("totals"), [
    ["precision", percent(sum.precision)],
    ["recall", percent(sum.recall)],
    ["F1", percent(sum.f1)],
    ["hits", `${sum.hits} of ${sum.actions}`],
    ["false alarms", sum.falseAlarms],
  ]);
  const tables = `.scores [data-model="${filter.model}"] tr[data-label]`;
  for (const row of document.querySelectorAll(tables)) {
    const counts = row.dataset.label === "all" ? sum : byLabel[Number(row.dataset.label)];
    const cells = [...row.cells].slice(-5);
    const { actions, hits, falseAlarms, precision, recall } = counts;
    [actions, hits, falseAlarms, percent(precision), percent(recall)].forEach((value, n) => {
      cells[n].textContent = value;
    });
    row.classList.toggle("off", filter.hidden.has(Number(row.dataset.label)));
  }
}

function drawHistogram(filter, bins) {
  const picture = element("histogram");
  const counts = histogram(filter, bins);
  const tall = (number) => Math.log1p(number); // one hit must be seen beside a thousand alarms
  const most = Math.max(1e-9, ...counts.map(([hits, alarms]) => tall(hits + alarms)));
  picture.setAttribute("viewBox", `0 0 ${bins} 1`);
  picture.replaceChildren();
  counts.forEach(([hits, alarms], n) => {
    const whole = tall(hits + alarms) / most;
    const part = hits + alarms ? (whole * hits) / (hits + alarms) : 0;
    svg("rect", { class: "alarms", x: n + 0.1, y: 1 - whole, width: 0.8, height: whole }, picture);
    svg("rect", { class: "hits", x: n + 0.1, y: 1 - part, width: 0.8, height: part }, picture);
  });
}
