"""Parts one after another: from a sequence of features to a pyramid.

A part takes a sequence or a pyramid and gives a sequence or a pyramid.  It says how many
channels it gives and how coarse its results are; the chain adds these up.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import nn

from untrimmed.tensors import Padded, Pyramid


@runtime_checkable
class Part(Protocol):
    """What a chain is made of.

    channels: C, of every result.
    strides: of its results, in cells of what it takes: one number for each level that it makes
        of a sequence, one alone if it treats all that comes alike.
    """

    channels: int
    strides: tuple[int, ...]

    def __call__(self, x: Any) -> Any: ...


class Chain(nn.Module):
    """Parts one after another, a `Temporal` as a whole; a last sequence is the only level."""

    def __init__(self, *parts: Part) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)  # type: ignore[arg-type]  # parts are modules too
        self.channels = parts[-1].channels
        self.strides: tuple[int, ...] = (1,)
        for part in parts:
            self.strides = tuple(a * b for a in self.strides for b in part.strides)

    def forward(self, features: Padded) -> Pyramid:
        x: Any = features
        for part in self.parts:
            x = part(x)
        levels = (x,) if isinstance(x, Padded) else x.levels
        return Pyramid(levels, self.strides)
