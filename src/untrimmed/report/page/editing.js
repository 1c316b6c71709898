// Correcting: labels are dragged, renamed, added and deleted, and saved in a format.

function startEditing(wanted) {
  state.editing = wanted;
  state.selected = null;
  document.body.classList.toggle("editing", wanted);
  element("edit").setAttribute("aria-pressed", String(wanted));
  if (wanted) labels.draft(state.video, state.filter);
  drawVideo();
}

const chosenLabel = () => (labels.of(state.video).includes(state.selected) ? state.selected : null);

// What the bar of controls says about the chosen label.
function drawEditing() {
  const chosen = chosenLabel();
  for (const id of ["label-class", "label-start", "label-end", "label-delete"]) {
    element(id).disabled = !chosen;
  }
  for (const id of ["start-here", "end-here"]) element(id).disabled = !chosen;
  if (naming && naming.chosen !== chosen) stopNaming();
  element("label-adopt").disabled = Boolean(chosen) || !state.selected || state.selected.label < 0;
  if (chosen) element("label-class").value = chosen.label;
  for (const end of ["start", "end"]) {
    element(`label-${end}`).value = chosen ? chosen[end].toFixed(2) : "";
  }
  const corrected = labels.isCorrected(state.video);
  element("accept").hidden = corrected;
  element("discard").hidden = !corrected;
  element("undo").disabled = !labels.canUndo(state.video);
}

function corrected(fresh) {
  state.selected = fresh;
  drawVideo();
  drawVideoList();
}

function changeLabel(ends) {
  const chosen = chosenLabel();
  if (!chosen) return;
  corrected(labels.change(state.video, chosen, labels.moved(state.video, chosen, ends)));
}

// Of the chosen class, or else the first that is shown; the first class of all has to be named.
function addLabel() {
  if (!labels.classes.length) {
    startNaming(null);
    return;
  }
  const chosen = chosenLabel();
  const visible = [...labels.classes.keys()].find((label) => !state.filter.hidden.has(label));
  addLabelOf(chosen ? chosen.label : visible === undefined ? 0 : visible);
}

function addLabelOf(label) {
  const start = Math.min(player.time(), state.video.duration - 0.04);
  const end = start + Math.min(2, state.video.duration / 20);
  corrected(labels.change(state.video, null, labels.moved(state.video, { label, start, end }, {})));
}

function deleteLabel() {
  const chosen = chosenLabel();
  if (chosen) corrected(labels.change(state.video, chosen, null));
}

function undoLabel() {
  labels.undo(state.video);
  corrected(null);
}

// A detection or an action is taken over as it is.
function adopt(item) {
  const { start, end, label } = item;
  corrected(labels.change(state.video, null, { start, end, label }));
}

// A name is asked for in the place of the list of classes.
let naming = null; // { chosen: label that shall be of the class, or null for a new one }

function startNaming(chosen) {
  naming = { chosen };
  element("label-class").hidden = true;
  element("label-name").hidden = false;
  element("label-name").value = "";
  element("label-name").focus();
}

function stopNaming() {
  naming = null;
  element("label-name").hidden = true;
  element("label-class").hidden = false;
}

function nameClass() {
  if (!naming) return;
  const { chosen } = naming;
  const name = element("label-name").value.trim();
  stopNaming();
  if (!name) drawEditing();
  else if (chosen) rename(chosen, classOf(name));
  else addLabelOf(classOf(name));
}

function rename(chosen, label) {
  corrected(labels.change(state.video, chosen, { ...chosen, label }));
}

// The class of a name, which is made if there is none.
function classOf(name) {
  if (!labels.classes.includes(name)) {
    labels.classes.push(name);
    offerClass(labels.classes.length - 1);
    classBoxes.add(labels.classes.length - 1);
  }
  return labels.classes.indexOf(name);
}

function offerClass(label) {
  const option = make("option", { value: label, text: labels.classes[label] });
  element("label-class").insertBefore(option, element("label-class").lastElementChild);
}

// Follows the pointer with a label or one of its ends; kept once the pointer is let go.
function dragLabel(event, node) {
  const { item } = timeline.itemOf(node);
  const { end: which } = node.dataset;
  const from = timeline.timeAt(event);
  const { video } = state;
  const before = { ...item };
  let went = null;
  state.selected = item;
  drawVideo();

  const follow = (moving) => {
    const by = timeline.timeAt(moving) - from;
    if (!went && Math.abs(by * element("canvas").clientWidth) < 2 * video.duration) return; // 2 pixels
    const long = before.end - before.start;
    const start = Math.min(Math.max(0, before.start + by), video.duration - long);
    const ends = which ? { [which]: before[which] + by } : { start, end: start + long };
    went = labels.moved(video, before, ends);
    Object.assign(item, went);
    player.seek(which === "end" ? went.end : went.start);
    drawVideo();
  };
  const stop = () => {
    document.removeEventListener("pointermove", follow);
    document.removeEventListener("pointerup", stop);
    document.removeEventListener("pointercancel", stop);
    if (!went) {
      player.seek(item.start);
      drawVideo();
      return;
    }
    Object.assign(item, before); // so that undoing gives the old one
    corrected(labels.change(video, item, went));
  };
  document.addEventListener("pointermove", follow);
  document.addEventListener("pointerup", stop);
  document.addEventListener("pointercancel", stop);
}

// Annotations as ActivityNet's JSON, for a page without a server.
function activityNet({ all }) {
  const database = {};
  for (const video of videos) {
    if (!all && !labels.isCorrected(video)) continue;
    if (!labels.isCorrected(video)) labels.draft(video, state.filter);
    database[video.id] = {
      duration: video.duration,
      subset: "",
      annotations: labels.of(video).map(({ start, end, label }) => ({
        label: labels.classes[label], segment: [start, end],
      })),
    };
  }
  const { classes } = labels;
  const whole = { version: "VERSION 1.3", taxonomy: [], classes, database };
  return { name: "annotations.json", content: new Blob([JSON.stringify(whole, null, 1)]) };
}

async function exported(format, { all }) {
  if (!data.live) return activityNet({ all });
  const { model, thresholds } = state.filter;
  const answer = await fetch("export", {
    method: "POST",
    headers: { "X-Token": data.live.token },
    body: JSON.stringify({ format, all, model, threshold: thresholds[model] }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return { name: answer.headers.get("X-Name"), content: await answer.blob() };
}

async function saveExport(event) {
  event.preventDefault();
  const all = element("export-all").value === "all";
  const say = element("export-state");
  say.textContent = "";
  try {
    const { name, content } = await exported(element("export-format").value, { all });
    const link = make("a", { href: URL.createObjectURL(content), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    element("export").close();
  } catch (error) {
    say.textContent = error.message;
  }
}

function prepareClassOfLabel() {
  const [list, name] = [element("label-class"), element("label-name")];
  list.append(make("option", { value: "new", text: "new class …" }));
  for (const label of labels.classes.keys()) offerClass(label);
  list.addEventListener("change", () => {
    const chosen = chosenLabel();
    if (!chosen) return;
    if (list.value === "new") startNaming(chosen);
    else rename(chosen, Number(list.value));
  });
  name.addEventListener("blur", nameClass);
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter") nameClass();
    if (event.key !== "Escape") return;
    stopNaming();
    drawEditing();
  });
}

function prepareEditing() {
  element("edit").addEventListener("click", () => startEditing(!state.editing));
  prepareClassOfLabel();
  for (const end of ["start", "end"]) {
    element(`label-${end}`).addEventListener("change", (event) => {
      const time = Number(event.target.value);
      if (event.target.value !== "" && Number.isFinite(time)) changeLabel({ [end]: time });
    });
    element(`${end}-here`).addEventListener("click", () => changeLabel({ [end]: player.time() }));
  }
  element("label-add").addEventListener("click", addLabel);
  element("label-delete").addEventListener("click", deleteLabel);
  element("label-adopt").addEventListener("click", () => adopt(state.selected));
  element("undo").addEventListener("click", undoLabel);
  element("accept").addEventListener("click", () => {
    labels.put(state.video, labels.of(state.video));
    corrected(null);
  });
  element("discard").addEventListener("click", () => {
    labels.discard(state.video);
    labels.draft(state.video, state.filter);
    corrected(null);
  });
  labels.onState((words, wrong = false) => {
    element("save-state").textContent = words;
    element("save-state").classList.toggle("wrong", wrong);
  });
  const formats = data.live ? data.live.formats : ["activitynet"];
  element("export-format").append(...formats.map((text) => make("option", { value: text, text })));
  element("export-open").addEventListener("click", () => {
    element("export-state").textContent = "";
    const done = labels.count();
    element("export-all").options[0].textContent = `the ${plural(done, "corrected video")}`;
    element("export-all").options[0].disabled = !done;
    element("export-all").value = done ? "corrected" : "all";
    element("export").showModal();
  });
  element("export-form").addEventListener("submit", saveExport);
  element("export-cancel").addEventListener("click", () => element("export").close());
  window.addEventListener("beforeunload", (event) => {
    if (labels.unsaved()) event.preventDefault();
  });
}
