"""When each frame of a video file is shown: one pass over its packets, without decoding them.

What a container says of itself is not to be trusted: the frame count of an mp4 that was cut
without re-encoding includes frames that are never shown, mkv and webm state none, and at a
variable rate the number of a frame says nothing about its time.  The packets know.  This module
reads them once; it decodes the first frame only, for its size and the way it is turned.  Pixels
are `sources.video`.

Shapes: n frames that are shown, m of them or m times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike

from untrimmed.core.errors import MediaError
from untrimmed.sources.integers import Integers
from untrimmed.sources.packets import Packets
from untrimmed.sources.video_stream import open_stream

# Of a stream that states neither times nor a rate: what FFmpeg too assumes of such streams.
_USUAL_RATE = 25.0

# No container rounds times by more than this; see `VideoIndex.at`.
_MOST_SLACK_S = 1e-3

# AVI stores no times; FFmpeg gives these codecs their order of decoding instead.
_UNTIMED_IN_AVI = ("h264", "hevc")


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoIndex:
    """The frames of a video file, in the order shown; a byte or two for each, or less.

    Args:
        path: the file.
        pts: when each frame appears, as the container writes it, in ticks; strictly rising.  Frame
            numbers if not `timed`.
        keys: which frames are decoded without any other, rising.
        offsets: where in the file the packet of each of `keys` begins, in bytes; -1 if not known.
        tick_s: seconds per tick.
        duration_s: from the first frame's appearance to the last one's end.
        declared_s: the duration that the container states; None if it states none.  Far more
            than `duration_s` is the mark of a file that was cut off.
        width, height: in pixels, as shown: after turning, without correction for pixels that
            are not square.
        rotation: degrees, clockwise, by which stored pictures are turned to be shown: 0, 90,
            180 or 270.
        mirrored: whether they are swapped left to right before that.
        codec: how pictures are compressed, such as "h264".
        container: the format of the file, as FFmpeg calls it.
        timed: whether times are the container's own.  If false, it has none that can be used,
            and each frame is taken to be shown as long as most packets, or the stream, say.
    """

    path: Path
    pts: Integers
    keys: Integers
    offsets: Integers
    tick_s: float
    duration_s: float
    declared_s: float | None
    width: int
    height: int
    rotation: int
    mirrored: bool
    codec: str
    container: str
    timed: bool

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def first_pts(self) -> int:
        """The container's time of the first frame shown, in ticks: second 0 of this index."""
        return self.pts[0]

    @property
    def fps(self) -> float:
        """Frames per second on average; of a single frame, one per its duration."""
        if len(self) == 1:
            return 1.0 / self.duration_s
        return (len(self) - 1) / ((self.pts[-1] - self.pts[0]) * self.tick_s)

    @property
    def steady(self) -> bool:
        """Whether the rate is constant, up to the rounding of times to ticks."""
        least, most = self.pts.step_range
        return (most - least) * self.tick_s <= 2.0 * min(self.tick_s, _MOST_SLACK_S)

    @property
    def slack_s(self) -> float:
        """By how much a written time may lie behind the true one, in seconds."""
        return min(0.5 * self.tick_s, _MOST_SLACK_S)

    def times_s(self, positions: Int64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
        """When frames at some positions appear, in seconds after the first one does."""
        return self._seconds(self.pts.take(positions))

    def at(self, times_s: ArrayLike) -> Int64[np.ndarray, "..."]:
        """The frame on screen at each time: the last that appears at or before it.

        Containers round times to their ticks (mkv and webm: to 1 ms, so that at 30 frames per
        second frame 2 is written as 67 ms, behind the 66.7 ms at which it appears).  A frame
        therefore counts as on screen up to half a tick, at most 1 ms, ahead of its time.
        Before the first frame that one is given, after the last that one.
        """
        times = np.asarray(times_s, dtype=np.float64) + self.slack_s
        reached = self.pts.ranks(times.ravel(), seen=self._seconds).reshape(times.shape)
        positions: Int64[np.ndarray, "..."] = np.maximum(reached - 1, 0)
        return positions

    def _seconds(self, pts: Int64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
        seconds: Float64[np.ndarray, " m"] = (pts - self.pts[0]).astype(np.float64) * self.tick_s
        return seconds


def index(path: Path) -> VideoIndex:
    """Read when each frame of a video is shown; a few milliseconds per minute of video.

    Left out are frames that no player shows: those outside the edit list, those before the
    first key frame, and a last one that the file holds only a part of.  Of a file that was cut
    off, the index tells what is there.

    Raises:
        MediaError: if there is no such file, or it is not a video that can be read.
    """
    container, stream = open_stream(path)
    with container:
        packets, picture = _scan(container, stream)
        if picture is None:
            raise MediaError(
                f"nothing of its video ({_codec(stream)}) can be decoded; the file is damaged, or"
                " has no key frame: copy or download it again",
                file=path,
            )
        timed = _timed(packets, container, stream)
        if timed:
            shown = packets.in_order_shown()
            tick_s = _tick_s(stream)
            last_s = shown.last_duration * tick_s or _usual_step_s(packets, stream)
        else:
            shown = packets.as_decoded()
            tick_s = last_s = _usual_step_s(packets, stream)
        turns, mirrored = _orientation(picture)
        size = (picture.width, picture.height)
        return VideoIndex(
            path=Path(path),
            pts=shown.pts,
            keys=shown.keys,
            offsets=shown.offsets,
            tick_s=tick_s,
            duration_s=(shown.pts[-1] - shown.pts[0]) * tick_s + last_s,
            declared_s=None if not container.duration else container.duration / av.time_base,
            width=size[turns % 2],
            height=size[1 - turns % 2],
            rotation=90 * turns,
            mirrored=mirrored,
            codec=_codec(stream),
            container=container.format.name,
            timed=timed,
        )


def _scan(container: InputContainer, stream: VideoStream) -> tuple[Packets, VideoFrame | None]:
    """All packets from the first key frame on, and the first frame."""
    packets = Packets()
    picture: VideoFrame | None = None
    demuxed = container.demux(stream)
    while True:
        try:
            packet = next(demuxed, None)
        except av.FFmpegError:
            break  # The file ends in the middle of something: what came before is there.
        if packet is None:
            break
        if packet.size and (packets.begun or packet.is_keyframe):
            packets.add(packet)
        if picture is None and packets.begun:
            try:
                picture = next(iter(packet.decode()), None)
            except av.FFmpegError:
                continue
    packets.finish()
    return packets, picture if len(packets) else None


def _timed(packets: Packets, container: InputContainer, stream: VideoStream) -> bool:
    """Whether the times of the packets are those at which their frames are shown."""
    reorders = _codec(stream) in _UNTIMED_IN_AVI and stream.codec_context.has_b_frames
    if container.format.name == "avi" and reorders:
        return False
    # Times that jump back: recordings joined without writing them anew.
    if not packets.in_order:
        return False
    # Written without times, or all with the same.
    return 2 * packets.distinct_times > len(packets)


def _usual_step_s(packets: Packets, stream: VideoStream) -> float:
    """How long a frame is shown, as packets say, else as the stream does."""
    if packets.usual_duration:
        return packets.usual_duration * _tick_s(stream)
    return 1.0 / float(stream.guessed_rate or stream.average_rate or _USUAL_RATE)


def _codec(stream: VideoStream) -> str:
    return stream.codec_context.codec.canonical_name


def _tick_s(stream: VideoStream) -> float:
    return float(stream.time_base or 1)


def _orientation(picture: VideoFrame) -> tuple[int, bool]:
    """Quarter turns, clockwise, and whether the picture is mirrored before them.

    The display matrix holds nine 32-bit numbers; the first two and the next but one two,
    (a, b) and (c, d), are the directions in which the stored x and y axes point when shown.
    """
    data: Any = picture.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(data, dtype="=i4")[:5].tolist()
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    return round(math.atan2(b, a) / (0.5 * math.pi)) % 4, mirrored
