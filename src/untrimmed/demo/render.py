"""Draw a scene of the demo data: scene in, pictures out.

Pictures are drawn many at a time, which numpy does an order faster than one by one.

Shapes: F pictures of a batch, H W pixels, P side of the square around a figure.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from untrimmed.demo.motions import ANGLE, LIGHT, SIZE, X, Y
from untrimmed.demo.scene import HEIGHT, WIDTH, Figure, Scene
from untrimmed.demo.shapes import REACH, SIDE, sprite

_BATCH = 48
_FINER = 4  # positions of the background per pixel, either way
_BORDER = 24  # pixels of background beyond each side of the picture


def pictures(scene: Scene) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The pictures of the video in order."""
    wall = _wall(scene)
    for start in range(0, len(scene.camera), _BATCH):
        now = slice(start, start + _BATCH)
        batch = _background(wall, scene.camera[now] + scene.backdrop[now])
        for figure in scene.figures:
            _draw(batch, figure, figure.poses[now], scene.camera[now])
        yield from _lit(batch, scene.light[now])


def _wall(scene: Scene) -> UInt8[np.ndarray, "4 4 _ _ 3"]:
    """The background, larger than a picture: soft hills of colour, and dots.

    Drawn sixteen times, each a quarter of a pixel further down or to the right than the last.
    """
    random = np.random.default_rng(scene.texture)
    height, width = HEIGHT + 2 * _BORDER, WIDTH + 2 * _BORDER
    y, x = np.mgrid[:height, :width].astype(np.float32)
    hills = np.zeros((height, width), np.float32)
    for wavelength in (90, 60, 35, 22, 14):
        angle, phase = random.uniform(0, 2 * np.pi, 2)
        along = (x * np.cos(angle) + y * np.sin(angle)) / wavelength
        hills += np.sqrt(wavelength) * np.sin(2 * np.pi * along + phase + 0.15 * hills)
    hills = (hills - hills.min()) / np.ptp(hills)
    for _ in range(24):
        cx, cy, radius = random.uniform(0, width), random.uniform(0, height), random.uniform(2, 9)
        hills += 0.22 * random.uniform(-1, 1) * np.clip(radius - np.hypot(x - cx, y - cy), 0, 1)

    low = _colour(scene.hue, 0.55, random.uniform(0.25, 0.4))
    high = _colour(scene.hue + random.uniform(-0.1, 0.1), 0.38, random.uniform(0.55, 0.75))
    wall = np.clip(low + hills[..., None] * (high - low), 0, 1) * 255
    quarters = range(_FINER)
    return np.stack([np.stack([_moved(wall, dx, dy) for dx in quarters]) for dy in quarters])


def _colour(hue: float, saturation: float, value: float) -> Float32[np.ndarray, "3"]:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)


def _moved(wall: Float32[np.ndarray, "_ _ 3"], dx: int, dy: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """Moved to the left and up by quarters of a pixel, less than one, by linear interpolation."""
    for axis, part in ((0, dy / _FINER), (1, dx / _FINER)):
        wall = wall + np.float32(part) * (np.roll(wall, -1, axis) - wall)
    return wall.astype(np.uint8)


def _background(
    wall: UInt8[np.ndarray, "4 4 _ _ 3"], shift: Float64[np.ndarray, "F 2"]
) -> UInt8[np.ndarray, "F H W 3"]:
    """The part of the wall that each picture shows."""
    limit = (_BORDER - 1) * _FINER
    corners = _BORDER * _FINER - np.clip(np.round(shift * _FINER), -limit, limit).astype(int)
    batch = np.empty((len(shift), HEIGHT, WIDTH, 3), np.uint8)
    for picture, (x, y) in zip(batch, corners.tolist(), strict=True):
        (left, dx), (top, dy) = divmod(x, _FINER), divmod(y, _FINER)
        picture[:] = wall[dy, dx, top : top + HEIGHT, left : left + WIDTH]
    return batch


def _draw(
    batch: UInt8[np.ndarray, "F H W 3"],
    figure: Figure,
    poses: Float64[np.ndarray, "F 5"],
    camera: Float64[np.ndarray, "F 2"],
) -> None:
    """Put the figure into each picture, in place: nearest pixel of its sprite, by opacity."""
    radius = figure.radius * np.exp(poses[:, SIZE])
    middle = poses[:, [X, Y]] + camera
    P = 2 * int(np.ceil(REACH * radius.max())) + 2
    corner = np.floor(middle).astype(int) - P // 2
    offset = np.arange(P) + 0.5 + (corner - middle)[:, :, None]  # (F, 2, P)

    # From the picture back into the sprite: turned the other way, and scaled.
    scale = SIDE / (2 * REACH * radius)
    cos = (np.cos(poses[:, ANGLE]) * scale)[:, None]
    sin = (np.sin(poses[:, ANGLE]) * scale)[:, None]
    dx, dy = offset[:, 0], offset[:, 1]
    column = _index((cos * dx)[:, None, :], (sin * dy)[:, :, None])  # (F, P, P)
    row = _index((-sin * dx)[:, None, :], (cos * dy)[:, :, None])
    texels = sprite(figure.shape, figure.hue).view(np.uint32).ravel().take(row * SIDE + column)
    colours = texels.view(np.uint8).reshape(*texels.shape, 4)

    dimming = np.round(256 * np.exp(np.minimum(poses[:, LIGHT], 0.0))).astype(np.uint16)
    for picture, colour, (left, top), dim in zip(
        batch, colours, corner.tolist(), dimming, strict=True
    ):
        y0, y1 = max(top, 0), min(top + P, HEIGHT)
        x0, x1 = max(left, 0), min(left + P, WIDTH)
        if y0 >= y1 or x0 >= x1:
            continue
        shown = colour[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.uint16)
        light = shown[..., :3].reshape(y1 - y0, -1) * dim >> 8
        clear = 255 - np.repeat(shown[..., 3], 3, 1)
        behind = picture.reshape(HEIGHT, -1)[y0:y1, 3 * x0 : 3 * x1]  # rows: numpy likes them long
        behind[:] = light + (behind * clear + 127) // 255


def _index(
    a: Float64[np.ndarray, "F _ _"], b: Float64[np.ndarray, "F _ _"]
) -> Int32[np.ndarray, "F P P"]:
    """Columns or rows of the sprite at a + b from its middle; what lies outside is its rim."""
    # Single precision: this is where half of the time goes.
    places = (a + SIDE / 2).astype(np.float32) + b.astype(np.float32)
    return np.clip(places, 0, SIDE - 1).astype(np.int32)


def _lit(
    batch: UInt8[np.ndarray, "F H W 3"], light: Float64[np.ndarray, "F 2"]
) -> UInt8[np.ndarray, "F H W 3"]:
    """Brighter or darker as a whole, and from side to side."""
    across = np.linspace(-1, 1, WIDTH)
    gain = np.clip(light[:, :1] + light[:, 1:] * across, 0.3, 1.0)  # (F, W)
    factor = np.repeat(np.round(256 * gain).astype(np.uint16), 3, 1)[:, None]  # (F, 1, 3W)
    rows = batch.reshape(*batch.shape[:2], -1)
    return (rows * factor >> 8).astype(np.uint8).reshape(batch.shape)
