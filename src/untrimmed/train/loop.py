"""The training loop: a generator of steps.

The caller prints, validates, saves and stops; there are no callbacks.  One device, one process;
what is done to a model from outside (averaging, distribution) stays outside.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from untrimmed.data.augment import Augment, augment
from untrimmed.data.collate import Batch
from untrimmed.data.dataset import Failed
from untrimmed.nn.detector import Detector
from untrimmed.sources.bank import FeatureBank
from untrimmed.tensors import Clips, Losses
from untrimmed.train.memory import mean_age, no_memory, recall, remember


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step did.

    number: of the step, from 1.
    losses: by name, weighted; their sum is the total.
    lr: of the parameters outside of the encoder.
    gradient_norm: before clipping.
    clips: encoded with a gradient.
    seconds: from batch to updated weights, without loading.
    waited_s: seconds for the batch to come.
    age: mean number of steps since the remembered cells were written; None without memory.
    failed: videos that could not be read for this step.
    """

    number: int
    losses: dict[str, float]
    lr: float
    gradient_norm: float
    clips: int
    seconds: float
    waited_s: float
    age: float | None
    failed: tuple[Failed, ...] = ()

    @property
    def loss(self) -> float:
        """The total."""
        return sum(self.losses.values())


def fit(
    detector: Detector,
    batches: Iterable[Batch],
    *,
    optimizer: Optimizer,
    factor: Callable[[int], float],
    bank: FeatureBank | None,
    augmentation: Augment,
    generator: torch.Generator,
    first_step: int = 0,
    clip_norm: float | None = None,
    head_only_steps: int = 0,
    bf16: bool = False,
    device: torch.device,
) -> Iterator[Step]:
    """Train on every batch, once, giving a step after each.

    Args:
        detector: in training mode, on `device`; its encoder's features go back into the bank.
        factor: learning rate of a step (from 0) as a share of the optimizer's own.
        bank: the long memory; None trains with fresh clips alone.
        generator: of the augmentation, on the CPU.
        first_step: steps already done, in a resumed run.
        clip_norm: largest norm of the gradient; None leaves it as it is.
        head_only_steps: for so many steps from 0 the encoder is not trained; nor are clips
            encoded if there is a bank, which then holds all that is needed.
        bf16: compute in bfloat16 where autocast deems it safe; weights stay float32.

    Raises:
        FloatingPointError: if the loss is not finite; nothing has been updated then.
    """
    base_lr = [group["lr"] for group in optimizer.param_groups]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    asked = time.perf_counter()
    for number, batch in enumerate(batches, start=first_step):
        began = time.perf_counter()
        if not batch.windows:
            yield _skipped(number, batch, began - asked)
            asked = time.perf_counter()
            continue
        for group, lr in zip(optimizer.param_groups, base_lr, strict=True):
            group["lr"] = lr * factor(number)
        head_only = number < head_only_steps and bank is not None
        losses, fresh = _losses(
            detector,
            batch,
            bank=bank,
            augmentation=augmentation,
            generator=generator,
            head_only=head_only,
            bf16=bf16,
            device=device,
        )
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise FloatingPointError(_not_finite(losses, batch, number))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        norm = nn.utils.clip_grad_norm_(parameters, clip_norm or math.inf, foreach=True)
        optimizer.step()
        age = None
        if bank is not None:
            age = mean_age(bank, batch.windows, step=number)
            if fresh is not None:
                remember(bank, batch.windows, batch.place, fresh, step=number)
        yield Step(
            number=number + 1,
            losses={name: float(value.detach()) for name, value in losses.items()},
            lr=optimizer.param_groups[-1]["lr"],
            gradient_norm=float(norm),
            clips=0 if head_only else batch.place.numel(),
            seconds=time.perf_counter() - began,
            waited_s=began - asked,
            age=age,
            failed=batch.failed,
        )
        asked = time.perf_counter()


def _losses(
    detector: Detector,
    batch: Batch,
    *,
    bank: FeatureBank | None,
    augmentation: Augment,
    generator: torch.Generator,
    head_only: bool,
    bf16: bool,
    device: torch.device,
) -> tuple[Losses, Tensor | None]:
    """Losses of a batch, and the features of its fresh clips if any were encoded."""
    assert detector.encoder is not None
    if bank is None:
        memory = no_memory(batch.windows, channels=detector.encoder.channels, device=device)
    else:
        memory = recall(bank, batch.windows, device=device)
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        if head_only:
            output = detector(memory)
        else:
            frames = augment(
                batch.frames.to(device, non_blocking=True), config=augmentation, generator=generator
            )
            output = detector(Clips(frames, batch.place.to(device), memory))
    targets = [type(wanted)(*(part.to(device) for part in wanted)) for wanted in batch.targets]
    return detector.head.loss(output.raw, targets), output.fresh


def _skipped(number: int, batch: Batch, waited_s: float) -> Step:
    """A step in which no video could be read."""
    return Step(
        number=number + 1,
        losses={},
        lr=0.0,
        gradient_norm=0.0,
        clips=0,
        seconds=0.0,
        waited_s=waited_s,
        age=None,
        failed=batch.failed,
    )


def _not_finite(losses: Losses, batch: Batch, number: int) -> str:
    parts = ", ".join(f"{name} {float(value):.3g}" for name, value in losses.items())
    videos = ", ".join(window.video for window in batch.windows)
    return (
        f"step {number + 1}: the loss is not finite ({parts}) on {videos};"
        " try a lower train.optimizer.lr, or train.clip_norm"
    )
