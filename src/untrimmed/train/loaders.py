"""Loader processes that hear no signal: the run that started them ends them, once a step is whole.

Ctrl C at a terminal and SIGTERM of `timeout`, torchrun and schedulers go to whole groups of
processes.  A loader process that died of it would fail the step that is to be the last.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch.utils.data import get_worker_info

S = TypeVar("S")
B = TypeVar("B")


def ignore_signals(number: int = 0) -> None:  # noqa: ARG001
    """Let this process, a loader's of that number, go on whether ctrl C or SIGTERM comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@dataclass(frozen=True)
class Undisturbed(Generic[S, B]):
    """Makes batches as `collate` does; a loader process, once it made one, ignores signals."""

    collate: Callable[[Sequence[S]], B]

    def __call__(self, samples: Sequence[S]) -> B:
        """A batch of some samples."""
        if get_worker_info() is not None:
            ignore_signals()
        return self.collate(samples)
