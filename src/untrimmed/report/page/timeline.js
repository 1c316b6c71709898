// Lanes of one video: a lane per class; labels of the reader, actions, and detections by model.

const ACTION = 14; // height of a bar
const DETECTION = 10;
const GAP = 3;
const PADDING = 7;
const AXIS = 24;
const HANDLE = 7; // width of the end of a label that can be dragged
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

// Where each lane lies, for the classes with something to show, and its rows below its top:
// { labels, actions, models: [...] }.
function laneLayout(video, shownByModel, filter, own) {
  const rows = new Map(); // of detections, by label and model
  const add = (label, model, row) => {
    if (!rows.has(label)) rows.set(label, MODELS.map(() => 0));
    if (model !== null) rows.get(label)[model] = Math.max(rows.get(label)[model], row + 1);
  };
  for (const { label } of [...(video.actions || []), ...own]) {
    if (label >= 0 && !filter.hidden.has(label)) add(label, null, 0);
  }
  for (const shown of shownByModel) for (const { label, model, row } of shown) add(label, model, row);

  const lanes = new Map();
  let top = AXIS;
  for (const label of [...rows.keys()].sort((a, b) => a - b)) {
    const lane = { top, labels: top + PADDING, models: [] };
    let y = lane.labels + (state.editing ? ACTION + 2 * GAP : 0);
    lane.actions = y;
    if (video.actions) y += ACTION + GAP;
    for (const count of rows.get(label)) {
      lane.models.push(y);
      const least = MODELS.length > 1 ? 1 : 0;
      if (Math.max(count, least)) y += Math.max(count, least) * (DETECTION + GAP) + GAP;
    }
    lane.height = Math.max(y - GAP - top, 2 * PADDING + ACTION - GAP) + PADDING - GAP;
    lanes.set(label, lane);
    top += lane.height;
  }
  return { lanes, height: top };
}

const timeline = (() => {
  const lanesElement = element("lanes");
  const scroll = element("scroll");
  const playhead = element("playhead");
  let scale = 1; // pixels per second
  let drawn = null;

  function axis(duration, height) {
    const step = STEPS.find((s) => s * scale >= 72) || STEPS.at(-1);
    const decimals = step < 1 ? 1 : 0;
    for (let n = 0; n * step <= duration + 1e-9; n += 1) {
      const x = n * step * scale;
      svg("path", { class: "tick", d: `M${x} ${AXIS - 5}V${height}` }, lanesElement);
      const anchor = n === 0 ? "start" : x > duration * scale - 20 ? "end" : "middle";
      const text = svg("text", { class: "tick", x, y: 13, "text-anchor": anchor }, lanesElement);
      text.textContent = clock(n * step, decimals);
    }
  }

  function bar(item, kind, marks, y, height, colour = colourName(Math.max(item.label, 0))) {
    const width = Math.max((item.end - item.start) * scale, 2.5);
    const names = ["bar", kind, colour, ...marks].join(" ");
    const box = { x: item.start * scale, y, width, height, rx: 2.5, class: names };
    const node = svg("rect", box, lanesElement);
    node.dataset.n = item.n;
    return node;
  }

  function drawActions(video, found, lanes, height) {
    for (const action of video.actions || []) {
      const lane = lanes.get(action.label);
      if (action.label < 0) {
        bar(action, "action", ["ignored", "everywhere"], AXIS, height - AXIS);
      } else if (lane) {
        const fate = action.ignored ? "ignored" : found.has(action.n) ? "found" : "missed";
        bar(action, "action", [fate], lane.actions, ACTION);
      }
    }
  }

  function drawDetections(video, shown, filter, selected, lanes) {
    for (const detection of [...shown].reverse()) {
      const kind = kindOf(video, detection, filter);
      const alarm = fateOf(video, detection, filter) === FALSE_ALARM;
      const marks = [alarm ? "false-alarm" : "hit"];
      if (detection === selected) marks.push("selected");
      const y = lanes.get(detection.label).models[detection.model];
      const byKind = state.colours === "kind" && kind !== null;
      const colour = colourName(byKind ? data.kinds[kind].colour : detection.label);
      const row = y + detection.row * (DETECTION + GAP);
      const node = bar(detection, "detection", marks, row, DETECTION, colour);
      node.dataset.model = detection.model;
      node.setAttribute("fill-opacity", detection.density);
    }
  }

  // The reader's labels, whose ends can be dragged.
  function drawLabels(own, filter, selected, lanes) {
    const shown = [...own.entries()].filter(([, { label }]) => !filter.hidden.has(label));
    for (const [n, label] of shown) {
      const marks = label === selected ? ["selected"] : [];
      bar({ ...label, n }, "label", marks, lanes.get(label.label).labels, ACTION);
    }
    // Above all labels: where two overlap, their ends can be reached.
    for (const [n, label] of shown) {
      const y = lanes.get(label.label).labels;
      for (const end of ["start", "end"]) {
        const x = label[end] * scale - HANDLE / 2;
        const box = { class: "handle", x, y: y - 1, width: HANDLE, height: ACTION + 2 };
        const node = svg("rect", box, lanesElement);
        Object.assign(node.dataset, { n, end });
        const grip = label[end] * scale + (end === "start" ? 3 : -3);
        svg("path", { class: "grip", d: `M${grip} ${y + 3.5}v${ACTION - 7}` }, lanesElement);
      }
    }
  }

  function drawNames(lanes) {
    const names = [...lanes].map(([label, lane]) => {
      const name = make("div", { className: colourName(label), title: labels.classes[label] });
      name.append(make("span", { className: "name", text: labels.classes[label] }));
      name.style.top = `${lane.top}px`;
      name.style.height = `${lane.height}px`;
      const tag = (text, y, height, isChosen) => {
        const node = make("i", { className: isChosen ? "tag chosen" : "tag", text });
        node.style.top = `${y - lane.top}px`;
        node.style.lineHeight = `${height}px`;
        name.append(node);
      };
      if (state.editing) tag("yours", lane.labels, ACTION, true);
      if (MODELS.length > 1) {
        lane.models.forEach((y, n) => tag(MODELS[n].letter, y, DETECTION, n === state.filter.model));
      }
      return name;
    });
    element("lane-names").replaceChildren(...names);
  }

  function draw(video, filter, zoom, selected) {
    const shownByModel = MODELS.map(({ number }) => listedDetections(video, filter, number));
    const found = foundActions(video, filter);
    const own = state.editing ? labels.of(video) : [];
    const layout = laneLayout(video, shownByModel, filter, own);
    const width = Math.max(200, scroll.clientWidth * zoom);
    const height = Math.max(layout.height, AXIS + 40);
    scale = width / video.duration;
    drawn = { video, filter, found, own };

    lanesElement.replaceChildren();
    lanesElement.setAttribute("width", width);
    lanesElement.setAttribute("height", height);
    lanesElement.setAttribute("aria-label", `${shownByModel[filter.model].length} detections`);
    element("canvas").style.width = `${width}px`;
    element("canvas").style.height = `${height}px`;
    element("lane-names").style.height = `${height}px`;
    let position = 0;
    for (const { top, height: tall } of layout.lanes.values()) {
      const name = position % 2 ? "lane" : "lane odd";
      svg("rect", { class: name, x: 0, y: top, width, height: tall }, lanesElement);
      position += 1;
    }
    axis(video.duration, height);
    drawActions(video, found, layout.lanes, height);
    for (const shown of shownByModel) {
      drawDetections(video, shown, filter, selected, layout.lanes);
    }
    drawLabels(own, filter, selected, layout.lanes);
    drawNames(layout.lanes);
    if (!layout.lanes.size) {
      const text = svg("text", { class: "empty", x: 8, y: AXIS + 24 }, lanesElement);
      text.textContent = "Nothing above the threshold in the chosen classes.";
    }
  }

  function moveTo(time, { follow }) {
    const x = time * scale;
    playhead.style.transform = `translateX(${x}px)`;
    const [left, width] = [scroll.scrollLeft, scroll.clientWidth];
    if (follow && (x < left || x > left + width)) scroll.scrollLeft = x - width * 0.2;
  }

  // What a bar stands for.
  function itemOf(node) {
    const n = Number(node.dataset.n);
    if (node.matches(".label, .handle")) return { kind: "label", item: drawn.own[n] };
    if (node.classList.contains("action")) return { kind: "action", item: drawn.video.actions[n] };
    const { detections } = drawn.video.found[Number(node.dataset.model)];
    return { kind: "detection", item: detections[n] };
  }

  function describe(node) {
    const { kind, item } = itemOf(node);
    const { video, filter, found } = drawn;
    const name = item.label < 0 ? "any class" : labels.classes[item.label];
    const time = `${span(item)} (${(item.end - item.start).toFixed(2)} s)`;
    if (kind === "label") return [name, time, "Yours: drag it, or its ends"];
    if (kind === "action") {
      const fate = item.ignored ? "ignored" : found.has(item.n) ? "found" : "missed";
      return [name, time, `Action, ${fate}`];
    }
    const by = MODELS.length > 1 ? `${MODELS[item.model].name}: ` : "";
    const lines = [name, time, `${by}Detection, score ${item.score.toFixed(3)}`];
    const words = fateWord(video, item, filter);
    return words ? [...lines, `Best IoU ${item.iou.toFixed(2)}, ${words}`] : lines;
  }

  const timeAt = (event) =>
    (event.clientX - lanesElement.getBoundingClientRect().left) / scale;

  return { draw, moveTo, itemOf, describe, timeAt };
})();
