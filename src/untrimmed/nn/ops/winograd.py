"""Convolution over three cells with half the multiplications, on a CPU.

Several neighbouring outputs are computed together from sums of the inputs that they share
(Winograd, 1980; Lavin & Gray, CVPR 2016, sec. 4.1).  Most of the time of a network of wide
convolutions is multiplications, so this makes it faster by nearly as much as it saves.  It is
neither for GPUs, whose libraries know it, nor for few channels, where the sums cost more than
they save.

Shapes: B videos, T cells, C channels in and D out; tiles of m outputs, that are computed from
p = m + 2 inputs with as many multiplications (`ops.winograd_forms`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from untrimmed.nn.ops.clearing import clear_
from untrimmed.nn.ops.prepared import prepared
from untrimmed.nn.ops.products import packed, times
from untrimmed.nn.ops.runs import Run, runs_of
from untrimmed.nn.ops.winograd_forms import FORMS, Form, Transform

_CELLS = 2304
"""Cells at a time, or half as many more: so few that they stay in the cache, so many that a product
of matrices pays.  Of more than 1024 channels half as many."""


def suits(x: Float[Tensor, "B T C"], weight: Float[Tensor, "D C k"]) -> bool:
    """Whether `convolve` does this, and faster than a plain convolution."""
    D, C, kernel = weight.shape
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and kernel == 3
        and min(C, D) >= 128
        and not torch.compiler.is_compiling()
    )


def convolve(
    x: Float[Tensor, "B T C"],
    weight: Float[Tensor, "D C 3"],
    bias: Float[Tensor, " D"] | None,
    *,
    kept: Bool[Tensor, "B T"] | None = None,
) -> Float[Tensor, "B T D"]:
    """What `conv1d` with a padding of 1 gives, to within rounding, with channels last.

    In float32 the error is five to seven times that of a plain convolution, 5e-7 in the norm.
    In bfloat16, whose own rounding would grow as much, only a third of the multiplications is
    saved, for twice the error.

    Args:
        kept: where the result is wanted; it is zero elsewhere, no gradient passes there, and
            large parts are not computed.
    """
    kept = torch.ones(x.shape[:2], dtype=torch.bool) if kept is None else kept
    y: Tensor = _Convolution.apply(x, weight, bias, kept)  # type: ignore[no-untyped-call]
    return y


class _Convolution(torch.autograd.Function):
    """The backward pass is a convolution as well, and a sum of products over the same tiles."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, kept: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, kept)
        return clear_(_convolved(x, weight, bias, runs_of(kept)), kept=kept)

    @staticmethod
    @once_differentiable  # a second derivative would be wrong in silence
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, kept = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        if kept.all():
            gradient = gradient.contiguous()
        else:
            gradient = clear_(gradient.clone(memory_format=torch.contiguous_format), kept=kept)
        runs = runs_of(kept)
        back = weight.flip(2).transpose(0, 1)
        return (
            _convolved(gradient, back, None, _widened(runs, gradient)).to(x.dtype)
            if of_x
            else None,
            _weight_gradient(x, gradient, runs, dtype=weight.dtype) if of_weight else None,
            gradient.sum((0, 1), dtype=weight.dtype) if of_bias else None,
            None,
        )


def _widened(runs: Sequence[Run], x: Float[Tensor, "B T _"]) -> tuple[Run, ...]:
    """With the cells that see the first and the last."""
    T = x.shape[1]
    return tuple(Run(video, max(0, first - 1), min(T, stop + 1)) for video, first, stop in runs)


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None, runs: Sequence[Run]) -> Tensor:
    """In the runs, and zero in most other cells: in all where the input is zero."""
    form = FORMS[x.dtype]
    D, C, _ = weight.shape
    B, T, _ = x.shape
    weights = prepared(_packed_weights, weight, x.dtype)
    biases: list[Tensor | None] = [None] * form.points
    if bias is not None:
        biases[1] = bias.to(x.dtype)  # of the one product that enters every output once
    whole = sum(stop - first for _, first, stop in runs) == B * T
    y = x.new_empty(B, T, D) if whole else x.new_zeros(B, T, D)
    blocks = _blocks(runs, C, form=form)
    inputs = _room(x, C, blocks, form=form)
    for video, first, stop in blocks:
        spread = inputs[:, : -(-(stop - first) // form.outputs)]
        _transform(form.spread, x[video], first, spread, form=form, around=1)
        products = [times(*each) for each in zip(spread, weights, biases, strict=True)]
        form.gather(products, y[video, first:stop])
    return y


def _weight_gradient(
    x: Tensor, gradient: Tensor, runs: Sequence[Run], *, dtype: torch.dtype
) -> Tensor:
    form = FORMS[x.dtype]
    C, D = x.shape[2], gradient.shape[2]
    total = torch.zeros(form.points, D, C, dtype=dtype)
    blocks = _blocks(runs, C, form=form)
    inputs, outputs = (_room(x, each, blocks, form=form) for each in (C, D))
    for video, first, stop in blocks:
        tiles = -(-(stop - first) // form.outputs)
        spread, gathered = inputs[:, :tiles], outputs[:, :tiles]
        _transform(form.spread, x[video], first, spread, form=form, around=1)
        _transform(form.scatter, gradient[video], first, gathered, form=form, around=0)
        if x.dtype == dtype:
            torch.baddbmm(total, gathered.transpose(1, 2), spread, out=total)
        else:
            total += torch.bmm(gathered.transpose(1, 2), spread)
    taps = torch.tensor(form.weights, dtype=dtype).T @ total.flatten(1)  # (3, DC)
    return taps.view(3, D, C).permute(1, 2, 0)


def _blocks(runs: Sequence[Run], C: int, *, form: Form) -> list[Run]:
    """What is computed at a time, as near to `_CELLS` as equal parts of a run can be."""
    most = _CELLS if C <= 1024 else _CELLS // 2
    blocks = []
    for video, first, stop in runs:
        parts = max(round((stop - first) / most), 1)
        cells = form.outputs * -(-(stop - first) // (parts * form.outputs))
        starts = range(first, stop, cells)
        blocks += [Run(video, start, min(stop, start + cells)) for start in starts]
    return blocks


def _room(
    like: Tensor, channels: int, blocks: Sequence[Run], *, form: Form
) -> Float[Tensor, "p tiles C"]:
    """Memory for the tiles of any block."""
    cells = max((stop - first for _, first, stop in blocks), default=0)
    return like.new_empty(form.points, -(-cells // form.outputs), channels)


def _transform(
    change: Transform,
    x: Float[Tensor, "T C"],
    first: int,
    out: Float[Tensor, "p tiles C"],
    *,
    form: Form,
    around: int,
) -> None:
    """Change the tiles from cell `first` on, each with so many cells around it.

    Only tiles that reach over an end of the video are copied, to have zeros there.
    """
    m, T, tiles = form.outputs, x.shape[0], out.shape[1]
    begin = 1 if first < around else 0
    end = max(begin, min(tiles, (T - around - first) // m))
    for start, stop in ((0, begin), (begin, end), (end, tiles)):
        if start < stop:
            cells = _cells(x, first + m * start - around, m * (stop - start) + 2 * around)
            change(cells, out[:, start:stop])


def _cells(x: Float[Tensor, "T C"], first: int, count: int) -> Float[Tensor, "count C"]:
    """Cells of a video from `first` on, zeros before its start and behind its end."""
    T = x.shape[0]
    before, after = max(0, -first), max(0, first + count - T)
    inside = x[first + before : first + count - after]
    if inside.stride(1) != 1:
        # First copied as it lies, as turning a part of something larger takes twice as long.
        inside = inside.t().contiguous().t().contiguous()
    return F.pad(inside, (0, 0, before, after)) if before or after else inside


def _packed_weights(weight: Float[Tensor, "D C 3"], dtype: torch.dtype) -> list[Tensor]:
    return [packed(each) for each in _spread_weight(weight, dtype)]


def _spread_weight(weight: Float[Tensor, "D C 3"], dtype: torch.dtype) -> Float[Tensor, "p D C"]:
    """For inputs of that type, and of it."""
    D, C, _ = weight.shape
    taps = weight.permute(2, 0, 1).reshape(3, D * C)
    spread = torch.tensor(FORMS[dtype].weights, dtype=weight.dtype) @ taps
    return spread.view(-1, D, C).to(dtype)
