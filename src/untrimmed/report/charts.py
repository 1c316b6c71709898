"""Curves as pictures: SVG, text only, to put into a page or to save as a file.

What a curve is made of comes from `metrics`; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float64

from untrimmed.report.escaping import text
from untrimmed.report.palette import colour, colour_name

_SIDE = 320.0  # of the square in which the curves lie
_LEFT, _TOP, _RIGHT, _BOTTOM = 46.0, 10.0, 14.0, 42.0
_LEGEND_LINE = 18.0
_FONT = 'font-family="Helvetica Neue, Arial, sans-serif" font-size="11"'


@dataclass(frozen=True, eq=False)
class NamedCurve:
    """Precision over recall, in the order in which the threshold falls.

    Args:
        name: of the class, or of whatever else is compared; its colour is that of its class.
        recall: (N,) in [0, 1], not falling; NaN for a class without actions.
        precision: (N,) in [0, 1].

    Raises:
        ValueError: if the two differ in length.
    """

    name: str
    recall: Float64[np.ndarray, " N"]
    precision: Float64[np.ndarray, " N"]

    def __post_init__(self) -> None:
        if len(self.recall) != len(self.precision):
            raise ValueError(
                f"curve {self.name}: {len(self.recall)} recalls, {len(self.precision)} precisions"
            )


def precision_recall_svg(
    curves: Sequence[NamedCurve], *, classes: Sequence[str] = (), legend: bool = True
) -> str:
    """Precision over recall of several classes in one square.

    Points that are NaN, as those of a class without actions, are left out.

    Args:
        curves: drawn in this order, the first at the bottom.
        classes: names by label; a curve of such a name gets the colour of that class, any other
            the colour of its position.
        legend: names beside the square; without them the curves tell their name when pointed at.
    """
    labels = curve_labels(curves, classes)
    width = _LEFT + _SIDE + _RIGHT + (160.0 if legend else 0.0)
    height = max(_TOP + _SIDE + _BOTTOM, (_TOP + _LEGEND_LINE * len(curves)) if legend else 0.0)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img"'
            f' aria-label="Precision over recall" viewBox="0 0 {width:g} {height:g}"'
            f' width="{width:g}" height="{height:g}" {_FONT}>',
            *_axes(),
            *(_curve(curve, label) for curve, label in zip(curves, labels, strict=True)),
            *(_legend(curves, labels) if legend else ()),
            "</svg>",
        ]
    )


def curve_labels(curves: Sequence[NamedCurve], classes: Sequence[str]) -> list[int]:
    """The label of each curve: of the class of its name, or its position."""
    by_name = {name: label for label, name in enumerate(classes)}
    return [by_name.get(curve.name, position) for position, curve in enumerate(curves)]


def _axes() -> list[str]:
    right, bottom = _LEFT + _SIDE, _TOP + _SIDE
    lines = []
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x, y = _place(share, share)
        lines.append(
            f'<path class="grid" d="M{x:g} {_TOP:g}V{bottom:g}M{_LEFT:g} {y:g}H{right:g}"'
            ' stroke="#8a94a3" stroke-opacity="0.3" fill="none"/>'
            f'<text class="tick" x="{x:g}" y="{bottom + 16:g}" text-anchor="middle"'
            f' fill="#667080">{share:g}</text>'
            f'<text class="tick" x="{_LEFT - 8:g}" y="{y + 4:g}" text-anchor="end"'
            f' fill="#667080">{share:g}</text>'
        )
    middle = _TOP + _SIDE / 2
    lines.append(
        f'<text class="axis" x="{_LEFT + _SIDE / 2:g}" y="{bottom + 35:g}" text-anchor="middle"'
        ' fill="#667080">recall</text>'
        f'<text class="axis" transform="translate(12 {middle:g}) rotate(-90)"'
        ' text-anchor="middle" fill="#667080">precision</text>'
    )
    return lines


def _curve(curve: NamedCurve, label: int) -> str:
    pairs = np.stack([curve.recall, curve.precision], axis=1)
    pairs = pairs[~np.isnan(pairs).any(axis=1)]
    points = ("{:.1f},{:.1f}".format(*_place(*pair)) for pair in pairs.tolist())
    line = " ".join(point for point, _ in groupby(points))  # many lie on the same spot
    return (
        f'<polyline class="curve {colour_name(label)}" data-label="{label}" points="{line}"'
        f' fill="none" stroke="{colour(label)}" stroke-width="2" stroke-linejoin="round">'
        f"<title>{text(curve.name)}</title></polyline>"
    )


def _legend(curves: Sequence[NamedCurve], labels: Sequence[int]) -> list[str]:
    x = _LEFT + _SIDE + _RIGHT + 6.0
    lines = []
    for position, (curve, label) in enumerate(zip(curves, labels, strict=True)):
        y = _TOP + _LEGEND_LINE * (position + 0.5)
        lines.append(
            f'<path d="M{x:g} {y:g}h16" stroke="{colour(label)}" stroke-width="3"/>'
            f'<text x="{x + 22:g}" y="{y + 4:g}" fill="#667080">{text(curve.name)}</text>'
        )
    return lines


def _place(recall: float, precision: float) -> tuple[float, float]:
    return _LEFT + recall * _SIDE, _TOP + (1.0 - precision) * _SIDE
