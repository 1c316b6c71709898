"""The most memory that the training step of a recipe takes, and what for.

The step is that of `train.loop` and `train.clips` at the recipe's own settings: its windows, clips,
augmentation, precision, optimizer and averaged weights.  Followed is a step after the first, in
which every change of the pictures that may happen does.  What is not on the device that trains is
not counted: frames before their clip is encoded, and a long memory on the disk.  Neither is a long
memory on the device (`data.memory.where: device`), for its size is that of the data.

Frames, features and weights are random, or have no numbers at all; no file of the recipe is read.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.footprint import on_meta
from benchmarks.gpu import Cases, Row
from untrimmed.data.augment import Augment
from untrimmed.data.collate import Batch
from untrimmed.data.sampling import clips_to_encode
from untrimmed.data.windows import WindowShape, window_at
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import VideoData
from untrimmed.recipes.recipe import Recipe, read_recipe
from untrimmed.runs.networks import build_detector, window_shape
from untrimmed.runs.video_data import video_settings
from untrimmed.sources.bank import FeatureBank
from untrimmed.tensors import Targets
from untrimmed.train.clips import ClipLessons
from untrimmed.train.ema import Averaged
from untrimmed.train.optimizer import optimizer_for

MIB = 2**20
VIDEO = "black"
COLUMNS = ["what", "clips", "mib", "weights", "averaged", "optimizer", "gradients", "rest"]
COLUMNS += ["seconds", "result"]


class Peak(NamedTuple):
    """Bytes that a step takes at once at most, and those of what stays between steps.

    clips: that are encoded in a step.
    weights: parameters and buffers; `averaged`, those of the average.
    optimizer: what it remembers of every parameter.
    gradients: of all parameters; they are there at the end of a step.
    """

    clips: int
    whole: int
    weights: int
    averaged: int
    optimizer: int
    gradients: int

    @property
    def rest(self) -> int:
        """What the forward and the backward pass take beside what stays, at least."""
        return self.whole - self.weights - self.averaged - self.optimizer - self.gradients


def cases(
    names: Sequence[str], settings: Sequence[str], *, classes: int, device: torch.device
) -> Cases:
    """Every recipe, a file or a preset, with the same changes of its settings."""
    for name in names:
        recipe = read_recipe(name, settings=settings)
        yield {"what": Path(name).stem}, partial(_row, recipe, classes, device)


def peak_of(recipe: Recipe, *, classes: int, device: torch.device) -> Peak:
    """Train for two steps, and follow the second.

    Args:
        classes: of the annotations.
        device: a GPU, or meta, where nothing is computed.

    Raises:
        ConfigError: if the recipe is of features, or its settings do not fit one another.
    """
    data = video_settings(recipe)
    with torch.device(device):
        detector = build_detector(recipe, classes=classes).train()
    training = _Training(recipe, data, detector.to(device), device)
    count = clips_to_encode(training.shape.clips, keep=data.memory.keep if data.memory else 1.0)
    if device.type == "cuda":
        training.step(windows=1, clips=min(count, 1))
        torch.cuda.reset_peak_memory_stats(device)
        training.step(windows=recipe.train.batch, clips=count)
        whole = torch.cuda.max_memory_allocated(device)
    else:
        with on_meta(bf16=recipe.train.bf16, fused=True) as footprint:
            footprint.hold(training.staying())
            training.step(windows=1, clips=min(count, 1))
            footprint.reset()
            training.step(windows=recipe.train.batch, clips=count)
            whole = footprint.most
    return training.peak(whole, clips=recipe.train.batch * count)


def _row(recipe: Recipe, classes: int, device: torch.device) -> Row:
    began = time.perf_counter()
    peak = peak_of(recipe, classes=classes, device=device)
    found = {**peak._asdict(), "mib": peak.whole, "rest": peak.rest}
    mib = {name: round(found[name] / MIB) for name in COLUMNS[2:8]}
    seconds = time.perf_counter() - began
    return {"clips": peak.clips, **mib, "seconds": seconds, "result": "ok"}


class _Training:
    """A detector of random weights, and all that it is trained with."""

    def __init__(
        self, recipe: Recipe, data: VideoData, detector: Detector, device: torch.device
    ) -> None:
        assert detector.encoder is not None
        self.recipe = recipe
        self.data = data
        self.detector = detector
        self.shape = window_shape(data, stride=detector.encoder.stride)
        train = recipe.train
        self.optimizer = optimizer_for(detector, train.optimizer)
        self.averaged = None
        if train.ema is not None:
            self.averaged = Averaged(detector, decay=train.ema, warm_up=train.ema_warm_up)
        self.lesson = ClipLessons(
            detector=detector,
            bank=_bank(data, detector, self.shape),
            augmentation=_at_most(data.augment),
            generator=torch.Generator(),
            bf16=train.bf16 and device.type == "cuda",
            device=device,
        )

    def staying(self) -> list[Tensor]:
        """Weights, and their average if there is one."""
        return [
            *_weights(self.detector),
            *(_weights(self.averaged.module) if self.averaged else ()),
        ]

    def step(self, *, windows: int, clips: int) -> None:
        """As `train.loop` has it, but nothing is read back, for there may be no numbers."""
        learnt = self.lesson(self._batch(windows, clips), 0)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(learnt.losses.values())).sum())
        self.optimizer.step()
        if self.averaged is not None:
            self.averaged.update(self.detector)

    def peak(self, whole: int, *, clips: int) -> Peak:
        states = self.optimizer.state.values()
        return Peak(
            clips=clips,
            whole=whole,
            weights=_bytes(_weights(self.detector)),
            averaged=_bytes(_weights(self.averaged.module)) if self.averaged else 0,
            optimizer=_bytes(each for state in states for each in state.values()),
            gradients=_bytes(weight.grad for weight in self.detector.parameters()),
        )

    def _batch(self, windows: int, clips: int) -> Batch:
        """As it comes from the loader, but black; the first clips are encoded."""
        shape = self.shape
        window = window_at(VIDEO, 0, video_frames=shape.frames, fps=1.0, shape=shape)
        frames = torch.zeros(windows, clips, 3, shape.clip_frames, *self.data.size).byte()
        segments = shape.cells * torch.tensor([[0.1, 0.15], [0.3, 0.4], [0.5, 0.9]])
        targets = Targets(segments, torch.zeros(3, dtype=torch.int64))
        place = torch.arange(clips).expand(windows, clips)
        return Batch((window,) * windows, frames, place, (targets,) * windows, ())


def _bank(data: VideoData, detector: Detector, shape: WindowShape) -> FeatureBank | None:
    """A memory of one video; None if the recipe has none."""
    if data.memory is None:
        return None
    assert detector.encoder is not None
    lengths = {VIDEO: shape.cells}
    channels = detector.encoder.channels
    return FeatureBank.create(None, lengths, channels=channels, dtype=data.memory.dtype)


def _at_most(augment: Augment) -> Augment:
    """Every change happens that may."""
    certain: dict[str, Any] = {
        each.name: float(getattr(augment, each.name) > 0)
        for each in fields(augment)
        if each.type == "float" and not each.name.endswith("_by")
    }
    return replace(augment, **certain)


def _weights(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _bytes(values: Iterable[object]) -> int:
    return sum(value.nbytes for value in values if isinstance(value, Tensor))
