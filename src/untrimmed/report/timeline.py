"""One video as a picture: per class a lane, actions above, detections below.

A static SVG for documents and notebooks.  The page of `html` draws the same lanes in the browser,
where a threshold can be moved.

A filled action was found and an empty one missed; a detection with a solid outline hits, one with
a dashed outline is a false alarm.  The surer a detection, the denser its fill.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray

from untrimmed.core.actions import EVERY_CLASS, Actions
from untrimmed.core.detections import Detections
from untrimmed.report.escaping import text
from untrimmed.report.outcomes import FALSE_ALARM, outcomes
from untrimmed.report.palette import colour

ROWS = 3
"""Most rows into which the detections of a lane are spread; the rest share the last."""

TICK_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)

_BAR, _GAP, _PADDING, _AXIS = 10.0, 3.0, 6.0, 22.0
_LETTER = 6.3  # width of a letter, on average
_FONT = 'font-family="Helvetica Neue, Arial, sans-serif" font-size="11"'


class _Bar(NamedTuple):
    start_s: float
    end_s: float
    label: int
    row: int
    style: str
    title: str


def timeline_svg(
    detections: Detections,
    *,
    classes: Sequence[str],
    duration_s: float,
    actions: Actions | None = None,
    threshold: float = -np.inf,
    tiou: float = 0.5,
    width: float = 960.0,
) -> str:
    """Actions and detections of one video over time.

    A class has a lane if there is something to show in it; a video in which nothing happens and
    nothing was found gives the axis alone.

    Args:
        classes: names by label.
        duration_s: length of the video, above 0.
        actions: what happens in it; None if nobody knows, then no detection is judged.
        threshold: detections of a lower score are left out.
        tiou: least IoU of a detection with the action it hits.
        width: of the picture; its height follows from what is in it.
    """
    known = Actions.none() if actions is None else actions
    (taken,) = outcomes({"": known}, {"": detections}, tious=[tiou], classes=len(classes))[""]
    shown = detections.scores >= threshold
    first_row = 0 if actions is None else 1  # row 0 is for actions
    bars = [
        *_action_bars(known, classes, found=set(taken[shown].tolist())),
        *_detection_bars(
            detections, classes, taken if actions is not None else None, shown, first_row
        ),
    ]
    return _drawn(bars, classes, duration_s=duration_s, width=width)


def stacked(detections: Detections) -> Int64[np.ndarray, " N"]:
    """The row of each detection in the lane of its class, in [0, ROWS).

    Each takes the first row in which it overlaps none that is surer, or the last.  So the rows
    do not depend on a threshold, and the surest is always in the first.
    """
    rows = np.full(len(detections), ROWS - 1, np.int64)
    placed: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for n in np.argsort(-detections.scores, kind="stable").tolist():
        start, end = detections.segments_s[n].tolist()
        for row in range(ROWS - 1):
            others = placed.setdefault((int(detections.labels[n]), row), [])
            at = bisect(others, (start, end))
            # No two of a row overlap, so only the neighbours can.
            if all(
                end <= other[0] or other[1] <= start for other in others[max(0, at - 1) : at + 1]
            ):
                others.insert(at, (start, end))
                rows[n] = row
                break
    return rows


def clock(time_s: float, *, decimals: int = 2) -> str:
    """Time as 1:02:03.45, without hours if there are none."""
    ticks = round(time_s * 10**decimals)
    seconds, rest = divmod(ticks, 10**decimals)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{rest:0{decimals}}" if decimals else ""
    whole = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{whole}:{seconds:02}{fraction}"


def _action_bars(actions: Actions, classes: Sequence[str], *, found: set[int]) -> Iterator[_Bar]:
    for n, label in enumerate(actions.labels.tolist()):
        if label == EVERY_CLASS:
            continue  # has no lane
        start_s, end_s = actions.segments_s[n].tolist()
        ink = colour(label)
        if actions.ignored[n]:
            style, fate = f'fill="none" stroke="{ink}" stroke-dasharray="1 3"', "ignored"
        elif n in found:
            style, fate = f'fill="{ink}" stroke="{ink}"', "found"
        else:
            style, fate = f'fill="#fff" stroke="{ink}" stroke-width="1.5"', "missed"
        yield _Bar(start_s, end_s, label, 0, style, f"action: {classes[label]}, {fate}")


def _detection_bars(
    detections: Detections,
    classes: Sequence[str],
    taken: Int64[np.ndarray, " N"] | None,
    shown: Bool[np.ndarray, " N"],
    first_row: int,
) -> Iterator[_Bar]:
    """Surest last, so that it lies on top."""
    rows, dense = stacked(detections), _density(detections.scores)
    for n in np.argsort(detections.scores, kind="stable").tolist():
        if not shown[n]:
            continue
        label, score = int(detections.labels[n]), float(detections.scores[n])
        ink = colour(label)
        style = f'fill="{ink}" fill-opacity="{dense[n]:.2f}" stroke="{ink}"'
        title = f"detection: {classes[label]}, score {score:.2f}"
        if taken is not None and taken[n] == FALSE_ALARM:
            style, title = f'{style} stroke-dasharray="3 2"', f"{title}, false alarm"
        elif taken is not None and taken[n] >= 0:
            title = f"{title}, hit"
        start_s, end_s = detections.segments_s[n].tolist()
        yield _Bar(start_s, end_s, label, first_row + int(rows[n]), style, title)


def _density(scores: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    """How densely each score is filled, in [0.15, 1]: over [0, 1], or wider if scores are."""
    low, high = scores.min(initial=0.0), scores.max(initial=1.0)
    shares: NDArray[np.float64] = 0.15 + 0.85 * (scores - low) / (high - low)
    return shares


def _drawn(bars: Sequence[_Bar], classes: Sequence[str], *, duration_s: float, width: float) -> str:
    deepest: dict[int, int] = {}
    for bar in bars:
        deepest[bar.label] = max(deepest.get(bar.label, 0), bar.row)
    letters = max((len(classes[label]) for label in deepest), default=0)
    left = min(0.25 * width, 18.0 + _LETTER * letters)
    per_second = (width - left - 12.0) / duration_s

    lines, tops, y = [], {}, _AXIS
    for position, (label, row) in enumerate(sorted(deepest.items())):
        tops[label] = y + _PADDING
        height = 2 * _PADDING + (row + 1) * (_BAR + _GAP) - _GAP
        lines.append(
            f'<rect x="0" y="{y:g}" width="{width:g}" height="{height:g}"'
            f' fill="{"#f4f5f8" if position % 2 == 0 else "#fff"}"/>'
            f'<text x="8" y="{y + height / 2 + 4:g}" fill="#20262e">{text(classes[label])}</text>'
        )
        y += height
    lines.extend(_ticks(duration_s, left=left, per_second=per_second, bottom=y))
    for bar in bars:
        top = tops[bar.label] + bar.row * (_BAR + _GAP)
        lines.append(
            f'<rect x="{left + bar.start_s * per_second:.1f}" y="{top:g}"'
            f' width="{max((bar.end_s - bar.start_s) * per_second, 2.0):.1f}"'
            f' height="{_BAR:g}" rx="2" {bar.style}>'
            f"<title>{text(bar.title)}, {clock(bar.start_s)} to {clock(bar.end_s)}</title></rect>"
        )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Actions and detections'
        f' over time" viewBox="0 0 {width:g} {y:g}" width="{width:g}" height="{y:g}" {_FONT}>'
        f'<rect width="{width:g}" height="{y:g}" fill="#fff"/>'
    )
    return "\n".join([head, *lines, "</svg>"])


def _ticks(duration_s: float, *, left: float, per_second: float, bottom: float) -> Iterator[str]:
    step_s = next((step for step in TICK_STEPS_S if step * per_second >= 64.0), duration_s)
    for time_s in np.arange(0.0, duration_s * (1 + 1e-9), step_s).tolist():
        x = left + time_s * per_second
        yield (
            f'<path d="M{x:.1f} {_AXIS - 4:g}V{bottom:g}" stroke="#8a94a3" stroke-opacity="0.35"/>'
            f'<text x="{x:.1f}" y="{_AXIS - 8:g}" text-anchor="middle" fill="#667080">'
            f"{clock(time_s, decimals=1 if step_s < 1 else 0)}</text>"
        )
