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

_FINER = 3
_SOFTNESS = 4


@lru_cache(maxsize=64)
def sprite(shape: str, hue: float) -> UInt8[np.ndarray, "S S 4"]:
    """The figure in colour: red, green, blue multiplied by opacity, and opacity, 0 to 255."""
    colours = (
        colorsys.hsv_to_rgb((hue + 0.02) % 1, 0.75, 0.28),  # rim
        colorsys.hsv_to_rgb(hue, 0.72, 0.98),  # body
        colorsys.hsv_to_rgb((hue + 0.09) % 1, 0.22, 1.0),  # accent
        colorsys.hsv_to_rgb(hue, 0.5, 0.12),  # eye
    )
    picture = np.zeros((SIDE, SIDE, 4))
    for colour, coverage in zip(colours, _layers(shape), strict=True):
        painted = np.concatenate(
            [np.broadcast_to(colour, (SIDE, SIDE, 3)), np.ones((SIDE, SIDE, 1))], 2
        )
        picture += coverage[..., None] * (painted - picture)
    return np.round(picture * 255).astype(np.uint8)


@lru_cache
def _layers(shape: str) -> tuple[Float64[np.ndarray, "S S"], ...]:
    """Coverage of each pixel by rim, body, accent and eye, in [0, 1]."""
    side = SIDE * _FINER
    axis = (np.arange(side) + 0.5) * (2 * REACH / side) - REACH
    x, y = np.meshgrid(axis, axis)
    body, accent, eye = _DRAWINGS[shape](x, y)
    rim = _grown(body, radius=int(0.10 / (2 * REACH) * side))
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
    blocks = layer.reshape(SIDE, _FINER, SIDE, _FINER).mean((1, 3))
    for axis in (0, 1):
        blocks = np.mean([np.roll(blocks, n, axis) for n in range(_SOFTNESS)], 0)
        blocks = np.roll(blocks, -(_SOFTNESS // 2), axis)
    return blocks


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
    tail = _polygon(x, y, (-0.35, 0.0), (-0.95, -0.55), (-0.8, 0.0), (-0.95, 0.55))
    fin = _polygon(x, y, (0.25, -0.45), (-0.35, -0.9), (-0.3, -0.3))
    body = _disc(x, y, 0.2, 0.0, 0.75, 0.52)
    return body | tail | fin, tail | fin, _disc(x, y, 0.58, -0.12, 0.12)


def _rocket(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    hull = (np.abs(y) < 0.42 * np.sqrt(np.clip(0.95 - x, 0, None))) & (x > -0.6) & (x < 0.95)
    wing = _polygon(x, y, (-0.1, 0.3), (-0.85, 0.85), (-0.6, 0.2))
    body = hull | wing
    return body, wing | (x > 0.45), _disc(x, y, 0.1, -0.08, 0.17)


def _beetle(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    body = _disc(x, y, -0.1, 0.0, 0.78)
    head = _disc(x, y, 0.6, 0.0, 0.34)
    spots = _disc(x, y, -0.3, -0.35, 0.18) | _disc(x, y, 0.72, 0.1, 0.1)
    return body | head, head | _disc(x, y, -0.25, 0.38, 0.28), spots


def _moon(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    body = _disc(x, y, 0.0, 0.0, 0.92) & ~_disc(x, y, 0.62, -0.12, 0.66)
    return body, _disc(x, y, 0.1, 0.95, 0.75), _disc(x, y, -0.25, -0.5, 0.11)


def _leaf(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    blade = _disc(x, y, 0.0, 0.62, 1.05) & _disc(x, y, 0.0, -0.62, 1.05)
    stem = _polygon(x, y, (-0.7, -0.07), (-1.0, -0.16), (-1.0, 0.12), (-0.7, 0.07))
    return blade | stem, y > 0.03, _disc(x, y, 0.45, -0.14, 0.1)


def _flag(x: _Plane, y: _Plane) -> tuple[_Layer, _Layer, _Layer]:
    pole = (np.abs(x + 0.55) < 0.14) & (np.abs(y) < 0.92)
    cloth = _polygon(x, y, (-0.5, -0.85), (0.85, -0.65), (0.45, -0.3), (0.85, 0.1), (-0.5, 0.15))
    return pole | cloth, pole, _disc(x, y, 0.0, -0.38, 0.16)


_DRAWINGS = {
    "fish": _fish,
    "rocket": _rocket,
    "beetle": _beetle,
    "moon": _moon,
    "leaf": _leaf,
    "flag": _flag,
}
