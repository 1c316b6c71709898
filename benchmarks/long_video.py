"""Detection in videos of ten minutes, an hour and ten hours: memory and time.

    OMP_NUM_THREADS=1 python benchmarks/long_video.py
    OMP_NUM_THREADS=1 python benchmarks/long_video.py --lengths 10 60 600 --rate 25 --kind mkv

Of the file's frames our index keeps a byte or two each, and nothing where they follow evenly; an
mp4 adds FFmpeg's own table, 36 bytes a frame that stay and as many again while it is opened, an
mkv nothing.  Beside it grow the detections found, 32 bytes each, and, within a bound, what
suppression takes for a moment.  Ten hours at 25 frames per second in an mkv took 30 MiB more than
ten minutes, 1.10, in one run; in an mp4 some 90 to 110.  Ten minutes alone took 308 to 333 MiB
from run to run (2 cores, a busy machine).

Draws a minute of 64 x 64 pixels, repeats its packets to the lengths asked for, and runs
`untrimmed detect` on each, in a process of its own, with a small TALLFormer that was never
trained: then nearly every candidate of every class is likely, which is the most that suppression
can be given.  So it says what grows with the video, not how fast a trained detector is.

`peak` is the most memory that the process held, `spent` what the processor spent.  Exit status 1
if the longest takes more than 10 % more memory than the shortest, or if its last part took more
than 1.3 times as long, for each second of video, as the part before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from untrimmed.core.config import load
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.networks import build_detector
from untrimmed.train.state import save_weights

SIZE = 64
DRAWN_S = 60
CLASSES = tuple("abcdef")
MOST_MEMORY, MOST_TIME = 1.10, 1.30

RECIPE = {
    "data": {
        "annotations": "none.json",
        "media": "none",
        "size": [SIZE, SIZE],
        "windows": {"fps": 5, "clip_frames": 8, "clips": 16},
        "augment": {"crop": None},
    },
    "model": {
        "name": "tallformer",
        "encoder": {"name": "conv3d", "channels": [8, 16, 32]},
        "head": {"name": "anchor", "width": 32, "stacked": 1},
        "width": 32,
        "reduce": 1,
        "consistency_layers": 1,
        "consistency_heads": 2,
        "pyramid_heads": 2,
        "pyramid_kernels": [3, 3, 3],
        "fpn_width": 32,
    },
}


@dataclass(frozen=True)
class Measured:
    minutes: float
    peak_mib: float
    spent_s: float
    passed_s: float
    detections: int


def main() -> None:
    parser = argparse.ArgumentParser(description="Detect in ever longer videos.")
    parser.add_argument("--lengths", type=float, nargs="+", default=[10, 60, 600], help="minutes")
    parser.add_argument("--rate", type=int, default=5, help="frames per second of the file")
    parser.add_argument("--kind", default="mp4", choices=["mp4", "mkv", "ts"])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        untrained_run(folder / "run")
        minute = drawn(folder / "minute.mp4", rate=chosen.rate)
        print(f"{'video, min':>10} {'peak, MiB':>9} {'spent, s':>8} {'passed, s':>9} {'found':>7}")
        rows = []
        for minutes in sorted(chosen.lengths):
            video = repeated(minute, folder / f"{minutes:g}.{chosen.kind}", minutes=minutes)
            row = measured(folder, video, minutes)
            print(
                f"{row.minutes:10g} {row.peak_mib:9.1f} {row.spent_s:8.1f} {row.passed_s:9.1f}"
                f" {row.detections:7}",
                flush=True,
            )
            rows.append(row)
            video.unlink()
    sys.exit(judged(rows))


def judged(rows: Sequence[Measured]) -> int:
    """Print how memory and time grow; the exit status."""
    memory = rows[-1].peak_mib / rows[0].peak_mib
    print(f"memory of the longest: {memory:.3f} of the shortest; allowed {MOST_MEMORY}")
    wrong = memory > MOST_MEMORY
    if len(rows) >= 3:
        last, before = (
            (b.spent_s - a.spent_s) / (b.minutes - a.minutes)
            for a, b in ((rows[-2], rows[-1]), (rows[-3], rows[-2]))
        )
        print(
            f"processor time of a further minute: {last:.3f} s, in the part before {before:.3f} s;"
            f" {last / before:.2f}, allowed {MOST_TIME}"
        )
        wrong |= last / before > MOST_TIME
    return int(wrong)


def untrained_run(path: Path) -> None:
    folder = RunFolder(path)
    recipe = load(Recipe, RECIPE)
    folder.start(recipe, CLASSES)
    save_weights(build_detector(recipe, classes=len(CLASSES)), folder.last)


def drawn(path: Path, *, rate: int) -> Path:
    """A minute in which a square wanders, a key frame every two seconds."""
    random = np.random.default_rng(0)
    still = random.integers(0, 160, (SIZE, SIZE, 3)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast"})
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 2 * rate
        for number in range(DRAWN_S * rate):
            pixels = still.copy()
            at = number % (SIZE - 16)
            pixels[at : at + 16, 24:40] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
    return path


def repeated(minute: Path, path: Path, *, minutes: float) -> Path:
    """The packets of a minute again and again, without encoding them anew."""
    with av.open(str(minute)) as source:
        stream = source.streams.video[0]
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        contents = [
            (bytes(packet), packet.pts, packet.dts, packet.is_keyframe) for packet in packets
        ]
        ticks, time_base = packets[0].duration, stream.time_base
        span = ticks * len(packets)
        with av.open(str(path), "w") as target:
            copy = target.add_stream_from_template(stream)
            for turn in range(round(60 * minutes / DRAWN_S)):
                for content, pts, dts, is_key in contents:
                    packet = av.Packet(content)
                    packet.stream = copy
                    packet.time_base = Fraction(time_base or 1)
                    packet.pts, packet.dts = pts + turn * span, dts + turn * span
                    packet.duration = ticks
                    packet.is_keyframe = is_key
                    target.mux(packet)
    return path


def measured(folder: Path, video: Path, minutes: float) -> Measured:
    output = folder / f"found-{minutes:g}"
    command = [sys.executable, "-m", "untrimmed", "detect", str(video)]
    command += ["--run", str(folder / "run"), "-o", str(output)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    passed_s = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"detection in {minutes:g} minutes failed; run: {' '.join(command)}")
    results = json.loads((output / "detections.json").read_text())["results"]
    return Measured(
        minutes,
        usage.ru_maxrss / 2**10,
        usage.ru_utime + usage.ru_stime,
        passed_s,
        sum(map(len, results.values())),
    )


if __name__ == "__main__":
    main()
