"""What `report.analysis` shows as bars: SVG, text only, to put into a page or to save as a file.

The numbers come from `metrics.errors` and `metrics.sensitivity`; nothing is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from untrimmed.metrics.characteristics import Characteristic
from untrimmed.metrics.errors import ERRORS, ErrorProfile, Kind
from untrimmed.metrics.sensitivity import Groups
from untrimmed.report.escaping import text
from untrimmed.report.kinds import COLOURS, kind_name
from untrimmed.report.palette import colour, colour_name
from untrimmed.report.table import percent

_WIDTH, _HEIGHT = 620.0, 220.0  # of the area of bars
_LEFT, _TOP, _BOTTOM = 40.0, 18.0, 44.0
_FONT = 'font-family="Helvetica Neue, Arial, sans-serif" font-size="11"'


def profile_svg(profile: ErrorProfile) -> str:
    """Shares of the kinds in each band of rank, as bars that add up to 100 %."""
    shares = profile.shares.tolist()
    step = _WIDTH / len(shares)
    lines = list(_axis(1.0))
    for band, row in enumerate(shares):
        x, base = _LEFT + (band + 0.12) * step, 0.0
        lines.append(_label(x + 0.38 * step, f"{band + 1}G", y=_TOP + _HEIGHT + 16))
        for kind, share in zip(Kind, row, strict=True):
            if not share > 0:  # nor NaN, of a band without detections
                continue
            label = COLOURS[kind]
            lines.append(
                f'<rect class="part {colour_name(label)}" fill="{colour(label)}" x="{x:.1f}"'
                f' y="{_y(base + share, 1.0):.1f}" width="{0.76 * step:.1f}"'
                f' height="{_HEIGHT * share:.1f}"><title>{band + 1}G, {text(kind_name(kind))}:'
                f" {percent(share)} %</title></rect>"
            )
            base += share
    lines.append(_label(_LEFT + _WIDTH / 2, "rank of the detections", y=_TOP + _HEIGHT + 36))
    return _svg(lines, title="False positives by kind and rank")


def impact_svg(profile: ErrorProfile) -> str:
    """What each kind of error costs, in points of average normalised mAP."""
    bars = [
        _Bar(kind_name(kind), gain, colour=COLOURS[kind])
        for kind, gain in zip(ERRORS, profile.impact.tolist(), strict=True)
    ]
    return _bars_svg([_Group("", bars)], title="What each kind of error costs")


def groups_svg(groups: Sequence[Groups], *, title: str) -> str:
    """Values of the buckets of several characteristics, and lines at the value of all."""
    return _bars_svg(
        [
            _Group(
                some.characteristic.name,
                [
                    _Bar(label, value, note=f"{bounds}, {number} actions")
                    for label, bounds, value, number in zip(
                        some.characteristic.labels,
                        bucket_bounds(some.characteristic),
                        some.values.tolist(),
                        some.actions.tolist(),
                        strict=True,
                    )
                ],
                mark=some.overall,
            )
            for some in groups
        ],
        title=title,
    )


def spread_svg(groups: Sequence[Groups]) -> str:
    """Worst and best bucket of each characteristic relative to all actions, in %."""
    return _bars_svg(
        [
            _Group(
                some.characteristic.name,
                [_Bar("worst", some.spread[0]), _Bar("best", some.spread[1])],
                mark=1.0,
            )
            for some in groups
        ],
        title="Worst and best bucket relative to all actions",
    )


def bucket_bounds(characteristic: Characteristic) -> list[str]:
    """What each bucket holds, in words, as in `30 to 60 s`."""
    unit = " s" if characteristic.name == "length" else ""
    return [
        f"above {left:.4g}{unit}" if math.isinf(right) else f"{left:.4g} to {right:.4g}{unit}"
        for left, right in zip(
            (max(edge, 0.0) for edge in characteristic.edges[:-1]),
            characteristic.edges[1:],
            strict=True,
        )
    ]


class _Bar(NamedTuple):
    name: str
    value: float  # NaN draws nothing
    colour: int | None = None
    note: str = ""


class _Group(NamedTuple):
    name: str
    bars: Sequence[_Bar]
    mark: float = math.nan  # where a dashed line lies


def _bars_svg(groups: Sequence[_Group], *, title: str) -> str:
    """Groups of upright bars over one axis, in %."""
    values = [value for some in groups for value in (some.mark, *(bar.value for bar in some.bars))]
    top = _round_top(max((value for value in values if not math.isnan(value)), default=0.0))
    room = sum(len(some.bars) for some in groups) + 0.6 * max(len(groups) - 1, 0)
    step = min(_WIDTH / max(room, 1), 110.0)
    x, lines = _LEFT, list(_axis(top))
    for group in groups:
        width = step * len(group.bars)
        places = [x + position * step for position in range(len(group.bars))]
        for bar, place in zip(group.bars, places, strict=True):
            lines += _bar(bar, place, step, top)
        if not math.isnan(group.mark):
            y = _y(group.mark, top)
            lines.append(
                f'<path class="mark" d="M{x:.1f} {y:.1f}h{width:.1f}" stroke="#1a1f27"'
                f' stroke-dasharray="4 3"><title>all: {percent(group.mark)}</title></path>'
            )
        for bar, place in zip(group.bars, places, strict=True):  # above the line
            lines.append(_value(bar, place + step / 2, top))
        lines.append(_label(x + width / 2, group.name, y=_TOP + _HEIGHT + 36))
        x += width + 0.6 * step
    return _svg(lines, title=title)


def _bar(bar: _Bar, x: float, step: float, top: float) -> Iterator[str]:
    yield _label(x + step / 2, bar.name, y=_TOP + _HEIGHT + 16)
    if math.isnan(bar.value):
        return
    style = "bar" if bar.colour is None else f"part {colour_name(bar.colour)}"
    y = _y(max(bar.value, 0.0), top)
    note = f" ({bar.note})" if bar.note else ""
    yield (
        f'<rect class="{style}" fill="{colour(bar.colour or 0)}" x="{x + 0.14 * step:.1f}"'
        f' y="{y:.1f}" width="{0.72 * step:.1f}" height="{_TOP + _HEIGHT - y:.1f}">'
        f"<title>{text(bar.name + note)}: {percent(bar.value)}</title></rect>"
    )


def _value(bar: _Bar, x: float, top: float) -> str:
    """The value of a bar, above it; a dash for NaN."""
    height = 0.0 if math.isnan(bar.value) else max(bar.value, 0.0)
    return _label(x, percent(bar.value), y=_y(height, top) - 4, style="value")


def _svg(lines: Sequence[str], *, title: str) -> str:
    width, height = _LEFT + _WIDTH + 10, _TOP + _HEIGHT + _BOTTOM
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img"'
        f' aria-label="{text(title)}" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" {_FONT}>'
    )
    return "\n".join([head, *lines, "</svg>"])


def _axis(top: float) -> Iterator[str]:
    """Five lines from 0 to `top`, named in %."""
    for part in range(5):
        value = top * part / 4
        y = _y(value, top)
        yield (
            f'<path class="grid" d="M{_LEFT:g} {y:g}h{_WIDTH:g}" stroke="#8a94a3" fill="none"/>'
            f'<text x="{_LEFT - 6:g}" y="{y + 4:g}" text-anchor="end" fill="#667080">'
            f"{100 * value:.3g}</text>"
        )


def _round_top(value: float) -> float:
    """The least number that divides well by four and is not below `value`; 1 for none."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    tops = (1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0)
    return next(top for top in tops if top * power >= 0.999 * value) * power


def _y(value: float, top: float) -> float:
    return _TOP + _HEIGHT * (1 - value / top)


def _label(x: float, words: str, *, y: float, style: str = "tick") -> str:
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="#667080">'
        f"{text(words)}</text>"
    )
