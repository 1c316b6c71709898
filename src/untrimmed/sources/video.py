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
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import Int64, UInt8

from untrimmed.core.errors import MediaError
from untrimmed.core.rate import Rate, Squeezed
from untrimmed.sources.frames import checked_numbers
from untrimmed.sources.video_index import VideoIndex, index, open_stream

# Containers that cannot be entered at a time, only at a byte.
_BY_OFFSET = ("mpegts", "mpeg")

_BEGINNING = -1


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
        self._decoder: _Decoder | None = None
        if fps is None:
            self.fps = index.fps
            self._positions = np.arange(len(index), dtype=np.int64)
        else:
            self.fps = fps
            count = max(1, math.ceil((index.duration_s - index.slack_s) * fps))
            self._positions = index.at(np.arange(count) / fps)
        self.count = len(self._positions)

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
        positions = self._positions[wanted]
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

    def _here(self) -> _Decoder:
        """The decoder of this process: an open file inherited from another shares its place."""
        if self._decoder is not None and self._decoder.process != os.getpid():
            self.close()
        if self._decoder is None:
            self._decoder = _Decoder(self.index, threads=self._threads)
        return self._decoder


class _Decoder:
    """Pictures of a file by their position in its index.

    Holds the picture decoded last and the one before.  A packet may yield no picture (MPEG-4 has
    such, to keep the last one on screen); its place is taken by the picture before, as in a
    player, but only if no packet since the last start was damaged.
    """

    def __init__(self, index: VideoIndex, *, threads: int) -> None:
        self.process = os.getpid()
        self.decoded = 0
        self._index = index
        self._threads = threads
        self._reformatter = VideoReformatter()
        # Without times, pictures are known by counting them from the beginning.
        self._keys = np.flatnonzero(index.key & index.timed)
        self._container: InputContainer | None = None
        self._packets: Iterator[Packet[VideoStream]]
        self._ready: deque[VideoFrame] = deque()
        self._before: VideoFrame | None
        self._last: VideoFrame | None
        self._forget()

    def pixels(self, position: int, *, size: tuple[int, int]) -> UInt8[np.ndarray, "H W 3"]:
        """The picture at a position of the index, upright, at a size."""
        picture = self._picture(position)
        turns = self._index.rotation // 90
        height, width = size if turns % 2 == 0 else size[::-1]
        try:
            # Without `threads`, FFmpeg starts one per core for every file.
            scaled = self._reformatter.reformat(
                picture, width, height, "rgb24", interpolation="BILINEAR", threads=1
            ).to_ndarray()
        except (av.FFmpegError, ValueError) as error:
            raise self._cannot(position, f"converted to RGB ({error})") from error
        upright = scaled[:, ::-1] if self._index.mirrored else scaled
        return np.rot90(upright, -turns)

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    def _picture(self, position: int) -> VideoFrame:
        for attempt, start in enumerate(self._starts(position)):
            if start is not None:
                self._start(start)
            picture = self._advance(position, sparing=attempt < 2)
            if picture is not None:
                return picture
        raise self._cannot(position, "decoded")

    def _starts(self, position: int) -> Iterator[int | None]:
        """Where to decode from, best first: None for where we are, else see `_start`.

        A start may fail, for containers seek as well as they can, and some streams mark as key
        frames pictures that need others.  Then the one before is tried, and in the end the
        beginning.
        """
        behind = int(np.searchsorted(self._keys, position, side="right"))
        keys = self._keys[max(0, behind - 2) : behind].tolist()
        nearest = keys[-1] if keys else 0
        if nearest - 1 <= self._last_at <= position:
            yield None
        yield from reversed(keys)
        yield _BEGINNING

    def _start(self, position: int) -> None:
        """Be about to decode a key frame, or all of the file, opened anew, for `_BEGINNING`."""
        self._forget()
        if position == _BEGINNING:
            self.close()
        if self._container is None:
            self._container, self._stream = open_stream(self._index.path, threads=self._threads)
        if position != _BEGINNING:
            by_offset = self._index.container in _BY_OFFSET
            target = (self._index.offset if by_offset else self._index.pts)[position]
            try:
                self._container.seek(
                    int(target), stream=self._stream, unsupported_byte_offset=by_offset
                )
            except av.FFmpegError:
                self._damaged = True
                return
        self._packets = self._container.demux(self._stream)

    def _forget(self) -> None:
        """Nothing is decoded, and nothing is there to decode."""
        self._packets = iter(())
        self._ready.clear()
        self._before = self._last = None
        self._before_at = self._last_at = -1
        self._shown = 0
        self._damaged = False

    def _advance(self, position: int, *, sparing: bool) -> VideoFrame | None:
        """Decode up to a position of the index; None if its picture does not come.

        Sparing is to pass over pictures ahead of it that no other refers to, a third of the work
        where there are many.
        """
        until = int(self._index.pts[position]) if sparing and self._index.timed else None
        while self._last_at < position and self._step(until):
            pass
        if self._last_at == position:
            return self._last
        at, picture = self._last_at, self._last
        if at > position:
            at, picture = self._before_at, self._before
        certain = not self._damaged and (at == position - 1 or not sparing)
        return picture if certain else None

    def _step(self, until: int | None) -> bool:
        """Decode the next picture that is shown; false at the end."""
        while True:
            while self._ready:
                picture = self._ready.popleft()
                at = self._at(picture)
                if at > self._last_at:
                    self._before, self._before_at = self._last, self._last_at
                    self._last, self._last_at = picture, at
                    return True
            try:
                packet = next(self._packets, None)
                if packet is None:
                    return False
                ahead = until is not None and packet.pts is not None and packet.pts < until
                self._stream.codec_context.skip_frame = "NONREF" if ahead else "DEFAULT"
                pictures = packet.decode()
                self.decoded += len(pictures)
                self._ready.extend(pictures)
            except av.FFmpegError:
                self._damaged = True

    def _at(self, picture: VideoFrame) -> int:
        """The position of a decoded picture in the index; -1 if it is not shown."""
        if not self._index.timed:
            self._shown += 1
            return self._shown - 1
        if picture.pts is None:
            return -1
        at = int(np.searchsorted(self._index.pts, picture.pts))
        return at if at < len(self._index) and self._index.pts[at] == picture.pts else -1

    def _cannot(self, position: int, what: str) -> MediaError:
        return MediaError(
            f"the frame at {self._index.times_s[position]:.3f} s cannot be {what}; the file may be"
            " damaged: copy or download it again, write it anew with"
            " `ffmpeg -i FILE -c:v libx264 NEW.mp4`, or leave it out",
            file=self._index.path,
        )
