"""Form an encoder before it detects: classify every cell of short clips.

A memory bank of an unformed encoder's features is worth little, and a detector cannot form one
through a few clips a step.  The paper starts from weights trained on trimmed clips (sec. 4.2);
this is what a user does whose videos no public weights fit.

Shapes: N clips, L frames of a clip, K cells per clip, C channels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from untrimmed.data.augment import Augment, augment
from untrimmed.data.collate import batches
from untrimmed.data.dataset import Failed
from untrimmed.data.labelled_clips import LabelledClip, LabelledClips
from untrimmed.nn.ops.precision import autocast
from untrimmed.nn.protocols import Encoder
from untrimmed.train.loop import Step, skipped


class ClipBatch(NamedTuple):
    """Clips side by side, with the shares of classes and background in each cell.

    failed: videos that could not be read; they have no row here.
    """

    frames: UInt8[Tensor, "N 3 L H W"]
    shares: Float[Tensor, "N K classes+1"]
    failed: tuple[Failed, ...]


class CellClassifier(nn.Module):
    """An encoder and a linear layer on each of its cells.

    Args:
        encoder: the one to form.
        classes: number of classes; background is one more, the last.
    """

    def __init__(self, encoder: Encoder, *, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.classify = nn.Linear(encoder.channels, classes + 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (N, K, classes + 1) of clips (N, 3, L, H, W)."""
        logits: Tensor = self.classify(self.encoder(frames).transpose(1, 2))
        return logits


def clip_batches(
    clips: LabelledClips, *, steps: int, batch: int, workers: int = 0
) -> Iterator[ClipBatch]:
    """Batches of freshly drawn clips; the same ones for the same seed."""
    keys = [[(step, row) for row in range(batch)] for step in range(steps)]
    return batches(clips, keys, collate=_collate, workers=workers)


def form(
    classifier: CellClassifier,
    batches: Iterator[ClipBatch],
    *,
    optimizer: Optimizer,
    factor: Callable[[int], float],
    augmentation: Augment,
    generator: torch.Generator,
    clip_norm: float = 1.0,
    bf16: bool = False,
    device: torch.device,
) -> Iterator[Step]:
    """Train on every batch, once, giving a step after each; the loss is of cells.

    A step in which nothing could be read is skipped.

    Args:
        classifier: in training mode, on `device`.
        factor: learning rate of a step (from 0) as a share of the optimizer's own.
        generator: of the augmentation, on the CPU.
    """
    base_lr = [group["lr"] for group in optimizer.param_groups]
    asked = time.perf_counter()
    for number, batch in enumerate(batches):
        began = time.perf_counter()
        if not len(batch.frames):
            yield skipped(number, batch.failed, began - asked)
            asked = time.perf_counter()
            continue
        for group, lr in zip(optimizer.param_groups, base_lr, strict=True):
            group["lr"] = lr * factor(number)
        frames = augment(batch.frames[:, None].to(device), config=augmentation, generator=generator)
        with autocast(device, bf16=bf16):
            logits = classifier(frames[:, 0]).float()
        loss = cell_loss(logits, batch.shares.to(device))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(classifier.parameters(), clip_norm)
        optimizer.step()
        yield Step(
            number=number + 1,
            losses={"cells": float(loss.detach())},
            lr=optimizer.param_groups[-1]["lr"],
            gradient_norm=float(norm),
            clips=len(batch.frames),
            seconds=time.perf_counter() - began,
            waited_s=began - asked,
            age=None,
            failed=batch.failed,
        )
        asked = time.perf_counter()


def cell_loss(
    logits: Float[Tensor, "N K classes"], shares: Float[Tensor, "N K classes"]
) -> Float[Tensor, ""]:
    """Cross-entropy to the shares of each cell, mean over cells."""
    return -(shares * F.log_softmax(logits, -1)).sum(-1).mean()


@torch.inference_mode()
def balanced_accuracy(
    classifier: CellClassifier, batches: Iterator[ClipBatch], *, device: torch.device
) -> float:
    """Share of cells whose surest class is one that goes on, mean over classes and background.

    The caller sets the classifier to evaluation.  NaN without any clip that can be read.
    """
    hits: Tensor | None = None
    for batch in batches:
        if not len(batch.frames):
            continue
        chosen = classifier(batch.frames.to(device)).argmax(-1).cpu()  # (N, K)
        truth = batch.shares.argmax(-1)
        right = batch.shares.gather(-1, chosen[..., None])[..., 0] > 0
        counts = torch.zeros(2, batch.shares.shape[-1])
        counts[0].index_add_(0, truth.flatten(), right.flatten().float())
        counts[1].index_add_(0, truth.flatten(), torch.ones(truth.numel()))
        hits = counts if hits is None else hits + counts
    if hits is None:
        return float("nan")
    seen = hits[1] > 0
    return float((hits[0][seen] / hits[1][seen]).mean())


def _collate(items: Sequence[LabelledClip | Failed]) -> ClipBatch:
    clips = [item for item in items if isinstance(item, LabelledClip)]
    failed = tuple(item for item in items if isinstance(item, Failed))
    if not clips:
        nothing = torch.zeros(0, 3, 0, 0, 0, dtype=torch.uint8)
        return ClipBatch(nothing, torch.zeros(0, 0, 1), failed)
    return ClipBatch(
        torch.stack([clip.frames for clip in clips]),
        torch.stack([clip.shares for clip in clips]),
        failed,
    )
