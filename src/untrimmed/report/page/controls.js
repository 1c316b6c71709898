// Pointer, keys and controls; starts the page.

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
    const unchecked = boxes.map(([box]) => box).filter((box) => !box.checked);
    state.filter.hidden = new Set(unchecked.map((box) => Number(box.value)));
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
    const fits = below + offsetHeight < innerHeight;
    tip.style.top = `${fits ? below : event.clientY - offsetHeight - 10}px`;
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
setThreshold(LOWEST + 0.3 * (HIGHEST - LOWEST));
setBestThreshold();
