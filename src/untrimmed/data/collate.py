"""Samples side by side.

Shapes: B windows, M clips to encode, L frames of a clip, H W pixels.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from untrimmed.data.dataset import Failed, Sample
from untrimmed.data.windows import Window
from untrimmed.tensors import Targets


class Batch(NamedTuple):
    """What one training step takes.

    failed: videos that could not be read; they have no row here.
    """

    windows: tuple[Window, ...]
    frames: UInt8[Tensor, "B M 3 L H W"]
    place: Int64[Tensor, "B M"]
    targets: tuple[Targets, ...]
    failed: tuple[Failed, ...]

    @property
    def videos(self) -> tuple[str, ...]:
        """Ids, one for each row."""
        return tuple(window.video for window in self.windows)


def collate(samples: Sequence[Sample | Failed]) -> Batch:
    """Samples of equal shape as one batch; without any readable one it has no row."""
    read = [sample for sample in samples if isinstance(sample, Sample)]
    failed = tuple(sample for sample in samples if isinstance(sample, Failed))
    if not read:
        nothing = torch.zeros(0, 0, 3, 0, 0, 0, dtype=torch.uint8)
        return Batch((), nothing, torch.zeros(0, 0, dtype=torch.int64), (), failed)
    return Batch(
        tuple(sample.window for sample in read),
        torch.stack([sample.frames for sample in read]),
        torch.stack([sample.place for sample in read]),
        tuple(sample.targets for sample in read),
        failed,
    )


S = TypeVar("S")
B = TypeVar("B")


def batches(
    dataset: Dataset[S],
    keys: Sequence[list[tuple[int, int]]],
    *,
    collate: Callable[[Sequence[S]], B],
    workers: int,
) -> Iterator[B]:
    """Batches by their keys, read in `workers` processes, or in this one with 0.

    Args:
        dataset: gives a sample by its key.
        collate: makes a batch of samples; with workers it must be fit to be sent to them.
    """
    loader: DataLoader[S] = DataLoader(
        dataset,
        batch_sampler=keys,
        collate_fn=collate,
        num_workers=workers,
        # A source of its own: the loader would draw from the global one, and a resumed run would
        # then see other dropout than one that never stopped.
        generator=torch.Generator(),
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_ignore_signals,
    )
    yield from loader


def _ignore_signals(number: int) -> None:  # noqa: ARG001
    """Let a process that reads go on at ctrl C and SIGTERM, which go to whole groups of processes.

    One that died of it would fail the step that is to be the last; the run that started it ends it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
