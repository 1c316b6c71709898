"""Which cells of a video are seen in a training step, and what of its actions.

ActionFormer takes videos whole if they fit, and else a random crop in which something happens.
Everything is in cells of the video's own grid; features are not touched.

Source: Zhang, Wu & Li, ECCV 2022 (ActionFormer); the authors' code, which the paper does not
describe here.

Shapes: N actions.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

DRAWS = 200
"""Crops that are drawn at most in search of one with an action."""


class Whole(Protocol):
    """A source of whole numbers, such as `numpy.random.Generator`."""

    def integers(self, low: int, high: int) -> int | np.int64:
        """One from `low` on and below `high`, all equally likely."""
        ...


class Crop(NamedTuple):
    """A part of a video.

    start, stop: its cells are those from `start` to `stop`.
    segments: of the actions that belong to it, in cells from `start` on; they reach at most as
        far over its ends as the clips of its outer cells do.
    chosen: which actions of the video these are.
    """

    start: int
    stop: int
    segments: Float64[np.ndarray, "M 2"]
    chosen: Bool[np.ndarray, " N"]


def random_crop(
    segments: Float64[np.ndarray, "N 2"],
    *,
    length: int,
    cells: int,
    share: float,
    offset: float,
    shorten: tuple[float, float] | None = None,
    random: Whole,
) -> Crop:
    """A part of at most `cells` cells in which an action lies, if 200 draws find one.

    A video that is not cut keeps all its actions as they are.  One without actions is background,
    wherever it is cut.

    Args:
        segments: actions in cells of the video.
        length: cells of the video, T.
        cells: of the longest part, those of a training window.
        share: an action belongs to a part if at least so much of it lies there, in (0, 1]; one
            without length never does.
        offset: cells from the middle of an outer cell to the end of its clip; so far an action
            may reach over the ends.
        shorten: bounds of the length of the part of a video that fits, as shares of its length;
            None leaves such videos whole.
        random: each sample brings its own.
    """
    wanted = min(length, cells)
    if length <= cells and shorten is not None:
        low = max(round(shorten[0] * length), 1)
        high = min(round(shorten[1] * length), length)
        wanted = int(random.integers(low, high + 1))
    if wanted == length:
        return Crop(0, length, segments.copy(), np.ones(len(segments), bool))
    for _ in range(DRAWS):
        start = int(random.integers(0, length - wanted + 1))
        cut = np.stack(
            [
                np.maximum(start - offset, segments[:, 0]),
                np.minimum(start + wanted + offset, segments[:, 1]),
            ],
            axis=1,
        )
        chosen = _shares(cut, segments) >= share
        if chosen.any() or not len(segments):
            break
    return Crop(start, start + wanted, cut[chosen] - start, chosen)


def covered(
    segments: Float64[np.ndarray, "N 2"], *, length: int, share: float, offset: float
) -> tuple[Float64[np.ndarray, "M 2"], Bool[np.ndarray, " N"]]:
    """Actions cut off where the features of a video end, and which of them are left.

    Features may end before the video does, as where a download broke off.  An action is left if
    at least `share` of it lies before the end; one without length never is.

    Args:
        length: cells of the video, T.
        share, offset: as for `random_crop`.

    Source: the authors' code for ActivityNet.
    """
    end = length + offset
    cut = np.minimum(segments, end)
    left = (segments[:, 0] < end) & (_shares(cut, segments) >= share)
    return cut[left], left


def _shares(
    cut: Float64[np.ndarray, "N 2"], segments: Float64[np.ndarray, "N 2"]
) -> Float64[np.ndarray, " N"]:
    """How much of each segment is left when it is cut; 0 of those without length."""
    whole = segments[:, 1] - segments[:, 0]
    kept = np.maximum(cut[:, 1] - cut[:, 0], 0.0)
    shares: NDArray[np.float64] = np.zeros_like(whole)
    np.divide(kept, whole, out=shares, where=whole > 0)
    return shares
