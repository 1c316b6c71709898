"""Where cells lie in time: the one map between positions and seconds.

A network knows positions 0 ... T-1 and what lies between them.  Frame rate, clip stride, start
of a window, stretching to a fixed length: all of them are the affine map that a `TimeGrid` holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike


@dataclass(frozen=True, kw_only=True)
class TimeGrid:
    """Position x of a feature sequence lies at `first_s + x * step_s` seconds.

    Positions are real numbers: a boundary may lie between two cells.  Whether position 0 is the
    start of the first cell (TALLFormer) or its middle (ActionFormer) is the choice of whoever
    makes the grid, through `first_s`.

    Args:
        first_s: time of position 0, in seconds.
        step_s: seconds per cell, above 0.
        length: number of cells, T.
    """

    first_s: float
    step_s: float
    length: int

    def __post_init__(self) -> None:
        if not self.step_s > 0:
            raise ValueError(f"a cell of {self.step_s} s: it must last longer than 0 s")
        if self.length < 0:
            raise ValueError(f"a grid of {self.length} cells")

    @classmethod
    def from_clips(
        cls, *, fps: float, clip_frames: float, step_frames: float, length: int
    ) -> TimeGrid:
        """The grid of features taken from clips that slide over a video.

        One cell per clip of `clip_frames`, a new clip every `step_frames`; position x is the
        middle of clip x.

        Source: Zhang, Wu & Li, ECCV 2022 (ActionFormer); their code adds half a clip.
        """
        return cls(first_s=0.5 * clip_frames / fps, step_s=step_frames / fps, length=length)

    @classmethod
    def stretched(cls, *, duration_s: float, length: int) -> TimeGrid:
        """A whole video squeezed or stretched into `length` cells; position 0 is its start."""
        return cls(first_s=0.0, step_s=duration_s / length, length=length)

    def to_seconds(self, positions: ArrayLike) -> Float64[np.ndarray, "..."]:
        """Seconds at real-valued positions, of any shape."""
        return self.first_s + np.asarray(positions, dtype=np.float64) * self.step_s

    def to_cells(self, seconds: ArrayLike) -> Float64[np.ndarray, "..."]:
        """Real-valued positions at seconds, of any shape: the inverse of `to_seconds`."""
        return (np.asarray(seconds, dtype=np.float64) - self.first_s) / self.step_s

    def window(self, start: int, length: int) -> TimeGrid:
        """The grid of `length` cells from cell `start` on; it may overhang on both sides."""
        return TimeGrid(
            first_s=self.first_s + start * self.step_s, step_s=self.step_s, length=length
        )

    def coarser(self, stride: int, *, shift: float = 0.0) -> TimeGrid:
        """The grid after a stride: new position x lies at old position `shift + x * stride`."""
        return TimeGrid(
            first_s=self.first_s + shift * self.step_s,
            step_s=self.step_s * stride,
            length=-(-self.length // stride),
        )
