"""What a network sees at once: windows of a video, cut into clips.

This module says where windows lie.  It reads no pixels (`data.dataset`) and chooses no clips
(`data.sampling`).

All counts of frames are at the rate at which a video is read, not that of its file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from untrimmed.core.clips import ClipGrid


@dataclass(frozen=True, kw_only=True)
class WindowShape:
    """The size of every window of a data set.

    Args:
        clip_frames: frames of a clip, L.
        clips: clips that fill a window, N.
        stride: frames per cell, as the encoder has it.
        shifted: whether random windows cut their clips anywhere, not from their start on.
    """

    clip_frames: int
    clips: int
    stride: int
    shifted: bool = False

    @property
    def frames(self) -> int:
        """Frames of a window."""
        return self.clips * self.clip_frames

    @property
    def cells(self) -> int:
        """Cells of a window, T."""
        return self.frames // self.stride

    def cells_of(self, frames: int) -> int:
        """Cells of a whole video of so many frames; the last one may be filled in part."""
        return -(-frames // self.stride)


@dataclass(frozen=True, kw_only=True)
class Window:
    """A window of one video.

    Args:
        video: id of the video.
        clips: where it lies, and how it is cut.
        video_frames: frames of the whole video; beyond them nothing exists.
    """

    video: str
    clips: ClipGrid
    video_frames: int

    @property
    def valid_cells(self) -> int:
        """Cells that hold at least one frame of the video; they come first."""
        left = self.video_frames - self.clips.first_frame
        return int(np.clip(-(-left // self.clips.stride), 0, self.clips.cells.length))

    @property
    def valid_clips(self) -> int:
        """Clips that hold at least one frame of the video; they come first."""
        return -(-(self.valid_cells + self.clips.shift) // self.clips.cells_per_clip)


def window_at(
    video: str,
    first_cell: int,
    *,
    video_frames: int,
    fps: float,
    shape: WindowShape,
    shift: int = 0,
) -> Window:
    """The window of `video` that starts at a cell of the video's own grid.

    Windows and clips start at whole cells, so that a row of the memory bank always means the same
    frames.

    Args:
        fps: frames per second at which the video is read.
        shift: cells by which clips begin earlier.
    """
    # Deviates: the authors start windows, and on ActivityNet clips, at any frame and are half a row
    # off at odd starts; the effect is not measured.
    grid = ClipGrid(
        fps=fps,
        clip_frames=shape.clip_frames,
        stride=shape.stride,
        first_frame=first_cell * shape.stride,
        clips=shape.clips,
        shift=shift,
    )
    return Window(video=video, clips=grid, video_frames=video_frames)


def random_window(
    video: str,
    *,
    video_frames: int,
    fps: float,
    shape: WindowShape,
    random: np.random.Generator,
) -> Window:
    """A window that lies in the video as a whole, every start equally likely.

    A video shorter than a window is taken from its start, and the window overhangs.  Where windows
    are shifted, every shift is equally likely too: that of a window which always is the whole video
    would else cut the same clips in every epoch.

    Source: TALLFormer, sec. 4.2; the authors' random crop in time, and their shift on ActivityNet.
    """
    last = max(0, shape.cells_of(video_frames) - shape.cells)
    first_cell = int(random.integers(0, last + 1))
    per_clip = shape.clip_frames // shape.stride
    shift = int(random.integers(0, per_clip)) if shape.shifted else 0
    return window_at(
        video, first_cell, video_frames=video_frames, fps=fps, shape=shape, shift=shift
    )


def sliding_starts(cells: int, *, length: int, overlap: float) -> Iterator[int]:
    """First cells of windows that cover `cells` cells from the start on.

    The last window is the first that reaches the end; it may overhang.

    Args:
        cells: of the video; at least one window is given even for 0.
        length: cells of a window.
        overlap: share of a window that the next one sees again, in [0, 1).
    """
    step = max(1, int(length * (1 - overlap)))
    start = 0
    yield start
    while start + length < cells:
        start += step
        yield start
