// What the report holds, and what can be counted in it.  Nothing here touches the page.

const parsed = (id) => JSON.parse(document.getElementById(id).textContent);
const data = { ...parsed("data"), ...parsed("around") };
const FALSE_ALARM = -1;
const EXCUSED = -2;
const HIT = 0; // of data.kinds; from 1 on errors
const MODELS = data.models.map((name, number) => {
  const [lowest, highest] = data.scores[number];
  return { name, number, letter: "AB"[number], lowest, highest };
});

// What one model found in a video: detections, the surest first, and what became of each.
function foundBy({ lowest, highest, number }, found) {
  const detections = found.detections.map(([start, end, label, score, iou, row], n) => ({
    n, start, end, label, score, iou, row, model: number,
    density: 0.15 + (0.85 * (score - lowest)) / (highest - lowest),
  }));
  // By threshold of overlap, each made when it is asked for.
  const spread = (exceptions) => {
    const made = [];
    return (tiou) => {
      if (!made[tiou]) {
        made[tiou] = new Int32Array(detections.length).fill(FALSE_ALARM);
        for (const [n, what] of exceptions[tiou]) made[tiou][n] = what;
      }
      return made[tiou];
    };
  };
  return {
    detections, kinds: found.kinds, fates: spread(found.fates), called: spread(found.called),
  };
}

const videos = data.videos.map(({ actions, found, ...video }, number) => ({
  ...video,
  number,
  media: data.media[number],
  actions:
    actions &&
    actions.map(([start, end, label, ignored], n) => ({ n, start, end, label, ignored })),
  found: MODELS.map((model, n) => foundBy(model, found[n])),
}));
const anyTruth = videos.some((video) => video.actions);

// A filter is { model, tiou: position in data.tious, thresholds: by model, hidden: set of labels,
// unlisted: set of kinds that are counted, but neither drawn nor listed }.

function shownDetections(video, filter, model = filter.model) {
  const shown = [];
  for (const detection of video.found[model].detections) {
    if (detection.score < filter.thresholds[model]) break;
    if (!filter.hidden.has(detection.label)) shown.push(detection);
  }
  return shown;
}

function fateOf(video, { n, model }, filter) {
  return video.actions ? video.found[model].fates(filter.tiou)[n] : EXCUSED;
}

// Of data.kinds; null where nobody knows what happens, or an ignored action excuses it.
function kindOf(video, { n, model }, filter) {
  if (!video.actions) return null;
  const letter = video.found[model].kinds[filter.tiou][n];
  return letter === "x" ? null : Number(letter);
}

// In words; empty where nobody knows what happens.
function fateWord(video, detection, filter) {
  if (!video.actions) return "";
  const kind = kindOf(video, detection, filter);
  if (kind === null) return "on an ignored action";
  return kind === HIT ? "hit" : data.kinds[kind].name;
}

function listedDetections(video, filter, model = filter.model) {
  const shown = shownDetections(video, filter, model);
  if (!filter.unlisted.size) return shown;
  return shown.filter((detection) => !filter.unlisted.has(kindOf(video, detection, filter)));
}

// Positions of the actions that a shown detection hits.
function foundActions(video, filter) {
  const fates = shownDetections(video, filter).map((detection) => fateOf(video, detection, filter));
  return new Set(fates.filter((fate) => fate >= 0));
}

function missedActions(video, filter) {
  const found = foundActions(video, filter);
  return (video.actions || []).filter(
    ({ n, label, ignored }) => !ignored && !filter.hidden.has(label) && !found.has(n),
  );
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

// Precision, recall and F1 by falling threshold, over all videos: a point for each score.
function operatingPoints(filter, model) {
  const judged = [];
  let actions = 0;
  for (const video of videos) {
    if (!video.actions) continue;
    for (const action of video.actions) {
      if (!action.ignored && !filter.hidden.has(action.label)) actions += 1;
    }
    for (const detection of video.found[model].detections) {
      const fate = fateOf(video, detection, filter);
      if (fate === EXCUSED || filter.hidden.has(detection.label)) continue;
      judged.push([detection.score, fate >= 0]);
    }
  }
  judged.sort((a, b) => b[0] - a[0]);
  const points = [];
  let hits = 0;
  judged.forEach(([score, hit], n) => {
    if (hit) hits += 1;
    if (n + 1 < judged.length && judged[n + 1][0] === score) return; // shown together or not at all
    points.push({ score, ...withShares({ actions, hits, falseAlarms: n + 1 - hits }) });
  });
  return points;
}

// The lowest score to believe so that F1 over all videos is largest.
function bestThreshold(filter, model) {
  let best = { f1: 0, score: null };
  for (const point of operatingPoints(filter, model)) if (point.f1 > best.f1) best = point;
  return best.score;
}

// Detections by score in equal bins over the range of scores: [hits or unjudged, false alarms].
function histogram(filter, bins) {
  const { number, lowest, highest } = MODELS[filter.model];
  const counts = Array.from({ length: bins }, () => [0, 0]);
  for (const video of videos) {
    for (const detection of video.found[number].detections) {
      if (filter.hidden.has(detection.label)) continue;
      const share = (detection.score - lowest) / (highest - lowest);
      const bin = counts[Math.min(bins - 1, Math.floor(share * bins))];
      bin[fateOf(video, detection, filter) === FALSE_ALARM ? 1 : 0] += 1;
    }
  }
  return counts;
}
