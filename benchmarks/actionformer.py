"""What ActionFormer costs on the CPU, beside the authors' code.

    python -m benchmarks.actionformer --reference DIR
    python -m benchmarks.actionformer --lengths 12500 25000 50000 100000

DIR is a checkout of actionformer_release; nothing in it need be built, as suppression is not timed
here (`benchmarks/suppression.py`).  The network is that of THUMOS14: 2048 channels in, 512 inside,
six levels, 20 classes; ours has the weights of theirs, which are random.

`training` is a whole step on a batch of two windows of 2304 cells, one of them padded: losses,
gradients, clipping, AdamW, averaged weights.  `inference` is from the features of a video of 13824
cells to its candidates.  Theirs computes in float32; ours in that and in bf16.

Each system is a process of its own.  They take turns, one repeat at a time, in falling and rising
order by turns, so that a busy machine is busy for all.  Printed are medians: of the seconds that
passed, and that the processors spent; `faster` is the median of their seconds over ours in the same
round; `peak` is the most memory that the process had at once.  `candidates` and the sum of their
scores are those of inference, and must agree; of training it is the loss of the first step.

With `--lengths`, inference of ours on videos of so many cells, each in a process of its own;
`growth` is the exponent of the length, from the row above to this one.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from benchmarks.turns import Run, Worker, serve, take_turns
from untrimmed.data.feature_dataset import FeatureBatch
from untrimmed.models import actionformer
from untrimmed.nn.detector import Detector
from untrimmed.tensors import Padded, Targets, pad
from untrimmed.train.ema import Averaged
from untrimmed.train.features import FeatureLessons
from untrimmed.train.loop import fit
from untrimmed.train.optimizer import OptimizerConfig, optimizer_for

CELLS, CHANNELS, CLASSES = 2304, 2048, 20
TRAINED = (2304, 2100)  # cells of the videos of a batch
LONG = 13824
ACTIONS = 15  # of a video
SYSTEMS = ("authors", "ours", "ours bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time ActionFormer on the CPU.")
    parser.add_argument("--reference", type=Path, default=None, help="checkout of the authors'")
    parser.add_argument("--tasks", nargs="+", default=["training", "inference"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lengths", type=int, nargs="+", default=[], help="cells of videos")
    parser.add_argument("--worker", nargs=2, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, default=None, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker is not None:
        work(*chosen.worker, weights=chosen.weights, checkout=chosen.reference)
        return
    print(f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}", flush=True)
    if chosen.lengths:
        print_lengths(chosen.lengths, rounds=chosen.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        for task in chosen.tasks:
            compare(task, chosen.reference, Path(folder) / "weights.pt", rounds=chosen.rounds)


def compare(task: str, checkout: Path | None, weights: Path, *, rounds: int) -> None:
    """Time all systems in turns and print a row of each."""
    systems = SYSTEMS if checkout is not None else SYSTEMS[1:]
    workers = [started(system, task, weights, checkout) for system in systems]
    take_turns(workers, rounds=rounds)
    print(f"\n{task:10} {'passed s':>9} {'spent s':>8} {'faster':>6} {'peak MiB':>8}  result")
    for worker in workers:
        peak = worker.end()
        faster = worker.times_faster(workers[0])
        print(
            f"{worker.name:10} {median(worker.passed):9.3f} {median(worker.spent):8.3f}"
            f" {faster:6.2f} {peak:8.0f}  {worker.result}",
            flush=True,
        )
    print(f"load {os.getloadavg()[0]:.1f}")


def print_lengths(lengths: list[int], *, rounds: int) -> None:
    print(
        f"{'system':10} {'cells':>7} {'passed s':>9} {'spent s':>8} {'growth':>6} {'peak MiB':>8}"
    )
    for system in SYSTEMS[1:]:
        before: tuple[int, float] | None = None
        for length in lengths:
            worker = started(system, str(length), None, None)
            for _ in range(rounds):
                worker.once()
            peak, spent = worker.end(), median(worker.spent)
            growth = "" if before is None else f"{exponent(before, (length, spent)):.2f}"
            print(
                f"{system:10} {length:7} {median(worker.passed):9.3f} {spent:8.3f} {growth:>6}"
                f" {peak:8.0f}",
                flush=True,
            )
            before = length, spent


def exponent(before: tuple[int, float], after: tuple[int, float]) -> float:
    return math.log(after[1] / before[1]) / math.log(after[0] / before[0])


def started(system: str, task: str, weights: Path | None, checkout: Path | None) -> Worker:
    """A process that does a task over and over."""
    arguments = ["-m", "benchmarks.actionformer", "--worker", system, task]
    for name, path in (("--weights", weights), ("--reference", checkout)):
        arguments += [] if path is None else [name, str(path)]
    return Worker.start(system, arguments)


def work(system: str, task: str, *, weights: Path | None, checkout: Path | None) -> None:
    """What a worker does."""
    torch.manual_seed(0)
    if system == "authors":
        assert checkout is not None
        assert weights is not None
        run = theirs(task, checkout, weights)
    else:
        run = ours(task, weights, bf16=system.endswith("bf16"))
    serve(run)


def features(cells: int, seed: int) -> Tensor:
    return torch.randn(CHANNELS, cells, generator=torch.Generator().manual_seed(seed))


def actions(cells: int, seed: int) -> Targets:
    """Lengths spread evenly on a logarithmic scale from 2 to 128 cells."""
    generator = torch.Generator().manual_seed(seed)
    start = (cells - 128) * torch.rand(ACTIONS, generator=generator)
    length = 2 * 64 ** torch.rand(ACTIONS, generator=generator)
    labels = torch.randint(CLASSES, (ACTIONS,), generator=generator)
    return Targets(torch.stack([start, start + length], 1), labels)


def ours(task: str, weights: Path | None, *, bf16: bool) -> Run:
    model = actionformer.Config().build(CLASSES, cells=CELLS, channels=[CHANNELS])
    if weights is not None and weights.exists():
        state = actionformer.rename(torch.load(weights))
        missing, unknown = model.load_state_dict(state, strict=False)
        assert missing == ["head.positives"], missing  # not among theirs
        assert not unknown, unknown
    if task == "training":
        steps = our_steps(model, bf16=bf16)
        return lambda: next(steps)
    long = features(LONG if task == "inference" else int(task), 0)[None]
    model.eval()

    @torch.inference_mode()
    def run() -> str:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            raw = model(Padded.whole(long)).raw
        scores = model.head.candidates(raw).scores
        return f"{int((scores > 0).sum())} candidates, {float(scores.double().sum()):.3f}"

    return run


def our_steps(model: Detector, *, bf16: bool) -> Iterator[str]:
    """Steps of the library's own loop."""
    model.train()
    optimizer = optimizer_for(model, OptimizerConfig(lr=1e-4))
    averaged = Averaged(model, decay=0.999, warm_up=False)
    batch = FeatureBatch(
        videos=("a", "b"),
        features=pad([features(cells, i) for i, cells in enumerate(TRAINED)], length=CELLS),
        targets=tuple(actions(cells, i) for i, cells in enumerate(TRAINED)),
        failed=(),
    )
    lesson = FeatureLessons(detector=model, bf16=bf16, device=torch.device("cpu"))
    for step in fit(
        repeat(batch),
        lesson=lambda batch, _: lesson(batch),
        optimizer=optimizer,
        factor=lambda _: 1.0,
        clip_norm=1.0,
    ):
        averaged.update(model)
        yield f"loss {step.loss:.4f}"


def theirs(task: str, checkout: Path, weights: Path) -> Run:
    """The authors' network; its weights are written to `weights`."""
    sys.path.insert(0, str(checkout))
    # Of suppression and scoring alone; they must not stay, as PyTorch looks for pandas too.
    absent = [name for name in ("nms_1d_cpu", "pandas", "joblib") if not find_spec(name)]
    sys.modules.update({name: mock.MagicMock() for name in absent})
    core, utils, modeling = (
        importlib.import_module(f"libs.{name}") for name in ("core", "utils", "modeling")
    )
    for name in absent:
        del sys.modules[name]
    config = core.load_config(str(checkout / "configs" / "thumos_i3d.yaml"))
    config["test_cfg"]["nms_method"] = "none"
    model = modeling.make_meta_arch(config["model_name"], **config["model"])
    torch.save(model.state_dict(), weights)
    if task == "training":
        return their_step(model, config, utils)
    video = {
        "video_id": "a",
        "feats": features(LONG, 0),
        "fps": 30.0,
        "duration": 1e8,
        "feat_stride": 4,
        "feat_num_frames": 16,
    }
    model.eval()

    @torch.no_grad()
    def run() -> str:
        (found,) = model([video])
        return f"{len(found['scores'])} candidates, {float(found['scores'].double().sum()):.3f}"

    return run


def their_step(model: Any, config: dict[str, Any], utils: Any) -> Run:
    """A step as in the authors' loop over an epoch."""
    videos = []
    for i, cells in enumerate(TRAINED):
        segments, labels = actions(cells, i)
        videos.append({"feats": features(cells, i), "segments": segments, "labels": labels})
    optimizer = utils.make_optimizer(model, config["opt"])
    averaged = utils.ModelEma(model)
    model.train()

    def run() -> str:
        optimizer.zero_grad(set_to_none=True)
        losses = model(videos)
        losses["final_loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config["train_cfg"]["clip_grad_l2norm"])
        optimizer.step()
        averaged.update(model)
        return f"loss {losses['final_loss'].item():.4f}"

    return run


if __name__ == "__main__":
    main()
