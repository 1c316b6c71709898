// The video, or a clock in its place where there is none.

const film = element("player"); // the <video>

const player = (() => {
  let wanted = 0; // seconds; what counts until the browser knows the video
  let length = 0;
  let url = null;
  let copy = null; // address of a copy, to be tried if the browser does not play the file

  // A blob can be seeked everywhere; a data: address cannot.  It is made when a video is chosen.
  function address(video) {
    const { media } = video;
    if (media.address !== undefined) return media.address;
    const plain = atob(element(`media-${video.number}`).textContent);
    const bytes = new Uint8Array(plain.length);
    for (let n = 0; n < plain.length; n += 1) bytes[n] = plain.charCodeAt(n);
    url = URL.createObjectURL(new Blob([bytes], { type: media.kind }));
    return url;
  }

  function explain(message, { waiting = false } = {}) {
    element("no-picture").textContent = message;
    element("no-picture").hidden = !message;
    film.hidden = Boolean(message);
    element("play").disabled = Boolean(message);
    element("speed").disabled = Boolean(message);
    element("no-picture").classList.toggle("waiting", waiting);
  }

  function open(video) {
    film.pause();
    if (url) URL.revokeObjectURL(url);
    [url, wanted, length, copy] = [null, 0, video.duration, null];
    const shown = video.media && video.media.missing === undefined;
    explain(shown ? "" : video.media ? video.media.missing : "No video file for this entry.");
    if (shown) {
      copy = video.media.copy;
      film.src = address(video);
    } else film.removeAttribute("src");
    film.load();
    film.playbackRate = Number(element("speed").value);
  }

  const ready = () => !film.hidden && film.readyState > 0;

  function seek(time) {
    wanted = Math.min(Math.max(time, 0), length);
    if (ready()) film.currentTime = wanted;
    film.dispatchEvent(new Event("moved"));
  }

  film.addEventListener("loadedmetadata", () => {
    if (!element("no-picture").hidden) explain("");
    if (wanted) film.currentTime = wanted;
  });
  film.addEventListener("error", () => {
    if (!film.getAttribute("src")) return;
    if (!copy) {
      explain("This browser cannot play the file.");
      return;
    }
    explain("This browser cannot play the file; a small copy is being made …", { waiting: true });
    [film.src, copy] = [copy, null];
    film.load();
  });

  return {
    open,
    seek,
    time: () => (ready() ? film.currentTime : wanted),
    playing: () => !film.paused && !film.ended,
    toggle() {
      if (film.hidden) return;
      if (film.paused) film.play().catch(() => {});
      else film.pause();
    },
  };
})();
