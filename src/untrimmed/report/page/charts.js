// Curves over the threshold and over the steps of a training, as SVG that can be pointed at.

// A chart of lines in a box.  `draw` takes { series: [{ name, colour, points: [[x, y], ...] }],
// x: [least, most], y: [least, most], mark, nameX, nameY }; `choose` is told the x that is clicked.
function lineChart(box, { label, choose }) {
  const [W, H, LEFT, TOP, RIGHT, BOTTOM] = [480, 230, 40, 10, 12, 38];
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", class: "chart lines" });
  picture.setAttribute("aria-label", label);
  const key = make("ul", { className: "chart-key" });
  box.replaceChildren(picture, key);
  let drawn = null;
  let readings = []; // where the key says a value

  const shareOf = (value, [least, most]) => (value - least) / (most - least || 1);
  const placeX = (x) => LEFT + shareOf(x, drawn.x) * (W - LEFT - RIGHT);
  const placeY = (y) => TOP + (1 - shareOf(y, drawn.y)) * (H - TOP - BOTTOM);
  const written = (value) => {
    if (value && Math.abs(value) < 0.01) return value.toExponential(1).replace(".0e", "e");
    return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  };

  function axes() {
    for (let n = 0; n <= 4; n += 1) {
      const y = drawn.y[0] + ((drawn.y[1] - drawn.y[0]) * n) / 4;
      const x = drawn.x[0] + ((drawn.x[1] - drawn.x[0]) * n) / 4;
      svg("path", { class: "grid", d: `M${LEFT} ${placeY(y)}H${W - RIGHT}` }, picture);
      const left = { x: LEFT - 6, y: placeY(y) + 4, "text-anchor": "end" };
      svg("text", left, picture).textContent = written(y);
      const below = { x: placeX(x), y: H - BOTTOM + 16, "text-anchor": "middle" };
      svg("text", below, picture).textContent = drawn.whole ? Math.round(x) : written(x);
    }
    const under = { x: (LEFT + W - RIGHT) / 2, y: H - 5, "text-anchor": "middle" };
    svg("text", under, picture).textContent = drawn.nameX;
  }

  function read(x) {
    drawn.series.forEach(({ points }, n) => {
      let near = null;
      for (const point of points) {
        if (!near || Math.abs(point[0] - x) < Math.abs(near[0] - x)) near = point;
      }
      readings[n].textContent = near ? written(near[1]) : "–";
    });
  }

  function draw(what) {
    drawn = what;
    picture.replaceChildren();
    axes();
    for (const { colour, points, dashed } of what.series) {
      const line = points.map(([x, y]) => `${placeX(x).toFixed(1)},${placeY(y).toFixed(1)}`);
      const names = `curve ${colour}${dashed ? " dashed" : ""}`;
      svg("polyline", { class: names, points: line.join(" ") }, picture);
    }
    const mark = svg("path", { class: "mark" }, picture);
    const x = what.mark === undefined ? what.x[1] : what.mark;
    if (what.mark !== undefined) mark.setAttribute("d", `M${placeX(x)} ${TOP}V${H - BOTTOM}`);
    svg("path", { class: "pointer" }, picture);
    readings = what.series.map(() => make("b"));
    key.replaceChildren(
      ...what.series.map(({ name, colour, dashed }, n) =>
        make("li", {},
          make("i", { className: `stroke ${colour}${dashed ? " dashed" : ""}` }), name, readings[n]),
      ),
    );
    read(x);
  }

  function pointed(event) {
    const { left, width } = picture.getBoundingClientRect();
    const share = (((event.clientX - left) / width) * W - LEFT) / (W - LEFT - RIGHT);
    return drawn.x[0] + Math.min(1, Math.max(0, share)) * (drawn.x[1] - drawn.x[0]);
  }

  picture.addEventListener("pointermove", (event) => {
    if (!drawn) return;
    const x = pointed(event);
    const line = picture.querySelector(".pointer");
    line.setAttribute("d", `M${placeX(x)} ${TOP}V${H - BOTTOM}`);
    read(x);
  });
  picture.addEventListener("pointerleave", () => {
    if (drawn) draw(drawn);
  });
  if (choose) {
    picture.classList.add("choosing");
    picture.addEventListener("click", (event) => choose(pointed(event)));
  }
  return { draw };
}

// At most so many points of a curve that is drawn in a picture.
function thinned(points, most = 240) {
  const step = Math.max(1, Math.ceil(points.length / most));
  return points.filter((_, n) => n % step === 0 || n === points.length - 1);
}

const thresholdChart = (() => {
  let chart = null;
  let known = { key: "", series: [] };

  function seriesOf(filter) {
    const chosen = MODELS[filter.model];
    const points = operatingPoints(filter, chosen.number);
    const line = (name) => thinned(points).map((point) => [point.score, point[name]]);
    const series = [
      { name: "precision", colour: "colour-0", points: line("precision") },
      { name: "recall", colour: "colour-1", points: line("recall") },
      { name: "F1", colour: "colour-2", points: line("f1") },
    ];
    for (const { number, name, lowest, highest } of MODELS) {
      const alike = lowest === chosen.lowest && highest === chosen.highest;
      if (number === filter.model || !alike) continue;
      const other = thinned(operatingPoints(filter, number)).map(({ score, f1 }) => [score, f1]);
      series.push({ name: `F1 of ${name}`, colour: "colour-2", dashed: true, points: other });
    }
    return series;
  }

  function draw(filter, choose) {
    if (!anyTruth) return;
    chart = chart || lineChart(element("threshold-chart"), {
      label: "Precision, recall and F1 by threshold", choose,
    });
    const key = JSON.stringify([filter.model, filter.tiou, [...filter.hidden]]);
    if (known.key !== key) known = { key, series: seriesOf(filter) };
    const { lowest, highest } = MODELS[filter.model];
    chart.draw({
      series: known.series, x: [lowest, highest], y: [0, 1],
      mark: filter.thresholds[filter.model], nameX: "threshold on the score",
    });
  }

  return { draw };
})();

const trainingChart = (() => {
  const charts = new Map();

  function drawOne(id, label, series, steps, { most }) {
    if (!charts.has(id)) charts.set(id, lineChart(element(id), { label }));
    charts.get(id).draw({ series, x: [0, steps.at(-1)], y: [0, most || 1], nameX: "step", whole: true });
  }

  function draw(training) {
    document.querySelector("section.training").hidden = !training;
    if (!training) return;
    const { steps, losses, lr, scores } = training;
    const line = (values) =>
      values.map((y, n) => [steps[n], y]).filter(([, y]) => y !== null);
    const names = Object.keys(losses);
    const total = steps.map((_, n) => names.reduce((sum, name) => sum + (losses[name][n] || 0), 0));
    const series = names.map((name, n) => ({
      name, colour: colourName(n + 1), points: line(losses[name]),
    }));
    if (names.length > 1) series.unshift({ name: "total", colour: "colour-0", points: line(total) });
    const high = [...total].sort((a, b) => a - b)[Math.floor(total.length * 0.98)];
    const most = Math.max(high, ...total.slice(Math.floor(total.length / 4))) * 1.05;
    const capped = series.map(({ points, ...rest }) => ({
      ...rest, points: points.map(([x, y]) => [x, Math.min(y, most)]),
    }));
    drawOne("loss-chart", "Losses by step", capped, steps, { most });
    const rates = line(lr);
    const rate = [{ name: "learning rate", colour: "colour-3", points: rates }];
    const highest = Math.max(...rates.map(([, y]) => y)) * 1.05;
    if (rates.length) drawOne("rate-chart", "Learning rate by step", rate, steps, { most: highest });
    element("score-chart").hidden = !scores.length;
    if (scores.length) {
      const validation = [{ name: "average mAP, validation", colour: "colour-2", points: scores }];
      drawOne("score-chart", "Score by step", validation, steps, { most: 1 });
    }
    element("training-step").textContent = `step ${steps.at(-1)}`;
  }

  return { draw };
})();
