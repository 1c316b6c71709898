// Starts the page.

document.body.classList.toggle("any-truth", anyTruth);
for (const name of ["scores", "curves", "facts"]) {
  const card = document.querySelector(`section.${name}`);
  card.hidden = !card.querySelector("table, svg, dt");
}
for (const name of ["thresholds", "errors", "confusions"]) {
  document.querySelector(`section.${name}`).hidden = !anyTruth;
}
document.querySelector(".videos").hidden = videos.length < 2;
prepareControls();
prepareModels();
classBoxes.prepare();
prepareKinds();
preparePlayer();
prepareTimeline();
prepareKeys();
prepareCurves();
prepareExamples();
prepareEditing();
prepareNews();
for (const { number, lowest, highest, ...rest } of MODELS) {
  const best = bestOnSlider({ number, lowest, highest, ...rest });
  state.filter.thresholds[number] = best === null ? lowest + 0.3 * (highest - lowest) : best;
}
drawVideoList(); // sorts
choose(videoList.first());
chooseModel(0);
