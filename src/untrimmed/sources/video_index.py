"""When each frame of a video file is shown: one pass over its packets, without decoding them.

What a container says of itself is not to be trusted: the frame count of an mp4 that was cut
without re-encoding includes frames that are never shown, mkv and webm state none, and at a
variable rate the number of a frame says nothing about its time.  The packets know.  This module
reads them once; it decodes the first frame only, for its size and the way it is turned.  Pixels
are `sources.video`.

Shapes: n frames that are shown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Bool, Float64, Int64
from numpy.typing import ArrayLike

from untrimmed.core.errors import MediaError
from untrimmed.sources.packets import NO_TIME, Packets, in_order_shown

# Of a stream that states neither times nor a rate: what FFmpeg too assumes of such streams.
_USUAL_RATE = 25.0

# No container rounds times by more than this; see `VideoIndex.at`.
_MOST_SLACK_S = 1e-3

# Formats that FFmpeg shows as video, a text as the screen of a terminal.
_NOT_VIDEO = {"image2": "a picture", "tty": "a text"}

# AVI stores no times; FFmpeg gives these codecs their order of decoding instead.
_UNTIMED_IN_AVI = ("h264", "hevc")


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoIndex:
    """The frames of a video file, in the order shown.  Arrays are read-only.

    Args:
        path: the file.
        times_s: when each frame appears, in seconds after the first; strictly rising.
        key: frames that are decoded without any other.
        pts: the same times as the container writes them, in ticks; frame numbers if not `timed`.
        offset: where in the file the packet of each frame begins, in bytes; -1 if not known.
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
    times_s: Float64[np.ndarray, " n"]
    key: Bool[np.ndarray, " n"]
    pts: Int64[np.ndarray, " n"]
    offset: Int64[np.ndarray, " n"]
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

    def __post_init__(self) -> None:
        for each in (self.times_s, self.key, self.pts, self.offset):
            each.flags.writeable = False

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def first_pts(self) -> int:
        """The container's time of the first frame shown, in ticks: second 0 of this index."""
        return int(self.pts[0])

    @property
    def fps(self) -> float:
        """Frames per second on average; of a single frame, one per its duration."""
        if len(self) == 1:
            return 1.0 / self.duration_s
        return float((len(self) - 1) / self.times_s[-1])

    @property
    def steady(self) -> bool:
        """Whether the rate is constant, up to the rounding of times to ticks."""
        steps_s = np.diff(self.times_s)
        return bool(len(steps_s) == 0 or np.ptp(steps_s) <= 2.0 * min(self.tick_s, _MOST_SLACK_S))

    @property
    def slack_s(self) -> float:
        """By how much a written time may lie behind the true one, in seconds."""
        return min(0.5 * self.tick_s, _MOST_SLACK_S)

    def at(self, times_s: ArrayLike) -> Int64[np.ndarray, "..."]:
        """The frame on screen at each time: the last that appears at or before it.

        Containers round times to their ticks (mkv and webm: to 1 ms, so that at 30 frames per
        second frame 2 is written as 67 ms, behind the 66.7 ms at which it appears).  A frame
        therefore counts as on screen up to half a tick, at most 1 ms, ahead of its time.
        Before the first frame that one is given, after the last that one.
        """
        times = np.asarray(times_s, dtype=np.float64)
        positions = np.searchsorted(self.times_s, times + self.slack_s, side="right") - 1
        return np.maximum(positions, 0)


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
            shown = in_order_shown(packets)
            pts = packets.pts[shown]
            tick_s = _tick_s(stream)
            last_s = int(packets.duration[shown[-1]]) * tick_s or _usual_step_s(packets, stream)
        else:
            shown = np.flatnonzero(packets.shown)
            pts = np.arange(len(shown), dtype=np.int64)
            tick_s = last_s = _usual_step_s(packets, stream)
        times_s = (pts - pts[0]).astype(np.float64)
        times_s *= tick_s
        turns, mirrored = _orientation(picture)
        size = (picture.width, picture.height)
        return VideoIndex(
            path=Path(path),
            times_s=times_s,
            key=packets.key[shown],
            pts=pts,
            offset=packets.offset[shown],
            tick_s=tick_s,
            duration_s=float(times_s[-1]) + last_s,
            declared_s=None if not container.duration else container.duration / av.time_base,
            width=size[turns % 2],
            height=size[1 - turns % 2],
            rotation=90 * turns,
            mirrored=mirrored,
            codec=_codec(stream),
            container=container.format.name,
            timed=timed,
        )


def open_stream(path: Path, *, threads: int = 1) -> tuple[InputContainer, VideoStream]:
    """Open the first video stream of a file, to be closed with its container.

    Args:
        threads: that decode; 0 for one per core.

    Raises:
        MediaError: if the file is missing, a folder, empty, not readable, no media file, or has
            no video: pictures, texts and the covers of albums are none.
    """
    path = Path(path)
    if not path.exists():
        raise MediaError("there is no such file; check the path", file=path)
    if path.is_dir():
        raise MediaError("this is a folder; give the video files in it", file=path)
    if path.stat().st_size == 0:
        raise MediaError("the file is empty (0 bytes); copy or download it again", file=path)
    try:
        # Absolute, for FFmpeg reads "a:b.mp4" as a protocol; tags may be in any encoding.
        container = av.open(str(path.absolute()), "r", metadata_errors="replace")
    except av.FFmpegError as error:
        raise MediaError(_why_not_opened(path, error), file=path) from error
    form = container.format.name
    videos = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if videos and form not in _NOT_VIDEO and not form.endswith("_pipe"):
        if videos[0].codec_context is None:
            container.close()
            raise MediaError(
                "the file does not say how its frames are coded, or in a way that cannot be read;"
                " it may be cut off: copy it again, or convert it to H.264",
                file=path,
            )
        videos[0].thread_type = "NONE" if threads == 1 else "AUTO"
        videos[0].codec_context.thread_count = threads
        return container, videos[0]
    kinds = sorted({stream.type for stream in container.streams} - {"video"})
    container.close()
    if videos:
        kind = _NOT_VIDEO.get(form, "a picture")
        raise MediaError(f"this is {kind}, not a video; give a video file", file=path)
    found = " and ".join(kinds) or "nothing"
    raise MediaError(f"this has no video, only {found}; give a file with a video stream", file=path)


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
    return packets, picture if len(packets) else None


def _timed(packets: Packets, container: InputContainer, stream: VideoStream) -> bool:
    """Whether the times of the packets are those at which their frames are shown."""
    reorders = _codec(stream) in _UNTIMED_IN_AVI and stream.codec_context.has_b_frames
    if container.format.name == "avi" and reorders:
        return False
    # Written without times, or all with the same.
    times = np.sort(packets.pts)
    distinct = np.count_nonzero(times[1:] != times[:-1]) + int(times[0] != NO_TIME)
    if 2 * distinct <= len(times):
        return False
    # Times that jump back: recordings joined without writing them anew.
    return packets.in_order


def _usual_step_s(packets: Packets, stream: VideoStream) -> float:
    """How long a frame is shown, as packets say, else as the stream does."""
    stated = packets.duration[packets.duration > 0]
    if len(stated):
        return float(np.median(stated)) * _tick_s(stream)
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


def _why_not_opened(path: Path, error: av.FFmpegError) -> str:
    if isinstance(error, PermissionError):
        return "no permission to read the file"
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return (
            "the file is cut off: the table of its frames (moov), which may stand at the end, is"
            " missing; copy or download it again, or finish the recording"
        )
    return "this is not a media file that can be read, or it is damaged; give a video file"
