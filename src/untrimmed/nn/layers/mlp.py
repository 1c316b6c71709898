"""Two linear maps with a GELU between them, without the memory that these ask for.

What is between the maps is four times as wide as what comes and goes.  It is made, and undone in
the backward pass, some cells at a time: so it stays in the cache, and of it only what goes into
the GELU is kept for the backward pass, and nothing at inference.

Shapes: N cells, C channels, H hidden channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from untrimmed.nn.ops.precision import lowered
from untrimmed.nn.ops.prepared import prepared

_CELLS = 1024
"""At a time; at 512 channels and a hidden width of 2048, 8 MiB of float32."""


class MLP(nn.Module):
    """C to `hidden` to C channels, values (..., C) to (..., C).

    Args:
        dropout: behind the GELU and behind the whole, in training.
    """

    def __init__(self, channels: int, *, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.widen = nn.Linear(channels, hidden)
        self.narrow = nn.Linear(hidden, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "*cells C"]) -> Float[Tensor, "*cells C"]:
        drops = self.training and self.dropout.p > 0
        if drops or x.device.type != "cpu" or torch.compiler.is_compiling():
            y: Tensor = self.dropout(self.narrow(self.dropout(F.gelu(self.widen(x)))))
            return y
        cells = lowered(x).reshape(-1, x.shape[-1])  # (N, C)
        maps = (self.widen.weight, self.widen.bias, self.narrow.weight, self.narrow.bias)
        widen, shift, narrow, end = (prepared(lowered, each) for each in maps)
        if torch.is_grad_enabled():
            y = _Mlp.apply(cells, widen, shift, narrow, end)  # type: ignore[no-untyped-call]
        else:
            y = _forward(cells, widen, shift, narrow, end)
        return y.view_as(x)


class _Mlp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, widen: Tensor, shift: Tensor, narrow: Tensor, end: Tensor
    ) -> Tensor:
        hidden = x.new_empty(len(x), len(widen))
        ctx.save_for_backward(x, widen, narrow, hidden)
        return _forward(x, widen, shift, narrow, end, hidden=hidden)

    @staticmethod
    @once_differentiable  # a second derivative would be wrong in silence
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        x, widen, narrow, hidden = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_x = torch.empty_like(x)
        sums = (torch.zeros_like(widen), torch.zeros_like(narrow))
        of_widen, of_narrow = sums
        of_shift = widen.new_zeros(len(widen), dtype=torch.float32)
        for part in _parts(len(x)):
            of_narrow.addmm_(gradient[part].t(), F.gelu(hidden[part]))
            back = torch.ops.aten.gelu_backward(gradient[part] @ narrow, hidden[part])
            of_widen.addmm_(back.t(), x[part])
            of_shift += back.sum(0)
            torch.mm(back, widen, out=of_x[part])
        return of_x, of_widen, of_shift.to(widen.dtype), of_narrow, gradient.sum(0)


def _forward(
    x: Float[Tensor, "N C"],
    widen: Float[Tensor, "H C"],
    shift: Float[Tensor, " H"],
    narrow: Float[Tensor, "C H"],
    end: Float[Tensor, " C"],
    *,
    hidden: Float[Tensor, "N H"] | None = None,
) -> Float[Tensor, "N C"]:
    """Both maps; what goes into the GELU is left in `hidden`, if given."""
    y = torch.empty_like(x)
    for part in _parts(len(x)):
        if hidden is None:
            wide = torch.addmm(shift, x[part], widen.t())
        else:
            wide = torch.addmm(shift, x[part], widen.t(), out=hidden[part])
        torch.addmm(end, F.gelu(wide), narrow.t(), out=y[part])
    return y


def _parts(cells: int) -> Iterator[slice]:
    """All cells, some at a time."""
    for first in range(0, cells, _CELLS):
        yield slice(first, min(first + _CELLS, cells))
