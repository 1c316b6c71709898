"""How the frames of a window are cut into clips, and clips into cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from untrimmed.core.grid import TimeGrid


@dataclass(frozen=True, kw_only=True)
class ClipGrid:
    """A window of a video at a fixed rate, cut into clips of `clip_frames` frames.

    Frame n of the video is what is shown at n / fps seconds.  An encoder turns each clip into
    `clip_frames / stride` cells.  With a shift the cells of the window stay where they are, and
    clips are cut elsewhere: the first begins before the window, and one more ends behind it.

    Args:
        fps: frames per second at which the video is sampled.
        clip_frames: frames of a clip, L; a whole number of strides.
        stride: frames per cell, set by the encoder.
        first_frame: the frame with which the window starts; may be negative (overhang).
        clips: number of clips that fill the window, N.
        shift: cells by which clips begin earlier, in [0, clip_frames / stride).
    """

    fps: float
    clip_frames: int
    stride: int
    first_frame: int
    clips: int
    shift: int = 0

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise ValueError(f"a rate of {self.fps} frames per second")
        if self.clip_frames < 1 or self.stride < 1 or self.clip_frames % self.stride:
            raise ValueError(
                f"a clip of {self.clip_frames} frames is not a whole number of strides"
                f" of {self.stride}"
            )
        if not 0 <= self.shift < self.cells_per_clip:
            raise ValueError(
                f"a shift of {self.shift} cells, where a clip has {self.cells_per_clip}"
            )

    @property
    def cells_per_clip(self) -> int:
        """K, the cells of one clip."""
        return self.clip_frames // self.stride

    @property
    def first_cell(self) -> int:
        """The cell of the video's own grid with which the window starts."""
        if self.first_frame % self.stride:
            raise ValueError(
                f"a window from frame {self.first_frame} does not start at a cell of"
                f" {self.stride} frames"
            )
        return self.first_frame // self.stride

    @property
    def cells(self) -> TimeGrid:
        """Where the window's cells lie in seconds; position 0 is the window's start."""
        return TimeGrid(
            first_s=self.first_frame / self.fps,
            step_s=self.stride / self.fps,
            length=self.clips * self.cells_per_clip,
        )

    @property
    def parts(self) -> int:
        """Clips that the window is cut into: N, or with a shift N + 1."""
        return self.clips + (self.shift > 0)

    def first_cell_of(self, clip: int) -> int:
        """The cell of the window with which a clip begins; below 0 for a first one that overhangs.

        Reading frames, splicing, remembering and ages all go by it.
        """
        return clip * self.cells_per_clip - self.shift

    def frames(self, clip: int) -> Int64[np.ndarray, " L"]:
        """Frame numbers of a clip, in [first_frame, first_frame + N * L) without a shift."""
        start = self.first_frame + self.first_cell_of(clip) * self.stride
        return np.arange(start, start + self.clip_frames, dtype=np.int64)
