"""The parts of the page that need no script: headline, table of scores, curves with their names.

Everything that comes from outside is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence

from untrimmed.metrics.average_precision import Scores
from untrimmed.report.charts import NamedCurve, curve_labels, precision_recall_svg
from untrimmed.report.escaping import text
from untrimmed.report.palette import colour_name
from untrimmed.report.table import percent

_COUNTED = ("actions", "hits", "false alarms", "precision", "recall")


def headline(scores: Scores, *, name: str = "") -> str:
    """The average mAP, and the mAP at each threshold; before them a name, if there is one."""
    parts = "".join(
        f"<div><dt>tIoU {tiou:g}</dt><dd>{percent(score)}</dd></div>"
        for tiou, score in zip(scores.tious, scores.mean_ap.tolist(), strict=True)
    )
    average = percent(scores.average)
    before = f'<p class="model-name">{text(name)}</p>' if name else ""
    return f'{before}<p class="big"><b>{average}</b> % average mAP</p><dl>{parts}</dl>'


def table(classes: Sequence[str], scores: Scores | None) -> str:
    """Average precision by class, and empty cells in which the script counts.

    Without scores the counts stand alone.
    """
    tious = () if scores is None else scores.tious
    by_class = [[]] * len(classes) if scores is None else scores.ap.T.tolist()
    mean = [] if scores is None else [*scores.mean_ap.tolist(), scores.average]
    columns = [*(f"{tiou:g}" for tiou in tious), *(["average"] if tious else []), *_COUNTED]
    groups = f'<th scope="colgroup" colspan="{len(tious) + 1}">average precision, % at tIoU</th>'
    rows = [
        _row(_named(name, label), [*shares, *_mean(shares)], key=str(label))
        for label, (name, shares) in enumerate(zip(classes, by_class, strict=True))
    ]
    return (
        f"<table><thead><tr><td></td>{groups if tious else ''}"
        f'<th scope="colgroup" colspan="{len(_COUNTED)}" class="live"></th></tr>'
        f'<tr><th scope="col">class</th>'
        + "".join(f'<th scope="col">{column}</th>' for column in columns)
        + f"</tr></thead><tbody>{''.join(rows)}</tbody>"
        f"<tfoot>{_row('all classes', mean, key='all')}</tfoot></table>"
    )


def curves(some: Sequence[NamedCurve], classes: Sequence[str]) -> str:
    """Curves of precision over recall, and a list of their names."""
    names = "".join(
        f'<li tabindex="0" data-label="{label}">{_named(curve.name, label)}</li>'
        for curve, label in zip(some, curve_labels(some, classes), strict=True)
    )
    return precision_recall_svg(some, classes=classes, legend=False) + f"<ul>{names}</ul>"


def _named(name: str, label: int) -> str:
    return f'<i class="swatch {colour_name(label)}"></i>{text(name)}'


def _mean(shares: Sequence[float]) -> list[float]:
    return [sum(shares) / len(shares)] if shares else []


def _row(name: str, shares: Sequence[float], *, key: str) -> str:
    cells = "".join(
        f'<td data-tint="{0 if share != share else round(10 * share)}">{percent(share)}</td>'
        for share in shares
    )
    counted = "<td></td>" * len(_COUNTED)
    return f'<tr data-label="{key}"><th scope="row">{name}</th>{cells}{counted}</tr>'
