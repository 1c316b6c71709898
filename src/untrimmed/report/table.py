"""Scores as tables of text, for terminals and for pages in markdown.

The one place besides the page of `html` where scores are rounded: percent, one decimal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from untrimmed.metrics.average_precision import Scores
from untrimmed.metrics.recall import TopRecall


def score_table(scores: Scores, *, style: Literal["text", "markdown"]) -> str:
    """Average precision by class and threshold in percent, then their mean.

    The last column is the mean over thresholds, the last row the mean over classes.  A class
    without actions has no average precision, shown as a dash, and does not enter the mean.

    Returns:
        Lines joined by newlines, without one at the end.
    """
    head = ["class", *(f"{tiou:g}" for tiou in scores.tious), "average"]
    body = [
        [name, *map(percent, column), percent(sum(column) / len(column))]
        for name, column in zip(scores.classes, scores.ap.T.tolist(), strict=True)
    ]
    foot = ["mAP", *map(percent, scores.mean_ap.tolist()), percent(scores.average)]
    return _markdown([head, *body, foot]) if style == "markdown" else _text([head, *body, foot])


def recall_lines(recall: TopRecall) -> str:
    """Recall@kx by threshold in percent, a line for each multiple, with the mean at its end."""
    head = ["", *(f"{tiou:g}" for tiou in recall.tious), "average"]
    body = [
        [f"Recall@{multiple}x", *map(percent, column), percent(sum(column) / len(column))]
        for multiple, column in zip(recall.multiples, recall.mean.T.tolist(), strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    return "\n".join(
        "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])])
        for name, *numbers in [head, *body]
    )


def percent(share: float) -> str:
    """A share in [0, 1] as percent with one decimal, without a sign; a dash for NaN."""
    return "–" if share != share else f"{100 * share:.1f}"


def _text(rows: Sequence[Sequence[str]]) -> str:
    rows = [[" ".join(name.split()), *numbers] for name, *numbers in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])])
        for name, *numbers in rows
    ]
    rule = "  ".join("─" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body, foot = [[_markdown_cell(name), *numbers] for name, *numbers in rows]
    rule = ["---", *(["---:"] * (len(head) - 1))]
    rows = [head, rule, *body, [f"**{cell}**" for cell in foot]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _markdown_cell(text: str) -> str:
    """Text that stays in its cell and means itself."""
    text = " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("`", "\\`")
