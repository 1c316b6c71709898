// State, what changes it, and drawing all that depends on it.

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
  const found = `${sum.hits} of ${plural(sum.actions, "action")} found`;
  element("video-counts").textContent = video.actions
    ? `${found}, ${plural(sum.falseAlarms, "false alarm")}`
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

// On the last step of the slider that still shows the detection of the best score.
function setBestThreshold() {
  const best = anyTruth ? bestThreshold(state.filter) : null;
  if (best === null) return;
  const steps = Math.floor((best - LOWEST) / Number(slider.step) + 1e-6);
  setThreshold(Number((LOWEST + steps * slider.step).toPrecision(12))); // 0.7, not 0.7000000001
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
