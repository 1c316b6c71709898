"""Pictures in a row, files or an array, as a video at a fixed rate and size.

Files are numbered, as `ffmpeg -i FILE frame-%05d.png` writes them.  The rule of time is that of
`sources.video`: frame n at `fps` is the picture on screen at n / fps seconds.

Shapes: n frames, P pictures, H W pixels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from jaxtyping import Int64, UInt8

from untrimmed.core.errors import MediaError
from untrimmed.core.rate import Rate, Squeezed
from untrimmed.sources.frames import checked_numbers

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Endings, in any case, of files that are looked at as pictures."""

_SLACK = 1e-6  # of a picture: so that rounding does not show the one before


@dataclass(frozen=True)
class Pictures:
    """The files of one video, in the order shown; at least one."""

    files: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        return self.files[0].parent


def is_picture(path: Path) -> bool:
    """Whether a file is looked at as a picture, by its ending."""
    return path.suffix.lower() in SUFFIXES


def by_folder(files: Iterable[Path]) -> dict[Path, list[Path]]:
    """Files by the folder that they lie in."""
    folders: dict[Path, list[Path]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file)
    return folders


def in_order(files: Iterable[Path]) -> Pictures:
    """Files by the last number in their names, which rises evenly.

    Raises:
        MediaError: if a name has no number, or two have the same, or some are missing.
    """
    numbered: dict[int, Path] = {}
    for file in sorted(files):
        digits = re.findall(r"\d+", file.stem)
        if not digits:
            raise MediaError("no number in the name of this picture of many", file=file)
        other = numbered.setdefault(int(digits[-1]), file)
        if other != file:
            raise MediaError(f"has the number of {other.name}; leave one out", file=file)
    numbers = sorted(numbered)
    steps = np.diff(numbers)
    uneven = np.flatnonzero(steps != min(steps, default=0))
    if len(uneven):
        before, after = numbered[numbers[uneven[0]]], numbered[numbers[uneven[0] + 1]]
        raise MediaError(f"pictures are missing between {before.name} and this one", file=after)
    return Pictures(tuple(numbered[number] for number in numbers))


class StillFrames:
    """Pictures as frames at a fixed rate and size (protocol `Frames`).

    Args:
        picture: gives the picture at a position.
        count: of the pictures, P.
        shown_fps: pictures per second.
        fps: frames per second, or how they follow; those shown if None.
        size: height and width to which pictures are squeezed; those of the first if None.
        name: what messages call it.

    Raises:
        ValueError: if there is no picture, or a rate is not above 0.
        MediaError: if the first picture cannot be read.
    """

    fps: float
    count: int
    duration_s: float
    size: tuple[int, int]

    def __init__(
        self,
        picture: Callable[[int], VideoFrame],
        *,
        count: int,
        shown_fps: float,
        fps: Rate | None,
        size: tuple[int, int] | None,
        name: Path,
    ) -> None:
        if not 0 < shown_fps < math.inf:
            raise ValueError(f"a rate of {shown_fps} pictures per second")
        if count < 1:
            raise ValueError(f"{name}: a video without pictures")
        self.duration_s = count / shown_fps
        if isinstance(fps, Squeezed):
            fps = fps.of(fps=shown_fps, duration_s=self.duration_s)
        self.fps = shown_fps if fps is None else fps
        self.count = max(1, math.ceil(self.duration_s * self.fps - _SLACK))
        times = np.arange(self.count) * (shown_fps / self.fps)
        self._positions = np.minimum(np.floor(times + _SLACK).astype(np.int64), count - 1)
        self._picture = picture
        first = picture(0)
        self._stored = first.height, first.width
        self.size = self._stored if size is None else (size[0], size[1])
        self._reformatter = VideoReformatter()
        self._name = name

    def read(self, numbers: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n H W 3"]:
        """Pixels of some frames, RGB, 0 to 255; see `Frames.read`."""
        wanted = checked_numbers(numbers, count=self.count, path=self._name)
        pixels = np.empty((len(wanted), *self.size, 3), dtype=np.uint8)
        positions, first, place = np.unique(
            self._positions[wanted], return_index=True, return_inverse=True
        )
        for position, at in zip(positions.tolist(), first.tolist(), strict=True):
            pixels[at] = self._pixels(position)
        return np.asarray(pixels[first[place]])

    def _pixels(self, position: int) -> UInt8[np.ndarray, "H W 3"]:
        picture = self._picture(position)
        if (picture.height, picture.width) != self._stored:
            raise MediaError(
                f"picture {position} has {picture.height} x {picture.width} pixels, the first"
                f" {self._stored[0]} x {self._stored[1]}; give each size a folder of its own",
                file=self._name,
            )
        height, width = self.size
        return self._reformatter.reformat(
            picture, width, height, "rgb24", interpolation="BILINEAR", threads=1
        ).to_ndarray()


def open_pictures(
    pictures: Pictures,
    *,
    shown_fps: float,
    fps: Rate | None = None,
    size: tuple[int, int] | None = None,
) -> StillFrames:
    """Files as a video; one is held at a time.  They are shown as stored, not turned.

    Arguments and errors are those of `StillFrames`.
    """
    return StillFrames(
        lambda position: _decoded(pictures.files[position]),
        count=len(pictures.files),
        shown_fps=shown_fps,
        fps=fps,
        size=size,
        name=pictures.folder,
    )


def frames_of(
    array: UInt8[np.ndarray, "P H W 3"],
    *,
    shown_fps: float,
    fps: Rate | None = None,
    size: tuple[int, int] | None = None,
) -> StillFrames:
    """Pixels, RGB, 0 to 255, as a video.  Arguments and errors are those of `StillFrames`."""
    return StillFrames(
        lambda position: VideoFrame.from_ndarray(array[position], format="rgb24"),
        count=len(array),
        shown_fps=shown_fps,
        fps=fps,
        size=size,
        name=Path("array"),
    )


def _decoded(file: Path) -> VideoFrame:
    if not file.is_file():
        raise MediaError("there is no such file; check the path", file=file)
    try:
        with av.open(str(file.absolute())) as container:
            return next(container.decode(video=0))
    except (av.FFmpegError, StopIteration, IndexError) as error:
        raise MediaError("this picture cannot be decoded; it is damaged", file=file) from error
