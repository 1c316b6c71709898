// What the report holds, and what can be counted in it.  Nothing here touches the page.

const data = JSON.parse(document.getElementById("data").textContent);
const FALSE_ALARM = -1;
const EXCUSED = -2;
const [LOWEST, HIGHEST] = data.scores;

const videos = data.videos.map((video, number) => {
  const detections = video.detections.map(([start, end, label, score, iou, row], n) => ({
    n, start, end, label, score, iou, row,
    density: 0.15 + (0.85 * (score - LOWEST)) / (HIGHEST - LOWEST),
  })); // surest first
  const actions =
    video.actions &&
    video.actions.map(([start, end, label, ignored], n) => ({ n, start, end, label, ignored }));
  const fates = video.fates.map((pairs) => {
    const fate = new Int32Array(detections.length).fill(FALSE_ALARM);
    for (const [n, what] of pairs) fate[n] = what;
    return fate;
  });
  return { ...video, number, detections, actions, fates };
});
const anyTruth = videos.some((video) => video.actions);

// A filter is { tiou: position in data.tious, threshold, hidden: set of labels }.

function shownDetections(video, filter) {
  const shown = [];
  for (const detection of video.detections) {
    if (detection.score < filter.threshold) break;
    if (!filter.hidden.has(detection.label)) shown.push(detection);
  }
  return shown;
}

function fateOf(video, detection, filter) {
  return video.actions ? video.fates[filter.tiou][detection.n] : EXCUSED;
}

// In words; empty where nobody knows what happens.
function fateWord(video, detection, filter) {
  if (!video.actions) return "";
  const fate = fateOf(video, detection, filter);
  return fate >= 0 ? "hit" : fate === EXCUSED ? "on an ignored action" : "false alarm";
}

// Positions of the actions that a shown detection hits.
function foundActions(video, filter) {
  const fates = shownDetections(video, filter).map((detection) => fateOf(video, detection, filter));
  return new Set(fates.filter((fate) => fate >= 0));
}

// Calls tell(label, what) for each action and shown detection of some videos.
function tellAll(some, filter, tell) {
  for (const video of some) {
    for (const { label, ignored } of video.actions || []) {
      if (!ignored && !filter.hidden.has(label)) tell(label, "actions");
    }
    for (const detection of shownDetections(video, filter)) {
      const fate = fateOf(video, detection, filter);
      tell(detection.label, "detections");
      if (fate >= 0) tell(detection.label, "hits");
      if (fate === FALSE_ALARM) tell(detection.label, "falseAlarms");
    }
  }
}

const noCounts = () => ({ actions: 0, detections: 0, hits: 0, falseAlarms: 0 });

function withShares(counts) {
  const { actions, hits, falseAlarms } = counts;
  return {
    ...counts,
    missed: actions - hits,
    precision: hits / (hits + falseAlarms),
    recall: hits / actions,
    f1: (2 * hits) / (actions + hits + falseAlarms),
  };
}

function count(some, filter) {
  const counts = noCounts();
  tellAll(some, filter, (label, what) => {
    counts[what] += 1;
  });
  return withShares(counts);
}

function countByLabel(some, filter) {
  const counts = data.classes.map(noCounts);
  tellAll(some, filter, (label, what) => {
    counts[label][what] += 1;
  });
  return counts.map(withShares);
}

// The lowest score to believe so that F1 over all videos is largest.
function bestThreshold(filter) {
  const judged = [];
  let actions = 0;
  for (const video of videos) {
    if (!video.actions) continue;
    for (const action of video.actions) {
      if (!action.ignored && !filter.hidden.has(action.label)) actions += 1;
    }
    for (const detection of video.detections) {
      const fate = fateOf(video, detection, filter);
      if (fate === EXCUSED || filter.hidden.has(detection.label)) continue;
      judged.push([detection.score, fate >= 0]);
    }
  }
  judged.sort((a, b) => b[0] - a[0]);
  let hits = 0;
  let best = { f1: 0, score: null };
  judged.forEach(([score, hit], n) => {
    if (hit) hits += 1;
    const tied = n + 1 < judged.length && judged[n + 1][0] === score;
    const f1 = (2 * hits) / (actions + n + 1);
    if (!tied && f1 > best.f1) best = { f1, score };
  });
  return best.score;
}

// Detections by score in equal bins over the range of scores: [hits or unjudged, false alarms].
function histogram(filter, bins) {
  const counts = Array.from({ length: bins }, () => [0, 0]);
  for (const video of videos) {
    for (const detection of video.detections) {
      if (filter.hidden.has(detection.label)) continue;
      const share = (detection.score - LOWEST) / (HIGHEST - LOWEST);
      const bin = counts[Math.min(bins - 1, Math.floor(share * bins))];
      bin[fateOf(video, detection, filter) === FALSE_ALARM ? 1 : 0] += 1;
    }
  }
  return counts;
}

function clock(time, decimals = 2) {
  const ticks = Math.round(time * 10 ** decimals);
  const seconds = Math.floor(ticks / 10 ** decimals);
  const two = (number) => String(number).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const whole = h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  const rest = String(ticks % 10 ** decimals).padStart(decimals, "0");
  return decimals ? `${whole}.${rest}` : whole;
}

const span = ({ start, end }, decimals = 2) =>
  `${clock(start, decimals)} – ${clock(end, decimals)}`;
const percent = (share) => (Number.isFinite(share) ? (100 * share).toFixed(1) : "–");
