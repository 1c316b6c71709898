"""Is the time of a training step in proportion to the clips that it encodes?

    python -m benchmarks.step_time                 # the paper's setting on a GPU, if there is one
    python -m benchmarks.step_time --device cpu     # one window, and Video Swin-T
    python -m benchmarks.step_time --device cpu --quick    # at tiny sizes, to try this file

The setting is that of `benchmarks.memory`, its way `constant`: windows of 480 frames of 224 x 224,
15 clips of which a step encodes some, one per call of the encoder.  Each round takes one step at
every rate.  `apart` is the median, over rounds, of the seconds of a step over those of the step at
r = 1 of the same round, against the share of clips: 0 is exactly in proportion.  What a step does
besides encoding, the same at every rate, makes small rates dearer; the rest is the machine.

The exit status is 1 if a rate is further apart than a tenth.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from statistics import median

import torch

from benchmarks.gpu import PAPER, TOY, Scale, facts
from benchmarks.memory import RATES, WAYS, Trainer
from untrimmed.data.sampling import clips_to_encode

ALLOWED = 0.1
SMALL = PAPER._replace(encoders={"tiny": PAPER.encoders["tiny"]}, videos=1)
"""What a CPU takes a minute for at r = 1."""


def seconds_of(scale: Scale, device: torch.device, *, rounds: int) -> dict[float, list[float]]:
    """Seconds of a step at every rate, in every round, after one step that warms up."""
    trainer = Trainer(scale, WAYS["constant"], device=device)
    trainer.step(min(RATES))
    found: dict[float, list[float]] = {rate: [] for rate in RATES}
    for _ in range(rounds):
        for rate, seconds in found.items():
            seconds.append(_timed(trainer, rate))
    return found


def _timed(trainer: Trainer, rate: float) -> float:
    began = time.perf_counter()
    trainer.step(rate)
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)
    return time.perf_counter() - began


def apart(seconds: list[float], whole: list[float], *, share: float) -> float:
    """How far a step's seconds are from their share of those of the whole, relative to it."""
    pairs = zip(seconds, whole, strict=True)
    return median(one / (share * every) for one, every in pairs) - 1


def main() -> int:
    """Measure, print a table, and say whether the limit held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try this file")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    device = torch.device(given.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    scale = TOY if given.quick else PAPER if device.type == "cuda" else SMALL
    for name, value in facts(device).items():
        print(f"{name}: {value}")
    print(f"load before: {os.getloadavg()[0]:.1f}")
    found = seconds_of(scale, device, rounds=given.rounds)
    print(f"load after: {os.getloadavg()[0]:.1f}\n")
    print("| r | clips of a window | s | as a share of r = 1 | share of clips | apart |")
    print("| --- " * 6 + "|")
    largest = 0.0
    for rate, seconds in found.items():
        clips = clips_to_encode(scale.shape.clips, keep=rate)
        share = clips / scale.shape.clips
        off = apart(seconds, found[1.0], share=share)
        largest = max(largest, abs(off))
        cells = [f"{rate:g}", f"{clips}", f"{median(seconds):.3g}", f"{share * (1 + off):.3f}"]
        print("| " + " | ".join([*cells, f"{share:.3f}", f"{off:+.1%}"]) + " |")
    print(f"\nlargest: {largest:.1%}, allowed: {ALLOWED:.0%}")
    return int(largest > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
