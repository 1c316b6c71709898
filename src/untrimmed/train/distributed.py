"""Several processes that train one detector, each on its share of every batch.

`torchrun --nproc-per-node N -m -- untrimmed train RECIPE` starts N of them; `batch` in the recipe
stays that of all together, and so do the losses.  Each process computes its part of the losses
(`nn.ops.processes`), and once per step the gradients are added up, in one sum: with few clips per
call of the encoder they are complete only when the backward pass ends, so there is nothing to
overlap it with.  Weights stay equal, for all begin with the same and take the same steps.

The first process alone writes the run folder and prints.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, distributed

from untrimmed.core.errors import ConfigError

T = TypeVar("T")

PATIENCE = timedelta(days=1)
"""How long the others wait for one, which may be forming an encoder."""


@dataclass(frozen=True)
class Processes:
    """Those that train together, as one of them sees it.

    Args:
        number: of this one, from 0.
        count: of all; the methods do nothing if it is alone.
    """

    number: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.number == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of some items, a row of neighbours.

        Raises:
            ConfigError: if they do not divide evenly.
        """
        each, left = divmod(len(items), self.count)
        if left:
            raise ConfigError(
                f"{len(items)} windows do not divide among {self.count} processes",
                path="train.batch",
            )
        return items[self.number * each : (self.number + 1) * each]

    def gathered(self, value: T) -> list[T]:
        """What every process gives here, in their order; anything that can be pickled.

        All wait for the last, so that it parts what comes before from what comes after.
        """
        if self.count == 1:
            return [value]
        values: list[T | None] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace the gradients of this process's part of a loss by those of the whole loss.

        Those that are None must be so in every process.
        """
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        for dtype in sorted({gradient.dtype for gradient in gradients}, key=str):
            alike = [gradient for gradient in gradients if gradient.dtype == dtype]
            flat = torch.cat([gradient.flatten() for gradient in alike])
            distributed.all_reduce(flat)
            sizes = [gradient.numel() for gradient in alike]
            for gradient, total in zip(alike, torch.split(flat, sizes), strict=True):
                gradient.copy_(total.view_as(gradient))

    def seed_apart(self, *seeds: int) -> None:
        """Let PyTorch draw other numbers here than in the first process, which draws on."""
        if not self.is_first:
            state = np.random.SeedSequence([*seeds, self.number]).generate_state(1, np.uint64)
            torch.manual_seed(int(state[0] >> np.uint64(1)))


ALONE = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that torchrun started, which can talk to each other within the block.

    A process that was started by itself is alone.  Where a process group of PyTorch is there
    already, it is used and stays.  On GPUs, each process of a machine gets one of its own.
    """
    if distributed.is_available() and distributed.is_initialized():
        yield Processes(distributed.get_rank(), distributed.get_world_size())
        return
    if number_here() is None:
        yield ALONE
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def number_here() -> int | None:
    """The number that torchrun gave this process, from 0; None without it."""
    number = os.environ.get("RANK") if distributed.is_available() else None
    return None if number is None or "WORLD_SIZE" not in os.environ else int(number)
