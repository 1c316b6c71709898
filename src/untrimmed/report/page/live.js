// A page that is served asks what is new: how far a training is, and whether there are new results.

function prepareNews() {
  trainingChart.draw(data.training);
  element("live").hidden = !data.live;
  if (!data.live) return;
  element("reload").addEventListener("click", () => location.reload());
  let known = null; // what the server said last
  let failures = 0;

  async function ask() {
    try {
      const query = known ? `?seen=${encodeURIComponent(known.seen)}` : "";
      const answer = await fetch(`news${query}`, { cache: "no-store" });
      const news = await answer.json();
      failures = 0;
      if (news.training) trainingChart.draw(news.training);
      if (known && news.results !== known.results) element("reload").hidden = false;
      if (!known) known = { results: news.results };
      known.seen = news.seen;
      element("gone").hidden = true;
      document.body.classList.toggle("training-now", news.going);
    } catch {
      failures += 1;
      element("gone").hidden = failures < 2;
    }
    setTimeout(ask, 2000 * Math.min(failures + 1, 5));
  }

  ask();
}
