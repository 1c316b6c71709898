"""Two linear maps with a GELU between them, without the memory that these ask for.

What is between the maps is four times as wide as what comes and goes.  It is made, and undone in
the backward pass, some cells at a time: so it stays in the cache, and of it only what goes into
the GELU is kept for the backward pass, and nothing at inference.

Shapes: N cells, C channels, H hidden channels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from untrimmed.nn.ops.precision import lowered
from untrimmed.nn.ops.prepared import prepared
from untrimmed.nn.ops.products import arranged, times
from untrimmed.nn.ops.runs import Rows, joined

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

    def forward(
        self, x: Float[Tensor, "*cells C"], *, rows: Rows | None = None
    ) -> Float[Tensor, "*cells C"]:
        """Apply both maps.

        Args:
            rows: of (N, C) that are wanted, see `ops.runs`; None for all.  Others are zero, or
                what the maps give, and no gradient passes there.
        """
        drops = self.training and self.dropout.p > 0
        if drops or x.device.type != "cpu" or torch.compiler.is_compiling():
            y: Tensor = self.dropout(self.narrow(self.dropout(F.gelu(self.widen(x)))))
            return y
        cells = lowered(x).reshape(-1, x.shape[-1])  # (N, C)
        maps = (self.widen.weight, self.widen.bias, self.narrow.weight, self.narrow.bias)
        widen, shift, narrow, end = (prepared(lowered, each) for each in maps)
        if rows is None:
            rows = (slice(0, len(cells)),)
        if torch.is_grad_enabled():
            y = _Mlp.apply(cells, widen, shift, narrow, end, rows)  # type: ignore[no-untyped-call]
        else:
            y = _forward(cells, widen, shift, narrow, end, rows)
        return y.view_as(x)


class _Mlp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, widen: Tensor, shift: Tensor, narrow: Tensor, end: Tensor, rows: Rows
    ) -> Tensor:
        first, second = (arranged(weight, cells=len(x)) for weight in (widen, narrow))
        parts = _parts(rows)
        hidden = [times(x[part], first, shift) for part in parts]
        ctx.save_for_backward(x, widen, narrow, *hidden)
        ctx.parts = parts
        results = (times(F.gelu(wide), second, end) for wide in hidden)
        return joined(results, parts, out=torch.empty_like(x))

    @staticmethod
    @once_differentiable  # a second derivative would be wrong in silence
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, widen, narrow, *hidden = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_widen, of_narrow = torch.zeros_like(widen), torch.zeros_like(narrow)
        of_shift, of_end = (widen.new_zeros(len(w), dtype=torch.float32) for w in (widen, narrow))
        of_x = []
        for part, wide in zip(ctx.parts, hidden, strict=True):
            of_narrow.addmm_(gradient[part].t(), F.gelu(wide))
            back = torch.ops.aten.gelu_backward(times(gradient[part], narrow.t()), wide)
            of_widen.addmm_(back.t(), x[part])
            of_shift += back.sum(0)
            of_end += gradient[part].sum(0)
            of_x.append(times(back, widen.t()))
        sums = (of_widen, of_shift.to(widen.dtype), of_narrow, of_end.to(widen.dtype))
        return joined(of_x, ctx.parts, out=torch.empty_like(x)), *sums, None


def _forward(
    x: Float[Tensor, "N C"],
    widen: Float[Tensor, "H C"],
    shift: Float[Tensor, " H"],
    narrow: Float[Tensor, "C H"],
    end: Float[Tensor, " C"],
    rows: Rows,
) -> Float[Tensor, "N C"]:
    """Both maps, where no gradient is wanted."""
    widen, narrow = (arranged(weight, cells=len(x)) for weight in (widen, narrow))
    parts = _parts(rows)
    hidden = (times(x[part], widen, shift, gelu=True) for part in parts)
    return joined((times(wide, narrow, end) for wide in hidden), parts, out=torch.empty_like(x))


def _parts(rows: Rows) -> list[slice]:
    """The rows, some at a time."""
    return [
        slice(first, min(first + _CELLS, each.stop))
        for each in rows
        for first in range(each.start, each.stop, _CELLS)
    ]
