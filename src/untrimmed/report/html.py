"""One page that shows everything: videos, timelines, scores and curves.

The page is a single file without addresses of other machines: style, script, data and, where they
fit, videos are inside.  What it does in the browser is in `page/`; here its parts are put
together, and everything that came from outside is escaped.  A content security policy lets the
browser run this very script and load nothing but videos.

What the counts and outlines mean is decided here (`outcomes`), once for all thresholds; the
script only hides what lies below the threshold.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.core.files import written_whole
from untrimmed.metrics.average_precision import Scores
from untrimmed.report import palette, results
from untrimmed.report.charts import NamedCurve
from untrimmed.report.escaping import script_json, text
from untrimmed.report.media import Embedded, Linked, Missing, Place, placed
from untrimmed.report.outcomes import FALSE_ALARM, best_overlap, outcomes
from untrimmed.report.timeline import stacked

__all__ = ["NamedCurve", "Report", "VideoEntry", "write_report"]

MAX_EMBEDDED_BYTES = 64 * 2**20
TIOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Offered in the page where the report has no scores."""

_SCRIPTS = ("data.js", "player.js", "timeline.js", "lists.js", "report.js", "controls.js")


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoEntry:
    """One video of a report.

    Args:
        id: its name, once per report.
        duration_s: its length in seconds, above 0.
        detections: what was found in it.
        actions: what happens in it; None if nobody knows, then nothing is judged.
        media: its file; None gives a timeline without a picture.
    """

    id: str
    duration_s: float
    detections: Detections
    actions: Actions | None = None
    media: Path | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """What a page shows.

    Args:
        title: heads the page.
        classes: names by label.
        videos: at least one.
        scores: average precision of the same classes; none if there is no ground truth.
        curves: precision over recall, of a class each.
        facts: shown as a small table, in order: command, date, model and the like.

    Raises:
        ValueError: if there is no video, an id comes twice, a video has no length, a label has no
            class, or the scores are of other classes.
    """

    title: str
    classes: tuple[str, ...]
    videos: tuple[VideoEntry, ...]
    scores: Scores | None = None
    curves: tuple[NamedCurve, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.videos:
            raise ValueError("a report without videos")
        if len({video.id for video in self.videos}) < len(self.videos):
            raise ValueError("a video comes twice in the report")
        for video in self.videos:
            if not video.duration_s > 0:
                raise ValueError(f"video {video.id} lasts {video.duration_s} s")
            labels = video.detections.labels.tolist()
            if video.actions is not None:
                labels += video.actions.labels[~video.actions.ignored].tolist()
            if labels and not 0 <= min(labels) <= max(labels) < len(self.classes):
                raise ValueError(
                    f"video {video.id} has labels from {min(labels)} to {max(labels)},"
                    f" but the report has {len(self.classes)} classes"
                )
        if self.scores is not None and tuple(self.scores.classes) != self.classes:
            raise ValueError("the scores of the report are of other classes")


def write_report(
    report: Report,
    path: Path,
    *,
    embed: bool = True,
    max_embedded_bytes: int = MAX_EMBEDDED_BYTES,
) -> None:
    """Write a report as one HTML file, to be opened by a double click.

    The same report gives the same file.  A video whose file is missing or broken keeps its
    timeline, and the page says what is wrong with it.

    Args:
        path: the file to write; missing folders are made.
        embed: put videos into the page, as they are or as small copies; else link them.
        max_embedded_bytes: most bytes of embedded video; what does not fit is linked by its path
            relative to the page.  Formats that browsers do not play become small copies in a
            folder beside the page.
    """
    media = {video.id: video.media for video in report.videos if video.media is not None}
    places = placed(media, path, embed=embed, max_embedded_bytes=max_embedded_bytes)
    judged = any(video.actions is not None for video in report.videos)
    style = palette.style_rules() + _part("report.css")
    script = "\n".join(['"use strict";(()=>{', *map(_part, _SCRIPTS), "})();"])
    page = Template(_part("report.html")).substitute(
        policy=_policy(style=style, script=script),
        title=text(report.title),
        style=style,
        headline="" if report.scores is None else results.headline(report.scores),
        facts="".join(_facts(report.facts)),
        scores=results.table(report.classes, report.scores) if judged or report.scores else "",
        curves=results.curves(report.curves, report.classes) if report.curves else "",
        data=script_json(_data(report, places)),
        media="".join(_media(report, places)),
        script=script,
    )
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def _part(name: str) -> str:
    return (files("untrimmed.report") / "page" / name).read_text(encoding="utf-8")


def _policy(*, style: str, script: str) -> str:
    """Only this style and this script, and videos from inside or beside the page."""
    hashes = [
        base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        for part in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}';"
        " media-src blob: file: 'self'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _facts(facts: Mapping[str, str]) -> Iterator[str]:
    for name, value in facts.items():
        yield f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>"


def _data(report: Report, places: Mapping[str, Place]) -> dict[str, Any]:
    """What the script reads; lists instead of objects keep many detections small."""
    tious = TIOUS if report.scores is None else tuple(report.scores.tious)
    found = {video.id: video.detections.by_score() for video in report.videos}
    known = {video.id: video.actions or Actions.none() for video in report.videos}
    fates = outcomes(known, found, tious=tious, classes=len(report.classes))
    scores = [score for some in found.values() for score in some.scores.tolist()]
    return {
        "classes": report.classes,
        "tious": tious,
        "scores": [math.floor(min([0.0, *scores])), math.ceil(max([1.0, *scores]))],
        "videos": [
            {
                "id": video.id,
                "duration": round(video.duration_s, 3),
                "media": _address(places.get(video.id)),
                "actions": None if video.actions is None else _actions(video.actions),
                "detections": _detections(found[video.id], known[video.id]),
                # By threshold, [detection, fate] for each that is not a false alarm.
                "fates": [
                    [[n, fate] for n, fate in enumerate(row) if fate != FALSE_ALARM]
                    for row in fates[video.id].tolist()
                ],
            }
            for video in report.videos
        ],
    }


def _actions(actions: Actions) -> list[list[float]]:
    """Start, end, label, and 1 if ignored."""
    return [
        [round(start_s, 3), round(end_s, 3), label, int(ignored)]
        for (start_s, end_s), label, ignored in zip(
            actions.segments_s.tolist(), actions.labels.tolist(), actions.ignored, strict=True
        )
    ]


def _detections(detections: Detections, actions: Actions) -> list[list[float]]:
    """Start, end, label, score, best IoU and row, surest first."""
    return [
        [round(start_s, 3), round(end_s, 3), label, round(score, 4), round(overlap, 3), row]
        for (start_s, end_s), label, score, overlap, row in zip(
            detections.segments_s.tolist(),
            detections.labels.tolist(),
            detections.scores.tolist(),
            best_overlap(detections, actions).tolist(),
            stacked(detections).tolist(),
            strict=True,
        )
    ]


def _address(place: Place | None) -> dict[str, str] | None:
    match place:
        case Embedded(kind=kind):
            return {"kind": kind}
        case Linked(address=address):
            return {"address": address}
        case Missing(reason=reason):
            return {"missing": reason}
    return None


def _media(report: Report, places: Mapping[str, Place]) -> Iterator[str]:
    """Embedded videos, each in an element that the browser keeps as text until it is wanted."""
    for number, video in enumerate(report.videos):
        place = places.get(video.id)
        if isinstance(place, Embedded):
            content = base64.b64encode(place.content).decode()
            yield f'<script type="text/plain" id="media-{number}">{content}</script>\n'
