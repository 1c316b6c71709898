"""Videos for browsers: which play as they are, and small copies of those that do not.

Every browser plays H.264, VP9 and AV1 in mp4, and VP8, VP9 and AV1 in webm; none plays avi or
MPEG-4 part 2, and HEVC or mkv only some.

Shapes: H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from untrimmed.core.errors import MediaError
from untrimmed.core.files import written_whole

LONGEST_SIDE = 640

_TICKS = 90_000  # per second, of the copy's clock
_KEY_FRAME_EVERY_S = 2  # a click shows its picture after decoding at most that much
_MP4 = {"h264", "vp9", "av1"}
_WEBM = {"vp8", "vp9", "av1"}
_PIXELS = {"yuv420p", "yuvj420p"}  # 8 bits: the one form of H.264 that every browser decodes


def played_as(path: Path) -> str | None:
    """The media type under which every browser plays a file, or None if one may not.

    Raises:
        MediaError: if the file is missing, cannot be read, or holds no video.
    """
    with _opened(path) as container:
        codec = container.streams.video[0].codec_context
        name = codec.codec.canonical_name
        if codec.pix_fmt not in _PIXELS:
            return None
        if "mp4" in container.format.name and name in _MP4:
            return "video/mp4"
        return "video/webm" if path.suffix.lower() == ".webm" and name in _WEBM else None


def duration_s(path: Path) -> float:
    """Length as the file states it; 0 if it does not.

    Raises:
        MediaError: if the file is missing, cannot be read, or holds no video.
    """
    with _opened(path) as container:
        return (container.duration or 0) / av.time_base


def rate_and_size(path: Path) -> tuple[float, tuple[int, int]]:
    """Frames per second, and height and width of a frame, as the file states them.

    Raises:
        MediaError: if the file is missing, cannot be read, holds no video, or states no rate.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        if not stream.average_rate:
            raise MediaError("does not state its frames per second", file=path)
        return float(stream.average_rate), (stream.height, stream.width)


def write_proxy(source: Path, target: Path, *, bits_per_s: int | None = None) -> None:
    """Copy a video into a small mp4 that every browser plays: H.264, at most 640 pixels, silent.

    Each picture keeps its time, counted from the first one, also where the rate varies; it is
    turned upright and its pixels made square.  The index lies in front, so that the copy plays
    and seeks from a server before all of it has come.

    Args:
        bits_per_s: most bits per second, with one second of grace at the start; by default as
            many as it takes.

    Raises:
        MediaError: if the source cannot be decoded.
    """
    with _opened(source) as container, written_whole(target) as path:
        try:
            with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as copy:
                _encode(_pictures(container), copy, container=container, bits_per_s=bits_per_s)
        except av.FFmpegError as error:
            raise MediaError(
                f"cannot be copied for browsers: {error.strerror}", file=source
            ) from error


def _encode(
    pictures: Iterator[VideoFrame],
    copy: OutputContainer,
    *,
    container: InputContainer,
    bits_per_s: int | None,
) -> None:
    rate = container.streams.video[0].average_rate or Fraction(25)
    options = {"preset": "veryfast", "crf": "27"}
    if bits_per_s is not None:
        options |= {"maxrate": str(bits_per_s), "bufsize": str(bits_per_s)}
    stream = None
    for picture in pictures:
        if stream is None:  # the size is known once the first picture has been turned
            stream = copy.add_stream("libx264", rate=rate, options=options)
            stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
            stream.gop_size = max(1, round(rate * _KEY_FRAME_EVERY_S))
            stream.codec_context.time_base = Fraction(1, _TICKS)
        copy.mux(stream.encode(picture))
    if stream is None:
        raise MediaError("holds no picture that can be decoded", file=container.name)
    copy.mux(stream.encode(None))


def _pictures(container: InputContainer) -> Iterator[VideoFrame]:
    """Pictures as they should look, small, with times from 0 on that only rise."""
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    step = Fraction(_TICKS) / (stream.average_rate or Fraction(25))
    first, last = None, -1
    for frame in container.decode(stream):
        if frame.pts is None or frame.time_base is None:
            ticks = round(last + step) if last >= 0 else 0  # avi states no times
        else:
            time = round(frame.pts * frame.time_base * _TICKS)
            first = time if first is None else first
            ticks = time - first
        if ticks <= last:
            continue
        last = ticks
        picture = _upright(frame, ratio=stream.codec_context.sample_aspect_ratio)
        picture.pts, picture.time_base = ticks, Fraction(1, _TICKS)
        yield picture


def _upright(frame: VideoFrame, *, ratio: Fraction | None) -> VideoFrame:
    """Small, with square pixels and even sides, turned as its file asks."""
    wide = frame.width * float(ratio or 1)
    scale = min(1.0, LONGEST_SIDE / max(wide, frame.height))
    size = {"width": _even(wide * scale), "height": _even(frame.height * scale)}
    quarters = round(frame.rotation / 90) % 4
    if not quarters:
        return frame.reformat(**size, format="yuv420p")
    pixels = frame.reformat(**size, format="rgb24").to_ndarray()
    turned: NDArray[np.uint8] = np.rot90(pixels, quarters).astype(
        np.uint8
    )  # (W, H, 3), or (H, W, 3)
    return VideoFrame.from_ndarray(turned, format="rgb24").reformat(format="yuv420p")


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"cannot be opened as a video: {error.strerror}", file=path) from error
    with container:
        if not container.streams.video:
            raise MediaError("holds no video", file=path)
        yield container
