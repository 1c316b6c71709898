"""One page about errors: kinds of false positives, and which actions are hard.

The numbers come from `metrics.errors` and `metrics.sensitivity`; nothing is computed here.  The
page is a single file of text and SVG, without scripts and without addresses of other machines,
and everything that came from outside is escaped.  Its pictures are in `report.error_charts`; the
page of videos is `report.html`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from string import Template

from untrimmed.core.files import written_whole
from untrimmed.metrics.errors import ErrorProfile, Kind
from untrimmed.metrics.sensitivity import Groups, Missed
from untrimmed.report import palette
from untrimmed.report.error_charts import (
    bucket_bounds,
    groups_svg,
    impact_svg,
    profile_svg,
    spread_svg,
)
from untrimmed.report.escaping import text
from untrimmed.report.kinds import COLOURS, MEANINGS, kind_name
from untrimmed.report.palette import colour_name
from untrimmed.report.table import percent


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """What a page of errors shows.

    Args:
        title: heads the page.
        profile: kinds of false positives.
        sensitivity: normalised mAP by bucket, of one characteristic each.
        missed: false negatives, by characteristic.
        facts: shown as a small table, in order: command, date, model and the like.
    """

    title: str
    profile: ErrorProfile
    sensitivity: tuple[Groups, ...]
    missed: Missed
    facts: Mapping[str, str] = field(default_factory=dict)


def write_analysis(analysis: Analysis, path: Path) -> None:
    """Write an analysis as one HTML file; the same analysis gives the same file.

    Args:
        path: the file to write; missing folders are made.
    """
    style = palette.style_rules() + _part("analysis.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    profile, missed = analysis.profile, analysis.missed
    misses = [missed.by(name) for name in missed.characteristics]
    page = Template(_part("analysis.html")).substitute(
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;"
        " base-uri 'none'; form-action 'none'",
        title=text(analysis.title),
        style=style,
        headline=f"{percent(profile.average)} % average mAP<sub>N</sub> of the surest detections,"
        f" tIoU {', '.join(f'{tiou:g}' for tiou in profile.tious)}",
        profile=profile_svg(profile),
        kinds="".join(_key()),
        profile_table=_profile_table(profile),
        impact=impact_svg(profile),
        meanings="".join(_pair(kind_name(kind), words) for kind, words in MEANINGS.items()),
        sensitivity=groups_svg(analysis.sensitivity, title="Normalised mAP by bucket"),
        spread=spread_svg(analysis.sensitivity),
        sensitivity_table="".join(_groups_table(some) for some in analysis.sensitivity),
        missed=groups_svg(misses, title="Missed actions by bucket"),
        pairs="".join(_pairs_table(missed, *pair) for pair in combinations(missed.buckets, 2)),
        facts="".join(_pair(name, value) for name, value in analysis.facts.items()),
    )
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def _key() -> Iterator[str]:
    for kind in Kind:
        swatch = f'<i class="swatch {colour_name(COLOURS[kind])}"></i>'
        yield f"<li>{swatch}{text(kind_name(kind))}</li>"


def _pair(name: str, value: str) -> str:
    return f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>"


def _profile_table(profile: ErrorProfile) -> str:
    return _table(
        "Detections by kind, %",
        ["rank", *map(kind_name, Kind)],
        [[f"{band + 1}G", *map(percent, row)] for band, row in enumerate(profile.shares.tolist())],
    )


def _groups_table(groups: Groups) -> str:
    characteristic = groups.characteristic
    rows = zip(
        characteristic.labels,
        bucket_bounds(characteristic),
        map(str, groups.actions.tolist()),
        map(percent, groups.values.tolist()),
        strict=True,
    )
    total = ["all", "", "", percent(groups.overall)]
    header = ["bucket", "values", "actions", "mAP, %"]
    return _table(characteristic.name, header, [*map(list, rows), total])


def _pairs_table(missed: Missed, rows: str, columns: str) -> str:
    labels = missed.characteristics[rows].labels
    return _table(
        f"{rows} (down) and {columns} (across): missed, %",
        ["", *missed.characteristics[columns].labels],
        [
            [label, *map(percent, row)]
            for label, row in zip(labels, missed.by_pair(rows, columns).tolist(), strict=True)
        ],
    )


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column names its rows."""
    head = "".join(f'<th scope="col">{text(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{text(name)}</th>'
        + "".join(f"<td>{text(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    return (
        f"<table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _part(name: str) -> str:
    return (files("untrimmed.report") / "page" / name).read_text(encoding="utf-8")
