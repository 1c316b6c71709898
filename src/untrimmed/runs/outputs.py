"""What was found, written in the forms that others read.

Tables hold every detection; what people look at, subtitles, ELAN, Label Studio and the overlay,
holds those above the threshold.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import MediaError, UserError
from untrimmed.core.files import written_whole
from untrimmed.report.html import Report, VideoEntry, write_report
from untrimmed.report.overlay import overlay_size, write_overlay
from untrimmed.runs.inputs import Source, place, shown_fps
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.seen_files import DETECTIONS
from untrimmed.sources import parquet
from untrimmed.sources.formats import activitynet, csv, elan, label_studio, subtitles
from untrimmed.sources.frames import Frames
from untrimmed.sources.pictures import Pictures, open_pictures
from untrimmed.sources.video import VideoFrames, open_video

Form = Literal["json", "csv", "parquet", "srt", "vtt", "eaf", "label_studio", "overlay"]
FORMS: tuple[Form, ...] = get_args(Form)
ALWAYS: tuple[Form, ...] = ("json", "csv")

LABEL_STUDIO_FPS = 25.0
"""In which its tasks count; its labelling configuration must say the same."""

MOST_EMBEDDED_BYTES = 2**23
"""Of videos inside the page, which is written from memory; if there are more all are linked."""

MOST_IN_PAGE = 2000
"""Detections of a video in the page, the surest; the files have all."""

_SHORTEST_S = 2e-3  # that ELAN can hold for sure; it counts in whole milliseconds
_MOST_FPS = 30.0  # of an overlay


@dataclass(frozen=True, kw_only=True)
class Results:
    """What was found, and where.

    Args:
        classes: names, by label.
        detections, durations_s, sources: by name of the video.
        least_score: what people are shown scores this or more.
        fps: of pictures.
    """

    classes: tuple[str, ...]
    detections: Mapping[str, Detections]
    durations_s: Mapping[str, float]
    sources: Mapping[str, Source]
    least_score: float
    fps: float | None = None

    @property
    def shown(self) -> dict[str, Detections]:
        """Detections of the least score or more."""
        return {id: some[some.scores >= self.least_score] for id, some in self.detections.items()}


def checked_forms(names: Sequence[str]) -> tuple[Form, ...]:
    """Forms by name, those that are always written first.

    Raises:
        UserError: if there is none of a name.
    """
    wanted = dict.fromkeys((*ALWAYS, *(name.strip() for name in names)))
    for name in wanted:
        if name not in FORMS:
            raise UserError(f"--write {name}: there is no such form; there are {', '.join(FORMS)}")
    return tuple(form for form in FORMS if form in wanted)


def write_results(
    results: Results, output: Path, *, forms: Sequence[Form], on_videos: bool
) -> Job[dict[str, str]]:
    """Write the forms, and a page to look at if there is any video.

    Args:
        on_videos: whether the sources are videos; an overlay and the players of the page need them.

    Returns:
        What is wrong with each video over which nothing could be drawn.

    Raises:
        UserError: if a form needs something that is not installed, or the sources are no videos.
    """
    if "overlay" in forms and not on_videos:
        raise UserError("--write overlay: features have no pictures to draw on")
    for form in forms:
        if form != "overlay":
            _WRITERS[form](results, output)
    media = _files(results) if on_videos else {}
    if results.detections:
        yield Progress("write the page", 0, 1)
        bytes_in_all = sum(file.stat().st_size for file in media.values())
        write_report(
            _report(results, media),
            output / "report.html",
            embed=bytes_in_all <= MOST_EMBEDDED_BYTES,
        )
        yield Progress("write the page", 1, 1)
    if "overlay" not in forms:
        return {}
    return (yield from _overlays(results, output))


def _files(results: Results) -> dict[str, Path]:
    """The sources that a browser may play."""
    return {id: source for id, source in results.sources.items() if isinstance(source, Path)}


def _report(results: Results, media: Mapping[str, Path]) -> Report:
    videos = tuple(
        VideoEntry(
            id=id,
            duration_s=results.durations_s[id],
            detections=found.by_score()[:MOST_IN_PAGE],
            media=media.get(id),
        )
        for id, found in results.detections.items()
    )
    return Report(title="detections", classes=results.classes, videos=videos)


def _overlays(results: Results, output: Path) -> Job[dict[str, str]]:
    failed: dict[str, str] = {}
    shown = results.shown
    for number, (id, found) in enumerate(shown.items()):
        yield Progress("overlay", number, len(shown), {"video": id})
        try:
            with _pictures(results.sources[id], fps=results.fps) as frames:
                target = output / "overlay" / f"{id}.mp4"
                write_overlay(frames, found, results.classes, target)
        except MediaError as error:
            failed[id] = str(error)
    yield Progress("overlay", len(shown), len(shown))
    return failed


@contextmanager
def _pictures(source: Source, *, fps: float | None) -> Iterator[Frames]:
    """All pictures of a video at a steady rate, as large as they are drawn on."""
    if not isinstance(source, Pictures):
        with open_video(place(source)) as whole:
            rate, size = min(whole.fps, _MOST_FPS), overlay_size(whole.size)
        with VideoFrames(whole.index, fps=rate, size=size) as frames:
            yield frames
    else:
        rate = shown_fps(source, fps)
        size = overlay_size(open_pictures(source, shown_fps=rate).size)
        yield open_pictures(source, shown_fps=rate, fps=min(rate, _MOST_FPS), size=size)


def _json(results: Results, output: Path) -> None:
    activitynet.write_detections(results.detections, results.classes, output / DETECTIONS)


def _csv(results: Results, output: Path) -> None:
    csv.write_detections(results.detections, results.classes, output / "detections.csv")


def _parquet(results: Results, output: Path) -> None:
    parquet.write_detections(results.detections, results.classes, output / "detections.parquet")


def _srt(results: Results, output: Path) -> None:
    subtitles.export_detections(results.shown, results.classes, output / "srt", kind="srt")


def _vtt(results: Results, output: Path) -> None:
    subtitles.export_detections(results.shown, results.classes, output / "vtt", kind="vtt")


def _eaf(results: Results, output: Path) -> None:
    """Detections as annotations; ELAN has no place for scores."""
    videos = {}
    for id, found in results.shown.items():
        long = found[np.diff(found.segments_s)[:, 0] >= _SHORTEST_S]
        actions = Actions(long.segments_s, long.labels)
        videos[id] = Video(id=id, duration_s=results.durations_s[id], actions=actions)
    media = {
        id: Path(os.path.relpath(place(results.sources[id]), output / "eaf")).as_posix()
        for id in videos
    }
    elan.export(Annotations(results.classes, videos), output / "eaf", media=media)


def _label_studio(results: Results, output: Path) -> None:
    """Tasks with predictions, and the labelling configuration that they are for."""
    media = {
        id: f"/data/local-files/?d={quote(place(source).name)}"
        for id, source in results.sources.items()
    }
    label_studio.export_detections(
        results.shown,
        results.classes,
        output / "label_studio.json",
        fps=LABEL_STUDIO_FPS,
        media=media,
    )
    labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in results.classes)
    with written_whole(output / "label_studio.xml") as temporary:
        temporary.write_text(
            f'<View>\n  <TimelineLabels name="tl" toName="video">\n{labels}  </TimelineLabels>\n'
            f'  <Video name="video" value="$video" frameRate="{LABEL_STUDIO_FPS:g}"/>\n</View>\n',
            encoding="utf-8",
        )


_WRITERS: dict[Form, Callable[[Results, Path], None]] = {
    "json": _json,
    "csv": _csv,
    "parquet": _parquet,
    "srt": _srt,
    "vtt": _vtt,
    "eaf": _eaf,
    "label_studio": _label_studio,
}
