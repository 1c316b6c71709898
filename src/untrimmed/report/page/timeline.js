// Lanes of one video: a lane per class, actions above, detections below.

const ACTION = 14; // height of a bar
const DETECTION = 10;
const GAP = 3;
const PADDING = 7;
const AXIS = 24;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

function svg(name, attributes, parent) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (parent) parent.append(node);
  return node;
}

const colourName = (label) => `colour-${label % 20}`;

// Where each lane lies, for the classes with something to show, and its detections below its top.
function laneLayout(video, shown, filter) {
  const rows = new Map(); // of detections
  const below = PADDING + (video.actions ? ACTION + GAP : 0);
  for (const { label } of video.actions || []) {
    if (label >= 0 && !filter.hidden.has(label)) rows.set(label, 1);
  }
  for (const { label, row } of shown) rows.set(label, Math.max(rows.get(label) || 1, row + 1));
  let top = AXIS;
  const lanes = new Map();
  for (const label of [...rows.keys()].sort((a, b) => a - b)) {
    const height = below + rows.get(label) * (DETECTION + GAP) - GAP + PADDING;
    lanes.set(label, { top, height });
    top += height;
  }
  return { lanes, below, height: top };
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

  function bar(item, kind, marks, y, height) {
    const width = Math.max((item.end - item.start) * scale, 2.5);
    const names = ["bar", kind, colourName(Math.max(item.label, 0)), ...marks].join(" ");
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
        bar(action, "action", [fate], lane.top + PADDING, ACTION);
      }
    }
  }

  function drawDetections(video, shown, filter, selected, { lanes, below }) {
    for (const detection of [...shown].reverse()) {
      const fate = fateOf(video, detection, filter);
      const marks = [fate === FALSE_ALARM ? "false-alarm" : "hit"];
      if (detection === selected) marks.push("selected");
      const y = lanes.get(detection.label).top + below + detection.row * (DETECTION + GAP);
      const node = bar(detection, "detection", marks, y, DETECTION);
      node.setAttribute("fill-opacity", detection.density);
    }
  }

  function drawNames(lanes) {
    const names = [...lanes].map(([label, { top, height }]) => {
      const name = document.createElement("div");
      name.className = colourName(label);
      name.textContent = name.title = data.classes[label];
      name.style.top = `${top}px`;
      name.style.height = `${height}px`;
      return name;
    });
    element("lane-names").replaceChildren(...names);
  }

  function draw(video, filter, zoom, selected) {
    const shown = shownDetections(video, filter);
    const found = foundActions(video, filter);
    const layout = laneLayout(video, shown, filter);
    const width = Math.max(200, scroll.clientWidth * zoom);
    const height = Math.max(layout.height, AXIS + 40);
    scale = width / video.duration;
    drawn = { video, filter, shown, found };

    lanesElement.replaceChildren();
    lanesElement.setAttribute("width", width);
    lanesElement.setAttribute("height", height);
    lanesElement.setAttribute("aria-label", `${shown.length} detections`);
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
    drawDetections(video, shown, filter, selected, layout);
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
    const kind = node.classList.contains("action") ? "actions" : "detections";
    return { kind, item: drawn.video[kind][Number(node.dataset.n)] };
  }

  function describe(node) {
    const { kind, item } = itemOf(node);
    const { video, filter, found } = drawn;
    const name = item.label < 0 ? "any class" : data.classes[item.label];
    const time = `${span(item)} (${(item.end - item.start).toFixed(2)} s)`;
    if (kind === "actions") {
      const fate = item.ignored ? "ignored" : found.has(item.n) ? "found" : "missed";
      return [name, time, `Action, ${fate}`];
    }
    const lines = [name, time, `Detection, score ${item.score.toFixed(3)}`];
    const words = fateWord(video, item, filter);
    return words ? [...lines, `Best IoU ${item.iou.toFixed(2)}, ${words}`] : lines;
  }

  const timeAt = (event) =>
    (event.clientX - lanesElement.getBoundingClientRect().left) / scale;

  return { draw, moveTo, itemOf, describe, timeAt };
})();
