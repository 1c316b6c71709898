// Pointer, keys and controls.

function prepareControls() {
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

  element("colours").addEventListener("change", (event) => {
    state.colours = event.target.value;
    document.body.classList.toggle("by-kind", state.colours === "kind");
    drawVideo();
  });
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

// Which classes are shown; a class may come while the page is open.
const classBoxes = (() => {
  const boxes = [];
  const all = make("button", { type: "button", text: "all", onclick: () => set(true) });
  const none = make("button", { type: "button", text: "none", onclick: () => set(false) });

  function changed() {
    const unchecked = boxes.filter((box) => !box.checked);
    state.filter.hidden = new Set(unchecked.map((box) => Number(box.value)));
    drawHistogram(state.filter, BINS);
    drawAll();
  }

  function set(checked) {
    for (const box of boxes) box.checked = checked;
    changed();
  }

  function add(label) {
    const box = make("input", { type: "checkbox", checked: true, value: label });
    const swatch = make("i", { className: `swatch ${colourName(label)}` });
    boxes.push(box);
    const name = labels.classes[label];
    all.before(make("label", { title: name }, box, swatch, make("span", { text: name })));
    element("classes").hidden = boxes.length < 2;
  }

  function prepare() {
    element("classes").append(all, none);
    element("classes").hidden = true;
    for (const label of labels.classes.keys()) add(label);
    element("classes").addEventListener("change", changed);
  }

  return { prepare, add };
})();

// Two models: one is counted, both are drawn.
function prepareModels() {
  const buttons = MODELS.map(({ number, letter, name }) => {
    const button = make("button", { type: "button", value: number, title: name },
      make("b", { text: letter }), make("span", { text: name }));
    button.addEventListener("click", () => chooseModel(number));
    return button;
  });
  element("models").append(...buttons);
  element("models").hidden = MODELS.length < 2;
}

// Which outcomes are drawn and listed; counts stay as they are.
function prepareKinds() {
  const kinds = [
    ...data.kinds.map(({ name, colour }, kind) => ({ kind, name: kind === HIT ? "hit" : name, colour })),
    { kind: MISSED, name: "missed", colour: null },
  ];
  const boxes = kinds.map(({ kind, name, colour }) => {
    const box = make("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      if (box.checked) state.filter.unlisted.delete(kind);
      else state.filter.unlisted.add(kind);
      drawVideo();
    });
    const swatch = make("i", { className: `swatch ${colour === null ? "open" : colourName(colour)}` });
    return [box, make("label", {}, box, swatch, make("span", { text: name }))];
  });
  const only = (errors) => {
    boxes.forEach(([box], n) => {
      box.checked = !errors || kinds[n].kind !== HIT;
      state.filter.unlisted[box.checked ? "delete" : "add"](kinds[n].kind);
    });
    drawVideo();
  };
  element("kinds").append(
    ...boxes.map(([, label]) => label),
    make("button", { type: "button", text: "all", onclick: () => only(false) }),
    make("button", { type: "button", text: "errors", onclick: () => only(true) }),
  );
}

function prepareExamples() {
  for (const id of ["error-kinds", "confusion-box"]) {
    element(id).addEventListener("click", (event) => {
      const button = event.target.closest("[data-example]");
      if (!button) return;
      examples.show(button.dataset.example);
      element("timeline").scrollIntoView({ block: "nearest" });
    });
  }
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
    const held = event.target.closest(".label, .handle");
    if (held) {
      event.preventDefault();
      tip.hidden = true;
      dragLabel(event, held);
      return;
    }
    if (event.target.closest(".bar")) return;
    if (event.offsetY > scroll.clientHeight && event.target === scroll) return; // the scroll bar
    scrubbing = true;
    scroll.setPointerCapture(event.pointerId);
    player.seek(timeline.timeAt(event));
  });
  scroll.addEventListener("click", (event) => {
    const bar = event.target.closest(".bar");
    if (!bar || bar.matches(".label")) return;
    const { item } = timeline.itemOf(bar);
    if (state.editing && event.detail === 2 && item.label >= 0) adopt(item);
    else seekTo(item);
  });
  scroll.addEventListener("pointermove", (event) => {
    if (scrubbing) player.seek(timeline.timeAt(event));
    const bar = scrubbing || event.buttons ? null : event.target.closest(".bar");
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
  if (target.closest("dialog")) return true;
  if (target.matches("input:is([type=search], [type=number], [type=text]), select")) return true;
  if (target.matches("input[type=range]")) return /^(Arrow|Home|End|Page)/.test(key);
  return key === " " && target.matches("button, input");
}

const KEYS = {
  " ": player.toggle,
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  ",": () => player.seek(player.time() - 0.04),
  ".": () => player.seek(player.time() + 0.04),
  j: () => choose(videoList.beside(state.video, 1)),
  k: () => choose(videoList.beside(state.video, -1)),
  e: () => startEditing(!state.editing),
};
const EDITING_KEYS = {
  a: addLabel,
  Delete: deleteLabel,
  Backspace: deleteLabel,
  "[": () => changeLabel({ start: player.time() }),
  "]": () => changeLabel({ end: player.time() }),
  Escape: () => startEditing(false),
};

function prepareKeys() {
  document.addEventListener("keydown", (event) => {
    if (ownKeys(event.target, event.key)) return;
    const undoing = (event.ctrlKey || event.metaKey) && event.key === "z" && state.editing;
    const act = undoing ? undoLabel : (state.editing && EDITING_KEYS[event.key]) || KEYS[event.key];
    if (!act || event.altKey || (!undoing && (event.ctrlKey || event.metaKey))) return;
    event.preventDefault();
    act();
  });
}

// A curve and its name light up together.
function prepareCurves() {
  for (const box of document.querySelectorAll(".curves .of-model")) {
    const light = (event) => {
      const near = event.type === "pointerleave" ? null : event.target.closest("[data-label]");
      for (const node of box.querySelectorAll("[data-label]")) {
        node.classList.toggle("lit", Boolean(near) && node.dataset.label === near.dataset.label);
      }
      box.classList.toggle("lighting", Boolean(near));
    };
    for (const name of ["pointerover", "pointerleave", "focusin"]) box.addEventListener(name, light);
  }
}
