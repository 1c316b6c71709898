"""Lessons from clips of videos: encode a few, remember the others, and remember these anew.

The training step of TALLFormer (Cheng & Bertasius, ECCV 2022, sec. 3), as `train.loop` takes it.

Shapes: B windows, M clips of each that are encoded now, L frames of a clip, H W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Int64, Num
from torch import Tensor, nn

from untrimmed.data.augment import Augment, changed, draw, margins
from untrimmed.data.collate import Batch
from untrimmed.nn.detector import Detector, Output, Pixels
from untrimmed.nn.ops.precision import autocast
from untrimmed.nn.protocols import Repeatable
from untrimmed.tensors import Clips, moved
from untrimmed.train.distributed import ALONE, Processes
from untrimmed.train.loop import Lesson
from untrimmed.train.memory import Bank, known_ages, no_memory, recall, remember


@dataclass(frozen=True, kw_only=True)
class ClipLessons:
    """Losses of a detector on batches of clips.

    Args:
        detector: on `device`; its encoder's features go back into the bank.
        bank: the long memory; None trains with fresh clips alone.
        generator: of the augmentation and of what the encoder leaves out, on the CPU.
        head_only_steps: for so many steps from 0 no clip is encoded and the encoder is not
            trained: the bank holds all that is needed.  So it is, too, with batches without clips.
            Without a bank these are steps like any other.
        bf16: compute in bfloat16, see `nn.ops.precision`; weights stay float32.
        processes: that train together, each on windows of its own; all remember the same.
    """

    detector: Detector
    bank: Bank | None
    augmentation: Augment
    generator: torch.Generator
    head_only_steps: int = 0
    bf16: bool = False
    device: torch.device
    processes: Processes = ALONE

    def __call__(self, batch: Batch, number: int) -> Lesson:
        """Losses of a batch in step `number`, from 0."""
        resting = number < self.head_only_steps or not batch.place.numel()
        head_only = resting and self.bank is not None
        with autocast(self.device, bf16=self.bf16):
            output = self._output(batch, head_only=head_only)
        targets = [moved(wanted, self.device) for wanted in batch.targets]
        return Lesson(
            losses=self.detector.head.loss(output.raw, targets),
            clips=0 if head_only else batch.place.numel(),
            remember=lambda: self._remembered(batch, output.fresh, number),
        )

    def _output(self, batch: Batch, *, head_only: bool) -> Output:
        assert self.detector.encoder is not None
        device = self.device
        if self.bank is None:
            channels = self.detector.encoder.channels
            memory = no_memory(batch.windows, channels=channels, device=device)
        else:
            memory = recall(self.bank, batch.windows, device=device)
        if head_only:
            return cast(Output, self.detector(memory))
        frames = _pinned(batch.frames, device)
        clips = Clips(frames, batch.place.to(device), memory, _shift(batch, device))
        return cast(
            Output, self.detector(clips, pixels=self._pixels(frames), keep=self._keep(batch))
        )

    def _pixels(self, frames: Num[Tensor, "B M 3 L H W"]) -> Pixels:
        """Augmented clips, brought to the device and changed when the encoder comes to them.

        So they take room on the device for a call of the encoder only.
        """
        config = self.augmentation
        B, M = frames.shape[:2]
        drawn = draw(
            self.processes.count * B,
            margins=margins(frames, config=config),
            config=config,
            generator=self.generator,
        )
        by_clip = drawn.at(self._own(B)).at(torch.arange(B).repeat_interleave(M))

        def pixels(clips: Tensor, some: slice) -> Tensor:
            here = clips.to(self.device, non_blocking=True)
            return changed(here, by_clip.at(some), config=config)

        return pixels

    def _keep(self, batch: Batch) -> Tensor | None:
        """Which clips keep each branch of the encoder, if it leaves any out."""
        encoder = self.detector.encoder
        if not isinstance(encoder, Repeatable) or not cast(nn.Module, encoder).training:
            return None
        N = batch.place.numel()
        drawn = encoder.draw_keep(self.processes.count * N, self.generator)
        return drawn[:, self._own(N)].to(self.device)

    def _own(self, count: int) -> slice:
        """This process's part of what is drawn for all, so that more of them change nothing."""
        first = self.processes.number * count
        return slice(first, first + count)

    def _remembered(self, batch: Batch, fresh: Tensor | None, number: int) -> float | None:
        """Put fresh features of all processes into the bank; how old their batches were before."""
        if self.bank is None:
            return None
        if fresh is not None and self.processes.count > 1:
            fresh = fresh.float().cpu()  # on its way to the other processes
        ages = known_ages(self.bank, batch.windows, step=number)
        parts = self.processes.gathered((ages, batch.windows, batch.place, fresh))
        for _, windows, place, features in parts:
            if features is not None:
                remember(self.bank, windows, place, features, step=number)
        joined = np.concatenate([part[0] for part in parts])
        return float(joined.mean()) if joined.size else 0.0


def _shift(batch: Batch, device: torch.device) -> Int64[Tensor, " B"] | None:
    """By how many cells the clips of each window begin before it; None if none does."""
    shifts = [window.clips.shift for window in batch.windows]
    return torch.tensor(shifts, device=device) if any(shifts) else None


def _pinned(frames: Tensor, device: torch.device) -> Tensor:
    """Frames of which parts can be copied to a GPU while it works."""
    if device.type == "cuda" and frames.device.type == "cpu":
        return frames.pin_memory()
    return frames
