"""Frames of a video file at a given rate: only those wanted, at the price of as few as possible.

The one rule of time: frame n of a video sampled at `fps` is the picture on screen at n / fps
seconds after the first one appears, that is, the last that appears at or before that time
(`VideoIndex.at`).  Nothing is blended, and no picture is chosen because it is nearer.  (FFmpeg's
filter `fps` rounds instead: from 28 to 15 frames per second every fourth frame is another one.)

Shapes: n frames, H W pixels.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from untrimmed.core.rate import Rate, Squeezed
from untrimmed.sources.decoder import Decoder
from untrimmed.sources.frames import checked_numbers
from untrimmed.sources.video_index import VideoIndex, index


def open_video(
    path: Path, *, fps: Rate | None = None, size: tuple[int, int] | None = None, threads: int = 1
) -> VideoFrames:
    """Open a video file; see `VideoFrames`, which takes the rate that follows from the file.

    Raises:
        MediaError: if there is no such file, or it is not a video that can be read.
    """
    found = index(path)
    if isinstance(fps, Squeezed):
        fits = found.steady and len(found) <= fps.frames
        fps = None if fits else fps.of(fps=found.fps, duration_s=found.duration_s)
    return VideoFrames(found, fps=fps, size=size, threads=threads)


class VideoFrames:
    """A video file as frames at a fixed rate and size (protocol `Frames`).

    The file is opened on first reading, and again in every process that this object passes to,
    so that a data set may hold many of them.  Not for several threads at once.

    Args:
        index: of the file.
        fps: frames per second; if None, every frame of the file, then frame n is the nth shown,
            and the attribute `fps` their average rate.
        size: height and width to which pictures are squeezed, without regard to their aspect;
            if None, as shown.
        threads: that decode together; 0 for one per core.  With more than 1, an object that has
            been read from must not pass to another process by `fork`, which loses them.
    """

    fps: float
    count: int
    duration_s: float
    size: tuple[int, int]

    def __init__(
        self,
        index: VideoIndex,
        *,
        fps: float | None = None,
        size: tuple[int, int] | None = None,
        threads: int = 1,
    ) -> None:
        if fps is not None and not 0 < fps < math.inf:
            raise ValueError(f"a rate of {fps} frames per second")
        if size is not None and min(size) < 1:
            raise ValueError(f"pictures of {size[0]} x {size[1]} pixels")
        self.index = index
        self.duration_s = index.duration_s
        self.size = (index.height, index.width) if size is None else (size[0], size[1])
        self._threads = threads
        self._decoder: Decoder | None = None
        self._whole = fps is None
        if fps is None:
            self.fps, self.count = index.fps, len(index)
        else:
            self.fps = fps
            self.count = max(1, math.ceil((index.duration_s - index.slack_s) * fps))

    def read(self, numbers: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n H W 3"]:
        """Pixels of some frames, RGB, 0 to 255.

        Decoded in the order shown, whatever the order asked for, from where the last reading
        ended or from a key frame, whichever is nearer.  Pictures are turned upright as the file
        says, and scaled with a triangle as wide as the shrinking asks, so that none of the
        larger picture's pixels is passed over.

        Args:
            numbers: in [0, count), in any order, with repeats.

        Raises:
            ValueError: if a number lies outside.
            MediaError: if a frame cannot be decoded.
        """
        wanted = checked_numbers(numbers, count=self.count, path=self.index.path)
        positions = wanted if self._whole else self.index.at(wanted / self.fps)
        pixels = np.empty((len(wanted), *self.size, 3), dtype=np.uint8)
        written = -1
        for place in np.argsort(positions, kind="stable").tolist():
            if written >= 0 and positions[place] == positions[written]:
                pixels[place] = pixels[written]
            else:
                pixels[place] = self._here().pixels(int(positions[place]), size=self.size)
            written = place
        return pixels

    @property
    def decoded(self) -> int:
        """Pictures decoded since the file was opened, those between the wanted ones included."""
        return 0 if self._decoder is None else self._decoder.decoded

    def close(self) -> None:
        """Close the file; a later reading opens it again."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def __enter__(self) -> VideoFrames:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_decoder": None}

    def _here(self) -> Decoder:
        """The decoder of this process: an open file inherited from another shares its place."""
        if self._decoder is not None and self._decoder.process != os.getpid():
            self.close()
        if self._decoder is None:
            self._decoder = Decoder(self.index, threads=self._threads)
        return self._decoder
