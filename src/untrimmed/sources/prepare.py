"""Small copies of videos, for reading clips here and there at little cost.

From an ordinary file, in which key frames lie seconds apart, a clip costs the decoding of all
that lies between it and the key frame before.  A copy at the size and rate that training asks
for, with a key frame every few frames, or of decoded frames, spares that.  Frame n of the copy
is frame n of the original at the same rate (`sources.video`): exactly in `frames`, up to the
losses of compression in `mp4`.

Shapes: n frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8

from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.core.files import written_whole
from untrimmed.core.rate import Rate
from untrimmed.sources.frames import Frames, write_frames
from untrimmed.sources.video import open_video

# Frames held at a time, in bytes.
_BATCH_BYTES = 2**25

# x264: nearly without visible loss.  `fastdecode` halves the cost of reading, for 6 % more bytes.
# With `mbtree`, copies of one video differed at random in a few bits: 2 of 20 at 112 x 112 pixels,
# 5 of 80 at 80 x 32; without it none of 60 and of 150.  Why is not known: memory that x264 reads
# and never wrote would explain it, for it also goes if memory is filled, or without assembler.
_QUALITY = {"crf": "18", "preset": "veryfast", "tune": "fastdecode", "mbtree": "0"}


def prepare(
    path: Path,
    target: Path,
    *,
    fps: Rate,
    size: tuple[int, int],
    kind: Literal["mp4", "frames"],
    key_every: int = 8,
    threads: int = 1,
) -> None:
    """Copy a video for fast reading; the file appears whole or not at all.

    Memory is constant, whatever the length.

    Args:
        path: the video.
        target: the copy, which replaces what is there.
        fps: frames per second of the copy.
        size: height and width of the copy; for `mp4` even.
        kind: `mp4`, H.264 that any player shows, or `frames`, pixels as they are
            (`sources.frames`): read many times faster, and many times larger.
        key_every: frames from one key frame to the next, for `mp4`.
        threads: that decode and encode; 0 for one per core.

    Raises:
        MediaError: if the video cannot be read to its end, or the copy not be written.
        ConfigError: if the copy would replace the video, or cannot have this kind or size.
    """
    if kind not in ("mp4", "frames"):
        raise ConfigError(f"copies are `mp4` or `frames`, not `{kind}`", path="kind")
    if kind == "mp4" and (size[0] % 2 or size[1] % 2):
        raise ConfigError(
            f"an mp4 has an even height and width, not {size[0]} x {size[1]};"
            " choose another size, or `frames`",
            path="size",
        )
    if key_every < 1:
        raise ConfigError(f"a key frame every {key_every} frames", path="key_every")
    with open_video(path, fps=fps, size=size, threads=threads) as video:
        if target.exists() and target.samefile(path):
            raise ConfigError(f"the copy of {path} would replace it; give another place")
        if kind == "mp4":
            _write_mp4(target, video, key_every=key_every, threads=threads)
        else:
            write_frames(
                target,
                _batches(video),
                count=video.count,
                size=video.size,
                fps=video.fps,
                duration_s=video.duration_s,
                source=path,
            )


def _batches(video: Frames) -> Iterator[UInt8[np.ndarray, "_ H W 3"]]:
    """All frames in order, as many at a time as memory is granted."""
    height, width = video.size
    step = max(1, _BATCH_BYTES // (height * width * 3))
    for start in range(0, video.count, step):
        yield video.read(np.arange(start, min(start + step, video.count)))


def _write_mp4(target: Path, video: Frames, *, key_every: int, threads: int) -> None:
    """Write H.264 at a constant rate, in which every frame refers to earlier ones only."""
    reformatter = VideoReformatter()
    rate = Fraction(video.fps).limit_denominator(100_000)
    options = {
        **_QUALITY,
        "bf": "0",
        "g": str(key_every),
        "keyint_min": str(key_every),
        "sc_threshold": "0",  # no key frames at changes of scene
    }
    # The table of frames at the front, as players over a network want it.
    layout = {"movflags": "+faststart"}
    with written_whole(target) as temporary:
        try:
            with av.open(str(temporary), "w", format="mp4", options=layout) as container:
                stream = container.add_stream("libx264", rate=rate, options=options)
                stream.height, stream.width = video.size
                stream.pix_fmt = "yuv420p"
                stream.codec_context.thread_count = threads
                for number, pixels in enumerate(chain.from_iterable(_batches(video))):
                    picture = VideoFrame.from_ndarray(pixels, format="rgb24")
                    frame = reformatter.reformat(picture, format="yuv420p", threads=1)
                    frame.pts, frame.time_base = number, 1 / rate
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
        except av.FFmpegError as error:
            raise MediaError(f"the copy cannot be written: {error}", file=target) from error
