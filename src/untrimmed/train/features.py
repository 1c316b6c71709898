"""Lessons from features that were made beforehand, as `train.loop` takes them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from untrimmed.data.feature_dataset import FeatureBatch
from untrimmed.nn.detector import Detector
from untrimmed.nn.ops.precision import autocast
from untrimmed.tensors import moved
from untrimmed.train.loop import Lesson


@dataclass(frozen=True, kw_only=True)
class FeatureLessons:
    """Losses of a detector on batches of features.

    Args:
        detector: on `device`; its encoder, if it has one, is not used.
        bf16: compute in bfloat16, see `nn.ops.precision`; weights stay float32.
    """

    detector: Detector
    bf16: bool = False
    device: torch.device

    def __call__(self, batch: FeatureBatch) -> Lesson:
        """Losses of a batch."""
        features = moved(batch.features, self.device)
        with autocast(self.device, bf16=self.bf16):
            output = self.detector(features)
        targets = [moved(wanted, self.device) for wanted in batch.targets]
        losses = self.detector.head.loss(output.raw, targets)
        return Lesson(losses, clips=0, remember=lambda: None)
