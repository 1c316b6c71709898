"""Set some cells of a sequence to zero, in place.

Shapes: B videos, T cells, C channels.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def clear_(
    cells: Float[Tensor, "B T C"], *, kept: Bool[Tensor, "B T"] | Bool[Tensor, " T"]
) -> Float[Tensor, "B T C"]:
    """Zero in all cells but those that are kept; no gradient passes there.

    On a CPU only the cells that are cleared are touched.  They are few, and masked fills that read
    all took 2 % of ActionFormer's inference in bfloat16.
    """
    cleared = ~kept.expand(cells.shape[:2])
    if cells.device.type != "cpu" or torch.compiler.is_compiling():
        return cells.masked_fill_(cleared[..., None], 0)
    return cells.index_put_(cleared.nonzero(as_tuple=True), cells.new_zeros(()))


def rectify_(
    cells: Float[Tensor, "B T C"], *, kept: Bool[Tensor, "B T"] | Bool[Tensor, " T"]
) -> Float[Tensor, "B T C"]:
    """Zero in what is below it, too.

    It is fastest where `cells` are no view of something else, whose gradient would be copied.
    """
    if cells.device.type != "cpu" or torch.compiler.is_compiling():
        return clear_(cells, kept=kept).relu_()
    rectified: Tensor = _Rectified.apply(cells, kept)  # type: ignore[no-untyped-call]
    return rectified


class _Rectified(torch.autograd.Function):
    """Where the result is zero no gradient passes: one step back for two."""

    @staticmethod
    def forward(ctx: Any, cells: Tensor, kept: Tensor) -> Tensor:
        ctx.mark_dirty(cells)
        ctx.save_for_backward(cells)
        return clear_(cells.relu_(), kept=kept)

    @staticmethod
    @once_differentiable  # a second derivative would be wrong in silence
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (cells,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(gradient, cells, 0), None
