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
    """Parts one after another, a `Temporal` as a whole; a last sequence is the only level.

    Args:
        whole: how many parts have seen the sequence that represents the window as a whole, 0 for
            the one that comes in; None if no head asks for it.
    """

    def __init__(self, *parts: Part, whole: int | None = None) -> None:
        super().__init__()
        self.whole = whole
        self.parts = nn.ModuleList(parts)  # type: ignore[arg-type]  # parts are modules too
        self.channels = parts[-1].channels
        self.strides: tuple[int, ...] = (1,)
        for part in parts:
            self.strides = tuple(a * b for a in self.strides for b in part.strides)

    def forward(self, features: Padded) -> Pyramid:
        x: Any = features
        passed = [features]
        for part in self.parts:
            x = part(x)
            passed.append(x)
        levels = (x,) if isinstance(x, Padded) else x.levels
        return Pyramid(levels, self.strides, None if self.whole is None else passed[self.whole])
