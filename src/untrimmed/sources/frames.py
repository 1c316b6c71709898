"""What a source of pixels is, and the simplest one: decoded frames in one file.

Stored frames are a safetensors file with one array, `frames`, of bytes (n, H, W, 3), mapped and
not read: a frame costs its own bytes and nothing else, at many times the size of a video.
Decoding is `sources.video`, making such files `sources.prepare`.

Shapes: n frames, H W pixels.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8

from untrimmed.core.errors import MediaError
from untrimmed.core.files import written_whole
from untrimmed.core.rate import Rate, described, matches

# Of the file, at either end, what goes into its fingerprint.
_FINGERPRINT_BYTES = 2**20


@runtime_checkable
class Frames(Protocol):
    """A video as frames at a fixed rate and size.

    Frame n is what is on screen n / fps seconds after the first one appears.

    fps: frames per second.
    count: number of frames, those with n / fps < duration_s.
    duration_s: of the video, in seconds.
    size: height and width of a frame, in pixels.
    """

    @property
    def fps(self) -> float: ...
    @property
    def count(self) -> int: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def size(self) -> tuple[int, int]: ...

    def read(self, numbers: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n H W 3"]:
        """Pixels of some frames, RGB, 0 to 255.

        Args:
            numbers: in [0, count), in any order, with repeats.

        Raises:
            ValueError: if a number lies outside.
            MediaError: if a frame cannot be had.
        """
        ...


def checked_numbers(
    numbers: Int64[np.ndarray, " n"], *, count: int, path: Path
) -> Int64[np.ndarray, " n"]:
    """Frame numbers as they came, if each is whole and in [0, count).

    Raises:
        ValueError: otherwise.
    """
    wanted = np.asarray(numbers)
    if wanted.size and not np.issubdtype(wanted.dtype, np.integer):
        raise ValueError(f"{path}: frame numbers of type {wanted.dtype}, not whole numbers")
    outside = wanted[(wanted < 0) | (wanted >= count)]
    if len(outside):
        raise ValueError(f"{path}: frame {outside[0]} of a video of {count} frames")
    return wanted.astype(np.int64)


def fingerprint(path: Path) -> str:
    """A file's size and both its ends in 64 hexadecimal digits: tells files apart, fast.

    Raises:
        MediaError: if there is no such file.
    """
    if not path.is_file():
        raise MediaError("there is no such file; check the path", file=path)
    with path.open("rb") as file:
        size = path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        digest.update(file.read(_FINGERPRINT_BYTES))
        file.seek(max(0, size - _FINGERPRINT_BYTES))
        digest.update(file.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Header:
    count: int
    size: tuple[int, int]
    fps: float
    duration_s: float
    source: str
    begin: int  # of the pixels, in bytes


class StoredFrames:
    """A file of decoded frames (protocol `Frames`); make one with `open_frames`.

    The file is mapped on first reading, in each process anew.
    """

    fps: float
    count: int
    duration_s: float
    size: tuple[int, int]

    def __init__(self, path: Path) -> None:
        header = _read_header(path)
        self.path = path
        self.fps, self.duration_s = header.fps, header.duration_s
        self.count, self.size = header.count, header.size
        self.source = header.source
        self._begin = header.begin
        self._pixels: np.memmap[Any, np.dtype[np.uint8]] | None = None

    def read(self, numbers: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n H W 3"]:
        """Pixels of some frames, copied; see `Frames.read`."""
        wanted = checked_numbers(numbers, count=self.count, path=self.path)
        if self._pixels is None:
            shape = (self.count, *self.size, 3)
            try:
                self._pixels = np.memmap(self.path, np.uint8, "r", self._begin, shape)
            except (OSError, ValueError) as error:
                raise MediaError(
                    f"cannot be mapped ({error}); it has changed since it was opened",
                    file=self.path,
                ) from error
        return np.asarray(self._pixels[wanted])

    def close(self) -> None:
        """Let go of the file; a later reading maps it again."""
        self._pixels = None

    def __enter__(self) -> StoredFrames:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pixels": None}


def open_frames(
    path: Path,
    *,
    fps: Rate | None = None,
    size: tuple[int, int] | None = None,
    source: Path | None = None,
) -> StoredFrames:
    """Open stored frames, if they are what is wanted.

    Args:
        fps: the rate that they must have, as far as that can be known; any if None.
        size: the height and width that they must have; any if None.
        source: the video of which they must be a copy; any if None.

    Raises:
        MediaError: if they are not, or `path` is missing or no file of frames.
    """
    frames = StoredFrames(path)
    if fps is not None and not matches(fps, fps=frames.fps, frames=frames.count):
        raise MediaError(
            f"holds {frames.count} frames at {described(frames.fps)}, wanted are {described(fps)};"
            " prepare the video anew",
            file=path,
        )
    if size is not None and frames.size != tuple(size):
        raise MediaError(
            f"holds frames of {frames.size} pixels, wanted are {size}; prepare the video anew",
            file=path,
        )
    if source is not None and frames.source != fingerprint(source):
        raise MediaError(f"is no copy of {source} as it is; prepare the video anew", file=path)
    return frames


def write_frames(
    path: Path,
    batches: Iterable[UInt8[np.ndarray, "_ H W 3"]],
    *,
    count: int,
    size: tuple[int, int],
    fps: float,
    duration_s: float,
    source: Path,
) -> None:
    """Write frames that come in batches, whole or not at all.

    Args:
        count: frames of all batches together.
        source: the video that they were decoded from, for its fingerprint.

    Raises:
        ValueError: if the batches hold fewer or more frames.
    """
    shape = [count, *size, 3]
    header = {
        "__metadata__": {
            "fps": repr(float(fps)),
            "duration_s": repr(float(duration_s)),
            "source": fingerprint(source),
        },
        "frames": {"dtype": "U8", "shape": shape, "data_offsets": [0, math.prod(shape)]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    written = 0
    with written_whole(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for batch in batches:
            file.write(np.ascontiguousarray(batch).data)
            written += len(batch)
        if written != count:
            raise ValueError(f"{path}: {written} frames came, {count} were announced")


def _read_header(path: Path) -> _Header:
    if not path.is_file():
        raise MediaError("there is no such file; check the path", file=path)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length < 2**20:
                raise ValueError
            header = json.loads(file.read(length))
        about, array = header["__metadata__"], header["frames"]
        count, height, width, colours = array["shape"]
        first, last = array["data_offsets"]
        if (array["dtype"], colours, last - first) != ("U8", 3, count * height * width * 3):
            raise ValueError
        fps, duration_s, source = float(about["fps"]), float(about["duration_s"]), about["source"]
    except (ValueError, KeyError, TypeError) as error:
        raise MediaError(
            "this is no file of stored frames; prepare the video", file=path
        ) from error
    begin = 8 + length + first
    if path.stat().st_size != 8 + length + last:
        raise MediaError("the file is cut off or too long; prepare the video anew", file=path)
    return _Header(
        count=count,
        size=(height, width),
        fps=fps,
        duration_s=duration_s,
        source=source,
        begin=begin,
    )
