// State, and what changes it: pointer, keys, controls.

const state = {
  video: videos[0],
  selected: null, // a detection
  zoom: 1,
  search: "",
  order: "id",
  filter: { tiou: 0, threshold: LOWEST, hidden: new Set() },
};
const slider = element("threshold");
const BINS = 50;

function seekTo(item) {
  state.selected = state.video.detections.includes(item) ? item : null;
  player.seek(item.start);
  drawVideo();
  eventList.select(state.selected);
  const name = data.classes[item.label];
  const score = item.score === undefined ? "missed" : `score ${item.score.toFixed(2)}`;
  element("spoken").textContent = `${name}, ${clock(item.start)} to ${clock(item.end)}, ${score}`;
}

// The shown detection after (or before) the selected one, or after the time if the video went on.
function step(direction) {
  const shown = shownDetections(state.video, state.filter);
  const inTime = shown.sort((a, b) => a.start - b.start || a.end - b.end || a.n - b.n);
  const time = player.time();
  const at = inTime.indexOf(state.selected);
  const anchored = at >= 0 && Math.abs(time - Math.min(state.selected.start, state.video.duration)) < 0.1;
  const wanted = anchored
    ? inTime[at + direction]
    : direction > 0
      ? inTime.find(({ start }) => start > time + 0.05)
      : inTime.findLast(({ start }) => start < time - 0.05);
  if (wanted) seekTo(wanted);
}

function choose(video) {
  if (video === state.video && element("video-name").textContent) return;
  state.video = video;
  state.selected = null;
  state.zoom = 1;
  element("scroll").scrollLeft = 0;
  element("video-name").textContent = video.id;
  document.body.classList.toggle("judged", Boolean(video.actions));
  player.open(video);
  drawVideo();
  drawVideoList();
  videoList.show(video);
}

function drawVideoList() {
  const { filter, order, search, video } = state;
  videoList.update(filter, { order, search, chosen: video });
}

function drawVideo() {
  const { video, filter, zoom, selected } = state;
  const sum = count([video], filter);
  timeline.draw(video, filter, zoom, selected);
  eventList.draw(video, filter, seekTo);
  eventList.select(selected);
  element("video-counts").textContent = video.actions
    ? `${sum.hits} of ${plural(sum.actions, "action")} found, ${plural(sum.falseAlarms, "false alarm")}`
    : plural(sum.detections, "detection");
  element("key-hit").textContent = video.actions ? "detection, hit" : "detection";
  element("zoom-value").textContent = `${zoom}×`;
  drawTime();
}

function drawAll() {
  const { filter } = state;
  element("threshold-value").textContent = filter.threshold.toFixed(2);
  slider.value = filter.threshold;
  const overlap = data.tious[filter.tiou];
  const head = element("live-head");
  if (head) head.textContent = `at threshold ${filter.threshold.toFixed(2)}, tIoU ${overlap}`;
  drawVideo();
  drawVideoList();
  drawTotals(filter);
  for (const node of document.querySelectorAll(".curves [data-label]")) {
    node.classList.toggle("off", filter.hidden.has(Number(node.dataset.label)));
  }
}

function drawTime() {
  const time = player.time();
  element("time").textContent = `${clock(time)} / ${clock(state.video.duration)}`;
  timeline.moveTo(time, { follow: player.playing() });
  eventList.moveTo(time);
}

function drawWhilePlaying() {
  drawTime();
  if (player.playing()) requestAnimationFrame(drawWhilePlaying);
}

function setThreshold(value) {
  state.filter.threshold = value;
  drawAll();
}

function setBestThreshold() {
  const best = anyTruth ? bestThreshold(state.filter) : null;
  const step = Number(slider.step);
  if (best !== null) setThreshold(LOWEST + Math.floor((best - LOWEST) / step + 1e-6) * step);
}

function zoomTo(zoom) {
  const scroll = element("scroll");
  const most = Math.max(1, 2 ** Math.ceil(Math.log2((state.video.duration * 200) / scroll.clientWidth)));
  state.zoom = Math.min(Math.max(zoom, 1), most);
  drawVideo();
  const x = (player.time() / state.video.duration) * scroll.scrollWidth;
  scroll.scrollLeft = x - scroll.clientWidth / 2;
}

// --- controls

function prepareControls() {
  Object.assign(slider, { min: LOWEST, max: HIGHEST, step: (HIGHEST - LOWEST) / 100 });
  let waiting = false; // at most one drawing per picture of the screen
  slider.addEventListener("input", () => {
    if (!waiting) {
      requestAnimationFrame(() => {
        waiting = false;
        setThreshold(Number(slider.value));
      });
    }
    waiting = true;
  });
  element("best").addEventListener("click", setBestThreshold);

  const tiou = element("tiou");
  tiou.append(...data.tious.map((value, n) => make("option", { value: n, text: value })));
  tiou.addEventListener("change", () => {
    state.filter.tiou = Number(tiou.value);
    drawHistogram(state.filter, BINS);
    drawAll();
  });
  const nearest = data.tious.map((value) => Math.abs(value - 0.5));
  state.filter.tiou = nearest.indexOf(Math.min(...nearest));
  tiou.value = state.filter.tiou;

  element("search").addEventListener("input", (event) => {
    state.search = event.target.value;
    drawVideoList();
  });
  element("order").addEventListener("change", (event) => {
    state.order = event.target.value;
    drawVideoList();
  });
  element("videos").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) choose(videos[Number(button.dataset.video)]);
  });
  element("zoom-in").addEventListener("click", () => zoomTo(state.zoom * 2));
  element("zoom-out").addEventListener("click", () => zoomTo(state.zoom / 2));
}

function prepareClasses() {
  const boxes = data.classes.map((name, label) => {
    const box = make("input", { type: "checkbox", checked: true, value: label });
    const swatch = make("i", { className: `swatch ${colourName(label)}` });
    return [box, make("label", {}, box, swatch, make("span", { text: name }))];
  });
  const all = (checked) => {
    for (const [box] of boxes) box.checked = checked;
    changed();
  };
  const changed = () => {
    state.filter.hidden = new Set(boxes.filter(([box]) => !box.checked).map(([box]) => Number(box.value)));
    drawHistogram(state.filter, BINS);
    drawAll();
  };
  const buttons = [
    make("button", { type: "button", text: "all", onclick: () => all(true) }),
    make("button", { type: "button", text: "none", onclick: () => all(false) }),
  ];
  element("classes").append(...boxes.map(([, label]) => label), ...buttons);
  element("classes").addEventListener("change", changed);
  element("classes").hidden = data.classes.length < 2;
}

function preparePlayer() {
  element("play").addEventListener("click", player.toggle);
  element("previous").addEventListener("click", () => step(-1));
  element("next").addEventListener("click", () => step(1));
  element("speed").addEventListener("change", (event) => {
    film.playbackRate = Number(event.target.value);
  });
  film.addEventListener("click", player.toggle);
  for (const name of ["moved", "seeked", "timeupdate", "loadedmetadata"]) {
    film.addEventListener(name, drawTime);
  }
  for (const name of ["play", "pause", "ended"]) {
    film.addEventListener(name, () => {
      const playing = player.playing();
      element("play").classList.toggle("playing", playing);
      element("play").setAttribute("aria-label", playing ? "Pause" : "Play");
      drawWhilePlaying();
    });
  }
}

function prepareTimeline() {
  const [scroll, tip] = [element("scroll"), element("tip")];
  let scrubbing = false;

  scroll.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (event.target.closest(".bar")) return;
    if (event.offsetY > scroll.clientHeight && event.target === scroll) return; // the scroll bar
    scrubbing = true;
    scroll.setPointerCapture(event.pointerId);
    player.seek(timeline.timeAt(event));
  });
  scroll.addEventListener("click", (event) => {
    const bar = event.target.closest(".bar");
    if (bar) seekTo(timeline.itemOf(bar).item);
  });
  scroll.addEventListener("pointermove", (event) => {
    if (scrubbing) player.seek(timeline.timeAt(event));
    const bar = scrubbing ? null : event.target.closest(".bar");
    tip.hidden = !bar;
    if (!bar) return;
    tip.replaceChildren(...timeline.describe(bar).map((text) => make("p", { text })));
    const { offsetWidth, offsetHeight } = tip;
    tip.style.left = `${Math.min(event.clientX + 12, innerWidth - offsetWidth - 8)}px`;
    const below = event.clientY + 18;
    tip.style.top = `${below + offsetHeight > innerHeight ? event.clientY - offsetHeight - 10 : below}px`;
  });
  for (const name of ["pointerup", "pointercancel"]) {
    scroll.addEventListener(name, () => {
      scrubbing = false;
    });
  }
  scroll.addEventListener("pointerleave", () => {
    tip.hidden = true;
  });
  scroll.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoomTo(state.zoom * (event.deltaY < 0 ? 2 : 0.5));
    },
    { passive: false },
  );
  new ResizeObserver(() => drawVideo()).observe(scroll);
}

// Keys that a control under the focus wants for itself are left to it.
function ownKeys(target, key) {
  if (target.matches("input[type=search], input[type=range], select")) return true;
  return key === " " && target.matches("button, input");
}

function prepareKeys() {
  const actions = {
    " ": player.toggle,
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    j: () => choose(videoList.beside(state.video, 1)),
    k: () => choose(videoList.beside(state.video, -1)),
  };
  document.addEventListener("keydown", (event) => {
    const act = actions[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    if (ownKeys(event.target, event.key)) return;
    event.preventDefault();
    act();
  });
}

// A curve and its name light up together.
function prepareCurves() {
  const box = document.querySelector(".chart-box");
  const light = (event) => {
    const near = event.type === "pointerleave" ? null : event.target.closest("[data-label]");
    for (const node of box.querySelectorAll("[data-label]")) {
      node.classList.toggle("lit", Boolean(near) && node.dataset.label === near.dataset.label);
    }
    box.classList.toggle("lighting", Boolean(near));
  };
  for (const name of ["pointerover", "pointerleave", "focusin"]) box.addEventListener(name, light);
}

document.body.classList.toggle("any-truth", anyTruth);
for (const name of ["scores", "curves", "facts"]) {
  const card = document.querySelector(`section.${name}`);
  card.hidden = !card.querySelector("table, svg, dt");
}
document.querySelector(".videos").hidden = videos.length < 2;
prepareControls();
prepareClasses();
preparePlayer();
prepareTimeline();
prepareKeys();
prepareCurves();
drawVideoList();
choose(videoList.first());
drawHistogram(state.filter, BINS);
if (anyTruth) setBestThreshold();
else setThreshold(LOWEST + 0.3 * (HIGHEST - LOWEST));
