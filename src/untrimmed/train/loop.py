"""The training loop: a generator of steps.

The caller prints, validates, saves and stops; there are no callbacks.  What a batch is, and how it
becomes losses, is not known here (`train.clips`, `train.features`).  One device in each process;
what is done to a model from outside (averaging) stays outside.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from untrimmed.data.dataset import Failed
from untrimmed.tensors import Losses
from untrimmed.train.distributed import ALONE, Processes


class Batch(Protocol):
    """What the loop asks of a batch.

    videos: of its rows, in order; none if no video of the batch could be read.
    failed: videos that could not be read; they have no row.
    """

    @property
    def videos(self) -> tuple[str, ...]: ...

    @property
    def failed(self) -> tuple[Failed, ...]: ...


B = TypeVar("B", bound=Batch)


class Lesson(NamedTuple):
    """What is to be learnt from a batch.

    losses: by name, weighted; with their graph.  With several processes, this one's part of them.
    clips: encoded with a gradient.
    remember: called once the weights have moved; gives the mean number of steps since what was
        remembered for this batch was written, None without memory.
    """

    losses: Losses
    clips: int
    remember: Callable[[], float | None]


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
    batches: Iterable[B],
    *,
    lesson: Callable[[B, int], Lesson],
    optimizer: Optimizer,
    factor: Callable[[int], float],
    first_step: int = 0,
    clip_norm: float | None = None,
    processes: Processes = ALONE,
) -> Iterator[Step]:
    """Train on every batch, once, giving a step after each.

    Args:
        lesson: losses of a batch in a step (from 0), by a detector that is in training mode.
        factor: learning rate of a step (from 0) as a share of the optimizer's own.
        first_step: steps already done, in a resumed run.
        clip_norm: largest norm of the gradient; None leaves it as it is.
        processes: that train together; each has its own share of a batch.  A step in which one of
            them could not read any video is none for the others either.

    Raises:
        FloatingPointError: if the loss is not finite; nothing has been updated then.
    """
    base_lr = [group["lr"] for group in optimizer.param_groups]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    asked = time.perf_counter()
    for number, batch in enumerate(batches, start=first_step):
        began = time.perf_counter()
        read = processes.gathered((batch.videos, batch.failed))
        failed = tuple(each for _, share in read for each in share)
        if not all(videos for videos, _ in read):
            yield skipped(number, failed, began - asked)
            asked = time.perf_counter()
            continue
        for group, lr in zip(optimizer.param_groups, base_lr, strict=True):
            group["lr"] = lr * factor(number)
        learnt = lesson(batch, number)
        part = torch.stack(list(learnt.losses.values()))
        parts = processes.gathered((part.tolist(), learnt.clips))
        losses = dict(zip(learnt.losses, np.sum([some for some, _ in parts], 0), strict=True))
        if not math.isfinite(sum(losses.values())):
            raise FloatingPointError(_not_finite(losses, read, number))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(part.sum())
        processes.add_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, clip_norm or math.inf, foreach=True)
        optimizer.step()
        yield Step(
            number=number + 1,
            losses={name: float(value) for name, value in losses.items()},
            lr=optimizer.param_groups[-1]["lr"],
            gradient_norm=float(norm),
            clips=sum(clips for _, clips in parts),
            age=learnt.remember(),
            seconds=time.perf_counter() - began,
            waited_s=began - asked,
            failed=failed,
        )
        asked = time.perf_counter()


def skipped(number: int, failed: tuple[Failed, ...], waited_s: float) -> Step:
    """A step, `number` of them being done, in which no video could be read: it has no losses."""
    return Step(
        number=number + 1,
        losses={},
        lr=0.0,
        gradient_norm=0.0,
        clips=0,
        seconds=0.0,
        waited_s=waited_s,
        age=None,
        failed=failed,
    )


def _not_finite(
    losses: Mapping[str, float],
    read: Sequence[tuple[tuple[str, ...], tuple[Failed, ...]]],
    number: int,
) -> str:
    parts = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
    videos = ", ".join(video for videos, _ in read for video in videos)
    return (
        f"step {number + 1}: the loss is not finite ({parts}) on {videos};"
        " try a lower train.optimizer.lr, or train.clip_norm"
    )
