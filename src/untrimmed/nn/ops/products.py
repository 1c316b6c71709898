"""Products of cells with the weights of a linear map, by the faster of PyTorch's libraries.

On a CPU PyTorch leaves products of float32 to MKL.  oneDNN, which it has as well, needs a tenth
less time for them, and a further twentieth less, in bfloat16 too, if the weight is packed before
(measured on an AMD Zen 4, not on other processors with AVX-512; those without use MKL).

Shapes: N cells, C channels in and D out.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from untrimmed.nn.ops.precision import lowered
from untrimmed.nn.ops.prepared import prepared
from untrimmed.nn.ops.runs import Rows, joined

_MANY = 1024
"""Cells for which packing a weight pays."""

_WORTHWHILE = 7 / 8
"""Of all cells: if more are wanted, all are worked on, as the parts would have to be copied."""


def linear(
    x: Float[Tensor, "*cells C"],
    weight: Float[Tensor, "D C"],
    bias: Float[Tensor, " D"] | None,
    *,
    rows: Rows | None = None,
) -> Float[Tensor, "*cells D"]:
    """What `F.linear` gives, under autocast too.

    Args:
        rows: of (N, C) that are wanted; None for all.  What others are means nothing, and no
            gradient may come from there.
    """
    cells = lowered(x).reshape(-1, x.shape[-1])  # (N, C)
    if not _suits(cells):
        return F.linear(x, weight, bias)
    if rows is None or sum(row.stop - row.start for row in rows) > _WORTHWHILE * len(cells):
        rows = (slice(0, len(cells)),)
    weight = prepared(lowered, weight)
    bias = None if bias is None else prepared(lowered, bias)
    if torch.is_grad_enabled():
        y: Tensor = _Linear.apply(cells, weight, bias, rows)  # type: ignore[no-untyped-call]
    else:
        y = _mapped(cells, arranged(weight, cells=len(cells)), bias, rows)
    return y.view(*x.shape[:-1], len(weight))


def times(
    x: Float[Tensor, "N C"],
    weight: Tensor,
    bias: Float[Tensor, " D"] | None = None,
    *,
    gelu: bool = False,
    onto: Float[Tensor, "N D"] | None = None,
) -> Float[Tensor, "N D"]:
    """x weight' + bias, rectified smoothly or added to `onto` if wanted; no gradient.

    Args:
        weight: (D, C), or what `arranged` made of it; of the dtype of `x`.
        onto: not together with `gelu`; if it is of another dtype, so is the result.
    """
    by_onednn = weight.is_mkldnn or _suits(x)
    if onto is not None and onto.dtype != x.dtype:
        return onto + times(x, weight, bias)
    if onto is not None and by_onednn:
        sums: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, onto, weight, bias, "add")
        return sums
    if by_onednn:
        kind, form = ("gelu", "none") if gelu else ("none", "")
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, kind, [], form)
        return y
    # In place: new memory is dear to get, a tenth of the time of Video Swin without AVX-512.
    y = F.linear(x, weight, bias)
    if gelu:
        torch.ops.aten.gelu_(y)
    return y if onto is None else y.add_(onto)


def through(
    layer: Any,
    x: Float[Tensor, "N C"],
    *,
    gelu: bool = False,
    onto: Float[Tensor, "N D"] | None = None,
) -> Float[Tensor, "N D"]:
    """What a linear layer gives for some of many cells, see `times`; no gradient."""
    weight = prepared(packed, prepared(lowered, layer.weight))
    bias = None if layer.bias is None else prepared(lowered, layer.bias)
    return times(lowered(x), weight, bias, gelu=gelu, onto=onto)


def arranged(weight: Float[Tensor, "D C"], *, cells: int) -> Tensor:
    """The weight as `times`, and nothing else, likes it for so many cells in all."""
    return prepared(packed, weight) if cells >= _MANY else weight


def packed(weight: Float[Tensor, "D C"]) -> Tensor:
    """A copy that only `times` can read; the weight itself where that is of no use."""
    if not _suits(weight):
        return weight
    copy: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _MANY)
    return copy


def _suits(x: Float[Tensor, "N C"]) -> bool:
    # The functions have a leading underscore, but they are what PyTorch's own compiler calls.
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.numel() > 0
        and not torch.compiler.is_compiling()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn._linear_pointwise, "binary")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, rows: Rows) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.rows = rows
        return _mapped(x, arranged(weight, cells=len(x)), bias, rows)

    @staticmethod
    @once_differentiable  # a second derivative would be wrong in silence
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x = _mapped(gradient, weight.t(), None, ctx.rows) if ctx.needs_input_grad[0] else None
        of_weight = torch.zeros_like(weight)
        for row in ctx.rows:
            of_weight.addmm_(gradient[row].t(), x[row])
        return of_x, of_weight, gradient.sum(0) if ctx.needs_input_grad[2] else None, None


def _mapped(x: Tensor, weight: Tensor, bias: Tensor | None, rows: Rows) -> Float[Tensor, "N D"]:
    """`times` for these rows, and zero elsewhere."""
    if rows == (slice(0, len(x)),):
        return times(x, weight, bias)
    parts = (times(x[row], weight, bias) for row in rows)
    return joined(parts, rows, out=x.new_empty(len(x), weight.shape[0]))
