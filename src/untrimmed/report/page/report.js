// State, what changes it, and drawing all that depends on it.

const state = {
  video: videos[0],
  selected: null, // a detection, an action or a label of the reader
  zoom: 1,
  search: "",
  order: "id",
  colours: "class", // or "kind"
  editing: false,
  filter: {
    model: 0,
    tiou: 0,
    thresholds: MODELS.map(({ lowest }) => lowest),
    hidden: new Set(),
    unlisted: new Set(),
  },
};
const slider = element("threshold");
const BINS = 50;

function seekTo(item) {
  if (item.model !== undefined && item.model !== state.filter.model) chooseModel(item.model);
  state.selected = item;
  player.seek(item.start);
  drawVideo();
  const name = labels.classes[item.label];
  const score = item.score === undefined ? "" : `, score ${item.score.toFixed(2)}`;
  element("spoken").textContent = `${name}, ${clock(item.start)} to ${clock(item.end)}${score}`;
}

// The shown detection after (or before) the selected one, or after the time if the video went on;
// while correcting, the label.
function step(direction) {
  const { video, filter, editing } = state;
  const shown = editing ? [...labels.of(video)] : listedDetections(video, filter);
  const inTime = shown.sort((a, b) => a.start - b.start || a.end - b.end || a.n - b.n);
  const time = player.time();
  const at = inTime.indexOf(state.selected);
  const anchored = at >= 0 && Math.abs(time - state.selected.start) < 0.1;
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
  if (state.editing) labels.draft(video, state.filter);
  drawVideo();
  drawVideoList();
  videoList.show(video);
}

function chooseModel(number) {
  state.filter.model = number;
  const { lowest, highest } = MODELS[number];
  Object.assign(slider, { min: lowest, max: highest, step: (highest - lowest) / 100 });
  for (const button of element("models").children) {
    button.setAttribute("aria-pressed", String(Number(button.value) === number));
  }
  for (const part of document.querySelectorAll(".scores .of-model, .curves .of-model")) {
    part.hidden = Number(part.dataset.model) !== number;
  }
  drawHistogram(state.filter, BINS);
  drawAll();
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
  const found = sum.actions ? `${sum.hits} of ${plural(sum.actions, "action")} found` : "no actions";
  element("video-counts").textContent = state.editing
    ? plural(labels.of(video).length, "label")
    : video.actions
      ? `${found}, ${plural(sum.falseAlarms, "false alarm")}`
      : plural(sum.detections, "detection");
  element("key-hit").textContent = video.actions ? "detection, hit" : "detection";
  element("zoom-value").textContent = `${zoom}×`;
  if (state.editing) drawEditing();
  drawTime();
}

function drawAll() {
  const { filter } = state;
  const threshold = filter.thresholds[filter.model];
  element("threshold-value").textContent = threshold.toFixed(2);
  slider.value = threshold;
  const overlap = data.tious[filter.tiou];
  for (const head of document.querySelectorAll("th.live, .at-threshold")) {
    head.textContent = `at threshold ${threshold.toFixed(2)}, tIoU ${overlap}`;
  }
  drawVideo();
  drawVideoList();
  drawTotals(filter);
  drawCharts();
  for (const node of document.querySelectorAll(".curves [data-label]")) {
    node.classList.toggle("off", filter.hidden.has(Number(node.dataset.label)));
  }
}

// They wait until the slider rests: with many detections they take longer than a picture.
let charting = 0;
function drawCharts() {
  clearTimeout(charting);
  charting = setTimeout(() => {
    thresholdChart.draw(state.filter, setThreshold);
    drawErrors(state.filter);
  }, 60);
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
  state.filter.thresholds[state.filter.model] = value;
  drawAll();
}

// On the last step of the slider that still shows the detection of the best score.
function bestOnSlider({ number, lowest, highest }) {
  const best = anyTruth ? bestThreshold(state.filter, number) : null;
  if (best === null) return null;
  const size = (highest - lowest) / 100;
  const steps = Math.floor((best - lowest) / size + 1e-6);
  return Number((lowest + steps * size).toPrecision(12)); // 0.7, not 0.7000000001
}

function setBestThreshold() {
  const best = bestOnSlider(MODELS[state.filter.model]);
  if (best !== null) setThreshold(best);
}

function zoomTo(zoom) {
  const scroll = element("scroll");
  const windows = (state.video.duration * 200) / scroll.clientWidth; // at 200 pixels a second
  const most = Math.max(1, 2 ** Math.ceil(Math.log2(windows)));
  state.zoom = Math.min(Math.max(zoom, 1), most);
  drawVideo();
  const x = (player.time() / state.video.duration) * scroll.scrollWidth;
  scroll.scrollLeft = x - scroll.clientWidth / 2;
}
