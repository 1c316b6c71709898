"""The pictures of a video file by their position in its index, at the price of as few as possible.

Which position is on screen when is `sources.video`.

Shapes: H W pixels.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from untrimmed.core.errors import MediaError
from untrimmed.sources.video_index import VideoIndex
from untrimmed.sources.video_stream import open_stream

# Containers that cannot be entered at a time, only at a byte.
_BY_OFFSET = ("mpegts", "mpeg")

_BEGINNING = -1


class Decoder:
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
        all_keys = self._index.keys
        # Without times, pictures are known by counting them from the beginning.
        behind = all_keys.rank(position) if self._index.timed else 0
        keys = [all_keys[number] for number in range(max(0, behind - 2), behind)]
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
            index, by_offset = self._index, self._index.container in _BY_OFFSET
            offset = index.offsets[index.keys.rank(position) - 1]
            target = offset if by_offset else index.pts[position]
            try:
                self._container.seek(target, stream=self._stream, unsupported_byte_offset=by_offset)
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
        until = self._index.pts[position] if sparing and self._index.timed else None
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
        return -1 if picture.pts is None else self._index.pts.find(picture.pts)

    def _cannot(self, position: int, what: str) -> MediaError:
        (at_s,) = self._index.times_s(np.array([position]))
        return MediaError(
            f"the frame at {at_s:.3f} s cannot be {what}; the file may be damaged: copy or download"
            " it again, write it anew with `ffmpeg -i FILE -c:v libx264 NEW.mp4`, or leave it out",
            file=self._index.path,
        )
