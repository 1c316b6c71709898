"""Where cells stand that count, so that no work need be done for padding.

Shapes: B videos, T cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

_NEAR = 64
"""Fewer cells that do not count, between others that do, are taken along: to work in smaller parts
would take as long."""


class Run(NamedTuple):
    """Cells `first` to `stop`, which is not one of them, of a video."""

    video: int
    first: int
    stop: int


Rows = tuple[slice, ...]
"""Of the cells of all videos one behind the other; in order, and apart."""


def runs_of(valid: Bool[Tensor, "B T"]) -> tuple[Run, ...]:
    """The parts of the videos that hold all valid cells; some between that are not are in them.

    In order, and apart.
    """
    change = F.pad(valid, (1, 1)).diff(dim=1)  # (B, T + 1)
    ends = change.nonzero().view(-1, 2, 2)  # of each part, its start and stop
    runs: list[Run] = []
    for (video, first), (_, stop) in ends.tolist():
        if runs and runs[-1].video == video and first - runs[-1].stop < _NEAR:
            first = runs.pop().first
        runs.append(Run(video, first, stop))
    return tuple(runs)


def rows_of(valid: Bool[Tensor, "B T"]) -> Rows | None:
    """The same where all videos stand one behind the other, or None for all rows.

    That is also where a device would have to be waited for, and where a network is compiled.
    """
    if valid.device.type != "cpu" or torch.compiler.is_compiling() or bool(valid.all()):
        return None
    T = valid.shape[1]
    rows: list[slice] = []
    for video, first, stop in runs_of(valid):
        start = video * T + first
        if rows and start - rows[-1].stop < _NEAR:
            start = rows.pop().start
        rows.append(slice(start, video * T + stop))
    return tuple(rows)


def joined(
    parts: Iterable[Float[Tensor, "_ D"]], rows: Sequence[slice], *, out: Float[Tensor, "N D"]
) -> Float[Tensor, "N D"]:
    """The parts, each in its rows of `out`, and zeros between."""
    done = 0
    for part, row in zip(parts, rows, strict=True):
        out[done : row.start] = 0
        out[row] = part
        done = row.stop
    out[done:] = 0
    return out
