"""How long suppression takes on the CPU, and how that grows.

    OMP_NUM_THREADS=1 python benchmarks/suppression.py
    OMP_NUM_THREADS=1 python benchmarks/suppression.py --reference DIR

With a checkout of actionformer_release in which `python setup.py build_ext --inplace` was run in
`libs/utils`, its compiled soft suppression is timed on the same candidates in the same process.

Candidates are random: lengths spread evenly on a logarithmic scale from 2 to 180 cells of a video
of 2304, scores mostly low, each candidate of one class.  So they come from a detector of 20 classes
on THUMOS14, 2000 of each class at most; 1 class is suppression regardless of class.  `kept` is
how many are asked for; as many as there are, if it says all.  Both times are the least of the
repeats: what passed, and what the processor spent, which a busy machine lengthens less; its load
stands beside them.  `growth` is the exponent of the number of candidates in the processor's time,
from the row above to this one.

ActionFormer's compiled soft suppression of 20 classes takes 1.8 ms at 2,000 candidates, 21 ms at
12,000 and 172 ms at 40,000; regardless of class and with a vote, 13 ms at 2,000 and 190 ms at
12,000 (2-core Xeon, a quiet machine).
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from untrimmed.nn.ops.nms import Kept, nms, non_maximum_weighting, soft_nms, vote

CELLS = 2304
THRESHOLD = 1e-3


def with_vote(segments: Tensor, scores: Tensor, *, threshold: float, limit: int | None) -> Kept:
    kept = soft_nms(segments, scores, min_score=THRESHOLD, threshold=threshold, limit=limit)
    return vote(kept, segments, scores, iou=0.9, threshold=threshold)


WAYS: dict[str, Callable[..., Kept]] = {
    "soft-NMS gaussian": partial(soft_nms, min_score=THRESHOLD),
    "soft-NMS linear": partial(soft_nms, method="linear", min_score=THRESHOLD),
    "soft-NMS and vote": with_vote,
    "NMS": partial(nms, iou=0.5),
    "NMW": partial(non_maximum_weighting, iou=0.5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time suppression on the CPU.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 12_000, 40_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=int, default=200, help="how many are kept")
    parser.add_argument("--reference", type=Path, default=None, help="checkout of actionformer")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    ways: dict[str, Callable[..., object]] = dict(WAYS)
    if chosen.reference is not None:
        ways = {
            "soft-NMS gaussian": WAYS["soft-NMS gaussian"],
            "compiled reference": reference(chosen.reference),
        }

    print(f"{'method':18} {'classes':>7} {'candidates':>10} {'kept':>5}", end="")
    print(f" {'passed ms':>9} {'spent ms':>9} {'growth':>6} {'load':>5}")
    for name, way in ways.items():
        for classes, limit in ((20, chosen.limit), (20, None), (1, chosen.limit)):
            if way is with_vote and limit is None:
                continue  # every kept one is compared with every candidate; nobody wants that
            before: tuple[int, float] | None = None
            for count in chosen.sizes:
                passed, spent = measured(way, count, classes, limit=limit, repeats=chosen.repeats)
                growth = "" if before is None else f"{exponent(before, (count, spent)):.2f}"
                print(
                    f"{name:18} {classes:7} {count:10} {limit or 'all':>5} {passed * 1e3:9.1f}"
                    f" {spent * 1e3:9.1f} {growth:>6} {os.getloadavg()[0]:5.1f}",
                    flush=True,
                )
                before = count, spent


def reference(checkout: Path) -> Callable[..., object]:
    """The authors' gaussian soft suppression, class by class, without a vote."""
    folder = checkout / "libs" / "utils"
    sys.path.insert(0, str(folder))
    module = importlib.import_module("nms")

    def run(segments: Tensor, scores: Tensor, *, threshold: float, limit: int | None) -> object:
        best, labels = scores.max(1)
        most = len(best) if limit is None else limit
        return module.batched_nms(
            segments, best, labels, 0.5, threshold, most, multiclass=True, voting_thresh=0.0
        )

    return run


def measured(
    way: Callable[..., object], count: int, classes: int, *, limit: int | None, repeats: int
) -> tuple[float, float]:
    """Seconds that passed, and that the processor spent."""
    segments, scores = candidates(count, classes)
    times = []
    for _ in range(1 + repeats):
        began, clock = time.perf_counter(), time.process_time()
        way(segments, scores, threshold=THRESHOLD, limit=limit)
        times.append((time.perf_counter() - began, time.process_time() - clock))
    passed, spent = zip(*times[1:], strict=True)
    return min(passed), min(spent)


def candidates(count: int, classes: int) -> tuple[Tensor, Tensor]:
    """Segments (N, 2) and scores (N, K) that are 0 for all classes but one."""
    generator = torch.Generator().manual_seed(0)
    middle = CELLS * torch.rand(count, generator=generator)
    length = 2 * 90 ** torch.rand(count, generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    scores = torch.zeros(count, classes)
    scores[torch.arange(count), labels] = torch.rand(count, generator=generator) ** 3
    return torch.stack([middle - length / 2, middle + length / 2], 1), scores


def exponent(before: tuple[int, float], after: tuple[int, float]) -> float:
    return math.log(after[1] / before[1]) / math.log(after[0] / before[0])


if __name__ == "__main__":
    main()
