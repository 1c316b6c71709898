"""The most memory that a training step takes, against the clip sampling rate, by way of training.

    python -m benchmarks.memory                       # on a GPU if there is one, else simulated
    python -m benchmarks.memory --quick --device meta  # at tiny sizes, to try this file
    python -m benchmarks.memory --recipe tallformer_thumos14 --set train.batch=4 --classes 20

With recipes, files or presets, it is instead that of each as it is (`benchmarks.recipe_memory`), in
MiB, and what for: weights, averaged weights, what the optimizer remembers, gradients, and the rest.

Otherwise the setting is that of table 5a of TALLFormer (Cheng & Bertasius, ECCV 2022): THUMOS14,
Video Swin-B of which nothing is frozen, windows of 480 frames of 224 x 224 pixels, 4 of them per
GPU, clips of 32 frames, SGD.  The ways are

- authors: as they do it, in float32; attention written out, checkpoints around its half blocks, the
  whole windows as numbers on the GPU, and a copy of the gradients for other GPUs;
- block: bfloat16 and fused attention, all clips in one call, checkpoints around blocks;
- constant: the same without these, but one clip per call (`nn.detector`);
- constant_block: with both.

On a GPU it is what PyTorch's allocator has given out at most.  Without one the same step runs on
meta tensors, which have shapes but no numbers, and every storage is followed from its making to its
end: that is the same but for workspaces and fragmentation, which a GPU adds.  Attention is then
that of the memory-efficient CUDA kernel, and autocast that of CUDA, as far as it concerns bytes.

Frames, features and weights are random.  The exit status is 1 if a limit is broken.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import recipe_memory
from benchmarks.footprint import Measured, as_bias, on_meta
from benchmarks.gpu import CLASSES, PAPER, TOY, Cases, Row, Scale, facts, made
from untrimmed.core.files import written_whole
from untrimmed.data.augment import Augment
from untrimmed.data.collate import Batch
from untrimmed.data.sampling import clips_to_encode
from untrimmed.data.windows import window_at
from untrimmed.nn.layers.window_block import Recompute
from untrimmed.tensors import Targets
from untrimmed.train.clips import ClipLessons
from untrimmed.train.optimizer import OptimizerConfig, optimizer_for

GIB = 2**30
RATES = {0.15: 12, 0.3: 22, 0.4: 29, 0.6: 45, 1.0: "OOM at 48"}
"""Of the table, with the gigabytes that the paper gives."""

LIMITS_GIB = {"constant": 4.5, "constant_block": 2.6}
SPREAD_GIB = 0.3
"""By how much the peaks of a constant way may differ between all rates."""

COLUMNS = ["way", "r", "clips", "gib", "paper", "tflop", "seconds", "result"]


class Way(NamedTuple):
    """How a detector is trained.

    recompute: what of a block is made anew in the backward pass.
    clips_at_once: clips in a call of the encoder, all if None.
    as_authors: attention is written out, and what the authors keep on the GPU is there.
    """

    recompute: Recompute
    clips_at_once: int | None
    bf16: bool = True
    as_authors: bool = False


WAYS = {
    "authors": Way("half_block", None, bf16=False, as_authors=True),
    "block": Way("block", None),
    "constant": Way("none", 1),
    "constant_block": Way("block", 1),
}


class Trainer:
    """A detector and its optimizer, trained in one of the ways on random clips.

    Args:
        scale: how large everything is.
        device: a GPU, or meta, where nothing is computed.
    """

    def __init__(self, scale: Scale, way: Way, *, device: torch.device) -> None:
        self.scale = scale
        self.way = way
        self.device = device
        encoder = replace(list(scale.encoders.values())[-1], checkpoint=way.recompute)
        model = replace(scale.model, encoder=encoder, clips_at_once=way.clips_at_once)
        self.detector = model.build(CLASSES, cells=scale.shape.cells).train().to(device)
        config = OptimizerConfig(kind="sgd", lr=1e-4, momentum=0.9)
        self.optimizer = optimizer_for(self.detector, config)
        self.lesson = ClipLessons(
            detector=self.detector,
            bank=None,
            augmentation=Augment(crop=None, photometric=0, rotation=0, flip=0),
            generator=torch.Generator(),
            bf16=way.bf16 and device.type == "cuda",
            device=device,
        )
        self.parked: list[Tensor] = []
        if way.as_authors:
            B, pixels = scale.videos, scale.pixels
            self.parked = [torch.zeros(B, 3, scale.shape.frames, pixels, pixels, device=device)]
            self.parked += [torch.zeros_like(p) for p in self.detector.parameters()]

    def measured(self, rate: float) -> Measured:
        """The footprint of one step at a rate, once momentum is there."""
        with ExitStack() as stack:
            if self.way.as_authors:
                written_out = patch.object(
                    F, "scaled_dot_product_attention", _written_out_attention
                )
                stack.enter_context(written_out)
            if self.device.type == "cuda":
                self.step(rate)
                torch.cuda.reset_peak_memory_stats(self.device)
                self.step(rate)
                return Measured(torch.cuda.max_memory_allocated(self.device), None)
            footprint = stack.enter_context(
                on_meta(bf16=self.way.bf16, fused=not self.way.as_authors)
            )
            footprint.hold([*self.detector.parameters(), *self.detector.buffers(), *self.parked])
            self.step(min(RATES))
            footprint.reset()
            self.step(rate)
            return Measured(footprint.most, footprint.flops)

    def step(self, rate: float) -> None:
        """As `train.loop` has it, but nothing is read back, for there may be no numbers."""
        learnt = self.lesson(_batch(self.scale, rate), 0)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(learnt.losses.values())).sum())
        self.optimizer.step()


def _written_out_attention(
    query: Tensor, key: Tensor, value: Tensor, *, attn_mask: Tensor, **how: Any
) -> Tensor:
    """Attention as the authors have it: a matrix of all pairs, thrice."""
    scale = query.shape[-1] ** -0.5 if how.get("scale") is None else how["scale"]
    logits = (query * scale) @ key.transpose(-2, -1)
    shares = (logits + as_bias(attn_mask, query)).softmax(-1)
    return F.dropout(shares, how.get("dropout_p", 0.0)) @ value


def _batch(scale: Scale, rate: float) -> Batch:
    """As it comes from the loader, but black; the first clips are encoded."""
    shape, B, M = scale.shape, scale.videos, clips_to_encode(scale.shape.clips, keep=rate)
    window = window_at("black", 0, video_frames=shape.frames, fps=15, shape=shape)
    frames = torch.zeros(B, M, 3, shape.clip_frames, scale.pixels, scale.pixels, dtype=torch.uint8)
    segments = shape.cells * torch.tensor([[0.1, 0.15], [0.3, 0.4], [0.5, 0.9]])
    targets = (Targets(segments, torch.tensor([3, 0, 7])),) * B
    return Batch((window,) * B, frames, torch.arange(M).expand(B, M), targets, ())


def cases(scale: Scale, device: torch.device, ways: Sequence[str]) -> Cases:
    """Every way at every rate."""
    for name in ways:
        trainer = Trainer(scale, WAYS[name], device=device)
        for rate, paper in RATES.items():
            settings: Row = {"way": name, "r": rate}
            if scale is PAPER and name == "authors":
                settings["paper"] = paper
            yield settings, partial(_row, trainer, name, rate)


def _row(trainer: Trainer, way: str, rate: float) -> Row:
    began = time.perf_counter()
    found = trainer.measured(rate)
    gib = found.bytes / GIB
    limit = LIMITS_GIB.get(way) if trainer.scale is PAPER else None
    row: Row = {
        "clips": trainer.scale.videos * clips_to_encode(trainer.scale.shape.clips, keep=rate),
        "gib": gib,
        "seconds": time.perf_counter() - began,
        "result": "ok" if limit is None or gib <= limit else "FAIL",
    }
    return row if found.flops is None else {**row, "tflop": found.flops / 1e12}


def spreads(rows: Sequence[Row]) -> Iterator[Row]:
    """How far the peaks of each constant way lie apart."""
    for way in LIMITS_GIB:
        peaks = [row["gib"] for row in rows if row.get("way") == way and "gib" in row]
        if peaks:
            spread = max(peaks) - min(peaks)
            good = spread < SPREAD_GIB
            yield {"way": way, "spread_gib": spread, "result": "ok" if good else "FAIL"}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/memory.json"))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try this file")
    parser.add_argument("--device", choices=("meta", "cuda"), help="default: a GPU if there is one")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=tuple(WAYS))
    parser.add_argument("--recipe", nargs="+", default=[], help="follow these instead")
    parser.add_argument("--set", nargs="+", default=[], help="changes of the recipes' settings")
    parser.add_argument("--classes", type=int, default=20, help="of the recipes' annotations")
    options = parser.parse_args()
    options.device = options.device or ("cuda" if torch.cuda.is_available() else "meta")
    return options


def main() -> int:
    """Make every measurement; 1 if one failed or broke a limit."""
    options = _options()
    device = torch.device(options.device)
    scale = TOY if options.quick else PAPER
    report: Row = facts(device)
    print("\n".join(f"{name}: {value}" for name, value in report.items()))
    if options.recipe:
        found = recipe_memory.cases(
            options.recipe, options.set, classes=options.classes, device=device
        )
        report["rows"] = made(found, recipe_memory.COLUMNS, until=float("inf"))
    else:
        report["rows"] = made(cases(scale, device, options.ways), COLUMNS, until=float("inf"))
    report["spreads"] = list(spreads(report["rows"]))
    for row in report["spreads"]:
        print("{way}: peaks within {spread_gib:.3g} GiB, {result}".format(**row))
    with written_whole(options.out) as path:
        path.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return int(any(row["result"] == "FAIL" for row in report["rows"] + report["spreads"]))


if __name__ == "__main__":
    sys.exit(main())
