"""What TALLFormer costs on the GPU at hand, and whether it computes there what a CPU does.

    python benchmarks/gpu.py --out gpu.json
    python benchmarks/gpu.py --quick --device cpu     # the same at tiny sizes, to try this file

In this order: agreement with the CPU in float64; peak memory and time of a training step in the
THUMOS14 setting of the paper (Cheng & Bertasius, ECCV 2022); inference; on demand a whole run.
Frames, features and weights are random: nothing is learnt or scored before the last part.  A
measurement that fails does not stop the others, but the exit status is then 1; to run out of memory
is a result.  TF32 is off.  The file is written anew after every part.

Shapes: B videos, M clips encoded now, K cells of a clip, T cells of a window.
"""

from __future__ import annotations

import argparse
import gc
import json
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import product, repeat
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from untrimmed.core.files import written_whole
from untrimmed.data.augment import Augment
from untrimmed.data.collate import Batch
from untrimmed.data.sampling import choose_clips
from untrimmed.data.windows import WindowShape, window_at
from untrimmed.models import tallformer
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.heads import anchor
from untrimmed.nn.ops.nms import nms, non_maximum_weighting, soft_nms
from untrimmed.tensors import Clips, Padded, Targets
from untrimmed.train.loop import fit
from untrimmed.train.optimizer import OptimizerConfig, optimizer_for

CLASSES = 20
WARM_UP, REPEATS = 2, 5
GIB = 2**30

# To compare with: memory in GiB at each rate r.  The paper's is for float32, half blocks computed
# again and nothing frozen.  Simulated, before anything ran on a GPU, is the most that the tensors
# of a step take at once; context, workspaces and fragmentation come on top.
# Keys: bf16, frozen stages, what is computed again.
RATES = (0.15, 0.4, 1.0)
PAPER_GIB = (12, 29, "OOM at 48")  # table 5a, 4 videos per GPU
DDP_BUCKETS_GIB = 0.44  # simulated too, but not there with one GPU
SIMULATED_GIB = {
    (True, None, "half_block"): (5.8, 14.0, 32.5),
    # The next four with a residual stream in bfloat16; autocast keeps it in float32.
    (True, None, "none"): (15.5, 41.9, 101.0),
    (True, None, "block"): (4.6, 9.9, 21.9),
    (True, 2, "none"): (9.8, 25.2, 60.2),
    (True, 2, "block"): (2.6, 4.6, 9.3),
    (False, None, "half_block"): (7.4, 18.0, 41.6),
}
SIMULATED_AUTHORS_GIB = {  # their code: attention not fused, all frames on the GPU in float32
    (False, None, "none"): (46.0, 133.0, 328.0),
    (False, None, "half_block"): (12.25, 30.83, 72.63),
    (False, 2, "half_block"): (9.66, 23.15, 53.51),
}
SIMULATED_ENCODER_GIB = {  # Swin-B alone, by bf16 and clips per call
    **{(True, 1): 0.64, (True, 4): 1.0, (True, 15): 2.4},
    **{(False, 1): 0.93, (False, 4): 1.6, (False, 15): 4.3},
}
# Estimated for an H200 in bf16, nothing frozen: every kernel as fast as its bytes and operations.
FLOOR_STEP_MS = {"none": (50, 149, 372), "block": (67, 202, 505), "half_block": (67, 202, 505)}
FLOOR_CLIP_MS = {"tiny": 1.02, "small": 1.56, "base": 2.2}

Row = dict[str, Any]


class Case(NamedTuple):
    """A measurement not made yet: what it is called, and what makes it."""

    settings: Row
    measure: Callable[[], Row]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large everything is; the last of the encoders is the one that is trained."""

    encoders: Mapping[str, video_swin.Config]
    model: tallformer.Config
    shape: WindowShape
    pixels: int
    videos: int


PAPER = Scale(
    encoders={size: video_swin.Config(size=size) for size in ("tiny", "small", "base")},
    model=tallformer.Config(),
    shape=WindowShape(fps=15, clip_frames=32, clips=15, stride=2),
    pixels=224,
    videos=4,
)
TOY_ENCODER = video_swin.Config(
    size=None, embed=12, depths=(1, 2, 1), heads=(1, 2, 3), window=(2, 3, 3)
)
TOY = Scale(
    encoders={"toy": TOY_ENCODER},
    model=tallformer.Config(  # nothing is drawn at random in training, and logits are around 0
        head=anchor.Config(width=16, stacked=1, prior=0.5),
        width=32,
        consistency_layers=1,
        consistency_heads=2,
        consistency_drop_path=0.0,
        pyramid_heads=4,
        pyramid_dropout=0.0,
        fpn_width=24,
    ),
    shape=WindowShape(fps=15, clip_frames=8, clips=15, stride=2),
    pixels=32,
    videos=2,
)


class Arithmetic(NamedTuple):
    """Where and how exactly is computed, and how far from float64 that may lead."""

    device: torch.device
    dtype: torch.dtype
    bf16: bool = False
    allowed: float = 0.0
    allowed_gradient: float = 0.0

    def __str__(self) -> str:
        return f"{self.device.type} {'bf16' if self.bf16 else 'fp32'}"


Found = dict[str, list[Tensor]]
"""Results by kind: outputs, losses, gradient."""

CPU = torch.device("cpu")
EXACT = Arithmetic(CPU, torch.float64)


def agreement(device: torch.device) -> Iterator[Case]:
    """Part 1: networks and suppression against float64 on the CPU."""
    devices = [CPU] if device.type == "cpu" else [CPU, device]
    single = [Arithmetic(place, torch.float32, False, 1e-4, 1e-3) for place in devices]
    halved = Arithmetic(device, torch.float32, True, 3e-2, 2e-1)
    swin_tiny = video_swin.Config(size="tiny", drop_path=0)
    networks = {
        "toy encoder, 8x32x32": partial(_encode, TOY_ENCODER, side=32),
        "Swin-T, 8x64x64": partial(_encode, swin_tiny, side=64),
        "TALLFormer, toy encoder": partial(_locate, TOY_ENCODER),
        "TALLFormer, Swin-T": partial(_locate, swin_tiny),
    }
    for (name, compute), how in product(networks.items(), [*single, halved]):
        yield Case({"what": name, "where": str(how)}, partial(_compare, compute, how))
    for suppress, how in product((nms, soft_nms, non_maximum_weighting), single):
        compute = partial(_suppress, suppress)
        yield Case(
            {"what": suppress.__name__, "where": str(how)}, partial(_compare, compute, how)
        )


def _compare(compute: Callable[[Arithmetic], Found], how: Arithmetic) -> Row:
    found, exact = compute(how), compute(EXACT)
    distances = {kind: difference(found[kind], exact[kind]) for kind in exact}
    # Written so that NaN does not pass.
    good = all(
        far <= (how.allowed_gradient if kind == "gradient" else how.allowed)
        for kind, far in distances.items()
    )
    allowed = f"{how.allowed:g}, {how.allowed_gradient:g}"
    return {**distances, "allowed": allowed, "result": "PASS" if good else "FAIL"}


def difference(found: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """Largest |found - exact| / |exact| of all tensors; whole numbers must be equal.

    A tensor whose norm is below a thousandth of the largest counts as if it had that norm, for
    some gradients are nothing but rounding.
    """
    exact = [wanted.detach() for wanted in exact]
    found = [ours.detach().cpu() for ours in found]
    distances = []
    for ours, wanted in zip(found, exact, strict=True):
        if ours.shape != wanted.shape:
            return float("inf")
        if not wanted.is_floating_point():
            distances.append(0.0 if torch.equal(ours, wanted) else float("inf"))
    return max(distances)


def _encode(config: video_swin.Config, how: Arithmetic, *, side: int) -> Found:
    random = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    encoder = config.build().to(how.device, how.dtype).train()
    clips = _pixels(3, 3, 8, side, side, random=random).to(how.device)
    with torch.autocast(how.device.type, torch.bfloat16, enabled=how.bf16):
        features = encoder(clips)
    weights = torch.rand(features.shape, generator=random).to(how.device)
    loss = (weights * features.to(how.dtype).square()).mean()
    return {"outputs": [features], "losses": [loss], "gradient": _gradient(encoder, loss)}
