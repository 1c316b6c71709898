"""One page that shows everything: videos, timelines, scores, errors and curves.

The page is a single file without addresses of other machines: style, script, data and, where they
fit, videos are inside.  What it does in the browser is in `page/`, what its script reads in
`page_data`; here its parts are put together, and everything that came from outside is escaped.  A
content security policy lets the browser run this very script and load nothing but videos.

The same page is written as a file, and served by `server`, which sends videos as they are asked
for and keeps corrections.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

from untrimmed.core.files import written_whole
from untrimmed.report import palette, results
from untrimmed.report.charts import NamedCurve
from untrimmed.report.content import Report, Rival, VideoEntry
from untrimmed.report.escaping import script_json, text
from untrimmed.report.media import Embedded, Linked, Missing, Place, placed
from untrimmed.report.page_data import label_data, page_data

__all__ = ["Live", "NamedCurve", "Report", "Rival", "VideoEntry", "page", "write_report"]

MAX_EMBEDDED_BYTES = 64 * 2**20
LONG_FACT = 60  # letters, from which it has a line of its own
_SCRIPTS = (
    "data.js",
    "elements.js",
    "player.js",
    "labels.js",
    "timeline.js",
    "lists.js",
    "charts.js",
    "errors.js",
    "report.js",
    "editing.js",
    "controls.js",
    "live.js",
    "start.js",
)


@dataclass(frozen=True, kw_only=True)
class Live:
    """What a page that is served needs to talk to its server.

    Args:
        token: sent with every change, so that no other page can make one.
        formats: in which annotations can be saved.
        folder: where corrections are kept, as people call it.
    """

    token: str
    formats: tuple[str, ...]
    folder: str


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
    with written_whole(path) as temporary:
        temporary.write_text(page(report, places), encoding="utf-8", newline="\n")


def page(
    report: Report,
    places: Mapping[str, Place],
    *,
    live: Live | None = None,
    data: str | None = None,
) -> str:
    """The page as text.

    Args:
        data: what `encoded_data` gives for the report, if it is known already: to judge many
            detections takes a while.
        places: of the videos; none are needed if it is served.
        live: if it is served; then the videos come from `media/ID`, and copies that every browser
            plays from `media/ID/copy`.
    """
    models = [(report.name, report.scores, report.curves)]
    if report.rival is not None:
        models.append((report.rival.name, report.rival.scores, report.rival.curves))
    judged = any(video.actions is not None for video in report.videos)
    style = palette.style_rules() + _part("report.css")
    script = "\n".join(['"use strict";(()=>{', *map(_part, _SCRIPTS), "})();"])
    around = {
        "media": [_address(video, places, live=live is not None) for video in report.videos],
        "corrections": label_data(report.corrections),
        "added": report.added_classes,
        "live": None if live is None else asdict(live),
    }
    return Template(_part("report.html")).substitute(
        policy=_policy(style=style, script=script, live=live is not None),
        title=text(report.title),
        style=style,
        headline=_by_model(
            [
                results.headline(scores, name=name) if scores is not None else ""
                for name, scores, _ in models
            ],
        ),
        facts="".join(_facts(report.facts)),
        scores=_by_model(
            [
                results.table(report.classes, scores) if judged or scores else ""
                for _, scores, _ in models
            ]
        ),
        curves=_by_model(
            [results.curves(curves, report.classes) if curves else "" for _, _, curves in models]
        ),
        data=encoded_data(report) if data is None else data,
        around=script_json(around),
        media="".join(_media(report, places)),
        script=script,
    )


def encoded_data(report: Report) -> str:
    """What does not change while people look at a report: all but its corrections."""
    return script_json(page_data(report))


def _by_model(parts: Sequence[str]) -> str:
    return "".join(
        f'<div class="of-model" data-model="{n}">{part}</div>'
        for n, part in enumerate(parts)
        if part
    )


def _part(name: str) -> str:
    return (files("untrimmed.report") / "page" / name).read_text(encoding="utf-8")


def _policy(*, style: str, script: str, live: bool) -> str:
    """Only this style and this script, videos from inside or beside the page, and its server."""
    hashes = [
        base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        for part in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}';"
        " media-src blob: file: 'self'; img-src data:; base-uri 'none'; form-action 'none'"
        + ("; connect-src 'self'" if live else "")
    )


def _facts(facts: Mapping[str, str]) -> Iterator[str]:
    for name, value in facts.items():
        long = ' class="long"' if len(value) > LONG_FACT else ""
        yield f"<div{long}><dt>{text(name)}</dt><dd>{text(value)}</dd></div>"


def _address(
    video: VideoEntry, places: Mapping[str, Place], *, live: bool
) -> dict[str, str] | None:
    if live:
        if video.media is None:
            return None
        address = f"media/{quote(video.id, safe='')}"
        return {"address": address, "copy": f"{address}/copy"}
    match places.get(video.id):
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
