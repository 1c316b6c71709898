"""What reading a training sample costs: from a video, from its copies, and in the loader.

    python -m benchmarks.frames

A video is drawn in a temporary folder: 3 minutes of 320 x 180 pixels at 30 frames per second, H.264
with a key frame every 250 frames.  Windows are those of THUMOS14: 480 frames at 15 per second, as
15 clips of 32, of which a sample at the sampling rate r = 0.15 has two; pictures are read at 180 x
180 pixels.  Windows are the same in all rows, and lie at random.

`window` is the reading of all frames of the windows, the others are samples: from the video, and
from the two kinds of copies that `untrimmed prepare` makes.  `frames` are those asked for and
`decoded` the pictures that came out of the decoder, per sample, `seconds` the median of a sample,
`share` that of the seconds of `window`.

The second table is of a training loop without a network, which fetches batches of four samples from
two processes, recalls the memory of their windows, and remembers new features of their clips: the
seconds that each of these takes per step, in the median behind the start.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

import av
import numpy as np
import torch
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from untrimmed.core.annotations import Video
from untrimmed.data.collate import batches, collate
from untrimmed.data.dataset import Opener, Sample, TrainingWindows
from untrimmed.data.windows import WindowShape
from untrimmed.sources.bank import FeatureBank
from untrimmed.sources.frames import StoredFrames, open_frames
from untrimmed.sources.media import Media, prepared_copies
from untrimmed.sources.prepare import prepare
from untrimmed.sources.video import VideoFrames, open_video
from untrimmed.train.memory import recall, remember

FPS, SIZE = 15.0, (180, 180)
SHAPE = WindowShape(clip_frames=32, clips=15, stride=2)
KEEP = 0.15
WIDTH, HEIGHT, RATE, KEY_EVERY = 320, 180, 30, 250
CHANNELS, BATCH, WORKERS = 1024, 4, 2
ID = "drawn"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the reading of training samples.")
    parser.add_argument("--seconds", type=int, default=180, help="length of the video")
    parser.add_argument("--samples", type=int, default=9)
    parser.add_argument("--steps", type=int, default=16)
    chosen = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = folder / f"{ID}.mp4"
        write_video(video, seconds=chosen.seconds)
        copies = folder / "raw", folder / "small"
        for copy, kind in zip(copies, ("frames", "mp4"), strict=True):
            copy.mkdir()
            raw, small = prepared_copies(copy, ID)
            target = raw if kind == "frames" else small
            prepare(video, target, fps=FPS, size=SIZE, kind=kind)
        print_samples(video, *copies, seconds=chosen.seconds, samples=chosen.samples)
        for prepared in (None, *reversed(copies)):
            media = Media({ID: video}, fps=FPS, size=SIZE, prepared=prepared)
            print_steps(media, seconds=chosen.seconds, steps=chosen.steps)
    print(f"load {os.getloadavg()[0]:.1f}")


def write_video(path: Path, *, seconds: int) -> None:
    """Discs that move over a picture that itself drifts slowly, with a little noise."""
    with av.open(str(path), "w") as container:
        options = {"g": str(KEY_EVERY), "sc_threshold": "0", "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for pixels in drawn(RATE * seconds):
            container.mux(stream.encode(VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def drawn(count: int) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 160, (HEIGHT // 6, WIDTH // 4, 3), dtype=np.uint8)
    ground = coarse.repeat(6, 0).repeat(8, 1)  # twice as wide as the picture
    noise = random.integers(0, 8, (16, HEIGHT, WIDTH, 1), dtype=np.uint8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    phases = random.uniform(0, 2 * np.pi, (6, 2))
    for number in range(count):
        left = number // 3 % WIDTH
        pixels = ground[:, left : left + WIDTH] + noise[number % len(noise)]
        for disc, (first, second) in enumerate(phases):
            y = HEIGHT * (0.5 + 0.4 * np.sin(first + number / (20 + 3 * disc)))
            x = WIDTH * (0.5 + 0.4 * np.sin(second + number / (35 - 2 * disc)))
            pixels[(rows - y) ** 2 + (columns - x) ** 2 < 144] = 255 - 40 * disc
        yield pixels


class Read(NamedTuple):
    seconds: float
    frames: int
    decoded: int


def print_samples(video: Path, raw: Path, small: Path, *, seconds: int, samples: int) -> None:
    """The ways take turns, one window at a time."""
    source = open_video(video, fps=FPS, size=SIZE)
    copy = open_video(prepared_copies(small, ID)[1], fps=FPS, size=SIZE)
    stored = open_frames(prepared_copies(raw, ID)[0], fps=FPS, size=SIZE)
    ways: dict[str, tuple[VideoFrames | StoredFrames, bool]] = {
        "window": (source, True),
        "video": (source, False),
        "mp4 copy": (copy, False),
        "frames copy": (stored, False),
    }
    reads: dict[str, list[Read]] = {way: [] for way in ways}
    for epoch in range(samples):
        for way, (frames, whole) in ways.items():
            reads[way].append(timed(frames, whole=whole, epoch=epoch, seconds=seconds))
    usual = median(read.seconds for read in reads["window"])
    print(f"\n{'from':12} {'frames':>6} {'decoded':>7} {'seconds':>8} {'share':>6}")
    for way, ones in reads.items():
        passed = median(read.seconds for read in ones)
        asked, decoded = (mean(numbers) for numbers in list(zip(*ones, strict=True))[1:])
        print(f"{way:12} {asked:6.0f} {decoded:7.0f} {passed:8.4f} {passed / usual:6.3f}")


def timed(frames: VideoFrames | StoredFrames, *, whole: bool, epoch: int, seconds: int) -> Read:
    """One window, from an open file of which nothing has been decoded near."""
    windows = training_windows(lambda _: frames, seconds=seconds)
    frames.close()
    began = time.perf_counter()
    if whole:
        window, *_ = windows.drawn(epoch, 0, video_frames=frames.count, fps=frames.fps)
        asked = SHAPE.frames
        frames.read(window.clips.first_frame + np.arange(asked))
    else:
        sample = windows[epoch, 0]
        assert isinstance(sample, Sample)
        asked = sample.frames.shape[0] * sample.frames.shape[2]
    passed = time.perf_counter() - began
    return Read(passed, asked, frames.decoded if isinstance(frames, VideoFrames) else 0)


def training_windows(opener: Opener, *, seconds: int) -> TrainingWindows:
    videos = [Video(id=ID, duration_s=float(seconds))] * BATCH
    return TrainingWindows(videos, opener, shape=SHAPE, keep=KEEP)


def print_steps(media: Media, *, seconds: int, steps: int) -> None:
    cells = SHAPE.cells_of(media(ID).count)
    bank = FeatureBank.create(None, {ID: cells}, channels=CHANNELS, dtype="float16")
    K = SHAPE.cells // SHAPE.clips
    keys = [[(step, index) for index in range(BATCH)] for step in range(steps)]
    loader = batches(
        training_windows(media, seconds=seconds), keys, collate=collate, workers=WORKERS
    )
    parts: list[tuple[float, ...]] = []
    clock = [time.perf_counter()]
    for number, batch in enumerate(loader):
        clock.append(time.perf_counter())
        recall(bank, batch.windows, device=torch.device("cpu"))
        clock.append(time.perf_counter())
        fresh = torch.randn(*batch.place.shape, CHANNELS, K)
        clock.append(time.perf_counter())
        remember(bank, batch.windows, batch.place, fresh, step=number)
        clock.append(time.perf_counter())
        parts.append(tuple(np.diff(clock)[[0, 1, 3]]))
        clock = [time.perf_counter()]
    waited, recalled, remembered = (median(part) for part in zip(*parts[2:], strict=True))
    kind = "video" if media.prepared is None else media.prepared.name
    print(
        f"{kind:12} loader {waited:.4f}  recall {recalled:.4f}  remember {remembered:.4f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
