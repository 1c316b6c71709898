"""The figures of the demo data, as small pictures with transparency.

Each is drawn once, larger than it is ever shown, in a square of which it fills the inner disc.
It looks to the right, and no turn or reflection leaves it as it is: a turning figure is seen to
turn.

Shapes: S side of the square.
"""

from __future__ import annotations

import colorsys
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float64, UInt8

SIDE = 160
REACH = 1.25
"""Half the side of the square, in radii of the figure: a transparent rim is left."""

_Plane = Float64[np.ndarray, "_ _"]
_Layer = Bool[np.ndarray, "_ _"]

SHAPES = ("fish", "rocket", "beetle", "moon", "leaf", "flag")

_FINER = 3  # points per pixel, either way, by which a shape is drawn
_SOFTNESS = 4  # pixels over which an edge is spread: about one pixel as shown
_RIM = 0.1  # thickness of the dark outline, in radii


@lru_cache(maxsize=64)
def sprite(shape: str, hue: float) -> UInt8[np.ndarray, "S S 4"]:
    """The figure in colour: red, green, blue multiplied by opacity, and opacity, 0 to 255."""
    colours = (
        colorsys.hsv_to_rgb((hue + 0.02) % 1, 0.75, 0.28),  # rim
        colorsys.hsv_to_rgb(hue, 0.72, 0.98),  # body
        _accent(hue),
        colorsys.hsv_to_rgb(hue, 0.5, 0.12),  # eye
    )
    picture = np.zeros((SIDE, SIDE, 4))
    for colour, coverage in zip(colours, _layers(shape), strict=True):
        painted = np.concatenate(
            [np.broadcast_to(colour, (SIDE, SIDE, 3)), np.ones((SIDE, SIDE, 1))], 2
        )
        picture += coverage[..., None] * (painted - picture)
    return np.round(picture * 255).astype(np.uint8)


def _accent(hue: float) -> tuple[float, float, float]:
    """Nearly white on dark hues, nearly black on bright ones."""
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.72, 0.98)
    bright = 0.3 * red + 0.59 * green + 0.11 * blue > 0.6
    return colorsys.hsv_to_rgb((hue + 0.09) % 1, *((0.7, 0.25) if bright else (0.12, 1.0)))


@lru_cache
def _layers(shape: str) -> tuple[Float64[np.ndarray, "S S"], ...]:
    """Coverage of each pixel by rim, body, accent and eye, in [0, 1]."""
    side = SIDE * _FINER
    axis = (np.arange(side) + 0.5) * (2 * REACH / side) - REACH
    x, y = np.meshgrid(axis, axis)
    body, accent, eye = _DRAWINGS[shape](x, y)
    rim = _grown(body, radius=int(_RIM / (2 * REACH) * side))
    return tuple(_coverage(layer) for layer in (rim, body, accent & body, eye))


def _grown(layer: _Layer, *, radius: int) -> _Layer:
    """The layer and all within a radius of it."""
    grown = layer.copy()
    for angle in np.arange(0, 2 * np.pi, np.pi / 12):
        shift = (round(radius * np.sin(angle)), round(radius * np.cos(angle)))
        grown |= np.roll(layer, shift, (0, 1))
    return grown


def _coverage(layer: _Layer) -> Float64[np.ndarray, "S S"]:
    """Means of blocks, softened so that drawing need only pick the nearest pixel."""
    coverage: Float64[np.ndarray, "S S"] = layer.reshape(SIDE, _FINER, SIDE, _FINER).mean((1, 3))
    for axis in (0, 1):
        shifts = range(-(_SOFTNESS // 2), _SOFTNESS // 2 + 1)
        coverage = np.mean([np.roll(coverage, shift, axis) for shift in shifts], 0)
    return coverage


def _disc(x: _Plane, y: _Plane, cx: float, cy: float, rx: float, ry: float | None = None) -> _Layer:
    return ((x - cx) / rx) ** 2 + ((y - cy) / (rx if ry is None else ry)) ** 2 < 1


def _polygon(x: _Plane, y: _Plane, *corners: tuple[float, float]) -> _Layer:
    """What lies inside of the corners, by counting crossings."""
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return inside


def _fish(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    tail = _polygon(x, y, (-0.25, 0.0), (-0.95, -0.65), (-0.75, 0.0), (-0.95, 0.65))
    fin = _polygon(x, y, (0.35, -0.45), (-0.35, -0.95), (-0.3, -0.3))
    body = _disc(x, y, 0.2, 0.0, 0.75, 0.6)
    return body | tail | fin, tail | fin | (x < -0.05), _disc(x, y, 0.55, -0.14, 0.13)


def _rocket(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    hull = (np.abs(y) < 0.52 * np.sqrt(np.clip(0.95 - x, 0, None))) & (x > -0.6) & (x < 0.95)
    wing = _polygon(x, y, (0.05, 0.3), (-0.9, 0.95), (-0.6, 0.2))
    return hull | wing, wing | (x > 0.25), _disc(x, y, -0.1, -0.1, 0.18)


def _beetle(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    body = _disc(x, y, -0.12, 0.0, 0.8) | _disc(x, y, 0.62, 0.0, 0.34)
    spots = _disc(x, y, -0.35, -0.35, 0.17) | _disc(x, y, 0.72, 0.1, 0.1)
    return body, (x > 0.15) | _disc(x, y, -0.35, 0.4, 0.2), spots


def _moon(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    body = _disc(x, y, 0.0, 0.0, 0.95) & ~_disc(x, y, 0.72, -0.12, 0.62)
    return body, y > 0.15, _disc(x, y, -0.2, -0.45, 0.12)


def _leaf(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    blade = _disc(x, y, 0.0, 0.45, 1.05) & _disc(x, y, 0.0, -0.45, 1.05)
    stem = _polygon(x, y, (-0.7, -0.09), (-1.0, -0.18), (-1.0, 0.14), (-0.7, 0.09))
    return blade | stem, x + 0.4 * y > 0.1, _disc(x, y, -0.3, -0.2, 0.11)


def _flag(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    pole = (np.abs(x + 0.55) < 0.16) & (np.abs(y) < 0.95)
    cloth = _polygon(x, y, (-0.5, -0.9), (0.9, -0.7), (0.5, -0.25), (0.9, 0.25), (-0.5, 0.3))
    return pole | cloth, x < -0.05, _disc(x, y, 0.25, -0.3, 0.16)


_DRAWINGS = {
    "fish": _fish,
    "rocket": _rocket,
    "beetle": _beetle,
    "moon": _moon,
    "leaf": _leaf,
    "flag": _flag,
}
