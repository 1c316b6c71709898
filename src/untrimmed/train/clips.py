"""Lessons from clips of videos: encode a few, remember the others, and remember these anew.

The training step of TALLFormer (Cheng & Bertasius, ECCV 2022, sec. 3), as `train.loop` takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from untrimmed.data.augment import Augment, augment
from untrimmed.data.collate import Batch
from untrimmed.nn.detector import Detector, Output
from untrimmed.sources.bank import FeatureBank
from untrimmed.tensors import Clips, moved
from untrimmed.train.loop import Lesson
from untrimmed.train.memory import mean_age, no_memory, recall, remember


@dataclass(frozen=True, kw_only=True)
class ClipLessons:
    """Losses of a detector on batches of clips.

    Args:
        detector: on `device`; its encoder's features go back into the bank.
        bank: the long memory; None trains with fresh clips alone.
        generator: of the augmentation, on the CPU.
        head_only_steps: for so many steps from 0 the encoder is not trained; nor are clips
            encoded if there is a bank, which then holds all that is needed.
        bf16: compute in bfloat16 where autocast deems it safe; weights stay float32.
    """

    detector: Detector
    bank: FeatureBank | None
    augmentation: Augment
    generator: torch.Generator
    head_only_steps: int = 0
    bf16: bool = False
    device: torch.device

    def __call__(self, batch: Batch, number: int) -> Lesson:
        """Losses of a batch in step `number`, from 0."""
        head_only = number < self.head_only_steps and self.bank is not None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
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
        frames = augment(
            batch.frames.to(device, non_blocking=True),
            config=self.augmentation,
            generator=self.generator,
        )
        return cast(Output, self.detector(Clips(frames, batch.place.to(device), memory)))

    def _remembered(self, batch: Batch, fresh: Tensor | None, number: int) -> float | None:
        """Put fresh features into the bank; how old the batch's were on average before."""
        if self.bank is None:
            return None
        age = mean_age(self.bank, batch.windows, step=number)
        if fresh is not None:
            remember(self.bank, batch.windows, batch.place, fresh, step=number)
        return age
