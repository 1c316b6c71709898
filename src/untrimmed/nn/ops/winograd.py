"""Convolution over three cells with half the multiplications, on a CPU.

Several neighbouring outputs are computed together from sums of the inputs that they share
(Winograd, 1980; Lavin & Gray, CVPR 2016, sec. 4.1).  Most of the time of a network of wide
convolutions is multiplications, so this makes it faster by nearly as much as it saves.  It is
neither for GPUs, whose libraries know it, nor for few channels, where the sums cost more than
they save.

Shapes: B videos, T cells, C channels in and D out; tiles of m outputs, that are computed from
p = m + 2 inputs with as many multiplications.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from untrimmed.nn.ops.prepared import prepared

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
    x: Float[Tensor, "B T C"], weight: Float[Tensor, "D C 3"], bias: Float[Tensor, " D"] | None
) -> Float[Tensor, "B T D"]:
    """What `conv1d` with a padding of 1 gives, to within rounding, with channels last.

    In float32 the error is five to seven times that of a plain convolution, 5e-7 in the norm.
    In bfloat16, whose own rounding would grow as much, only a third of the multiplications is
    saved, for twice the error.
    """
    y: Tensor = _Convolution.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return y


class _Convolution(torch.autograd.Function):
    """The backward pass is a convolution as well, and a sum of products over the same tiles."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _convolved(x, weight, bias)

    @staticmethod
    @once_differentiable  # a second derivative would be wrong in silence
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        gradient = gradient.contiguous()
        back = weight.flip(2).transpose(0, 1)
        return (
            _convolved(gradient, back, None).to(x.dtype) if of_x else None,
            _weight_gradient(x, gradient, dtype=weight.dtype) if of_weight else None,
            gradient.sum((0, 1), dtype=weight.dtype) if of_bias else None,
        )


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    form = _FORMS[x.dtype]
    D, C, _ = weight.shape
    B, T, _ = x.shape
    spread_weight = prepared(_spread_weight, weight, x.dtype).transpose(1, 2)  # (p, C, D)
    bias = None if bias is None else bias.to(x.dtype)
    y = x.new_empty(B, T, D)
    inputs, products = _room(x, C, D, form=form)
    for video, first, tiles in _blocks(x, form):
        spread, product = inputs[:, :tiles], products[:, :tiles]
        _transform(form.spread, x[video], first, spread, form=form, around=1)
        torch.bmm(spread, spread_weight, out=product)
        if bias is not None:
            product[1].add_(bias)  # the one product that enters every output once
        form.gather(product, y[video, first : first + form.outputs * tiles])
    return y


def _weight_gradient(x: Tensor, gradient: Tensor, *, dtype: torch.dtype) -> Tensor:
    form = _FORMS[x.dtype]
    C, D = x.shape[2], gradient.shape[2]
    total = torch.zeros(form.points, D, C, dtype=dtype)
    inputs, outputs = _room(x, C, D, form=form)
    for video, first, tiles in _blocks(x, form):
        spread, gathered = inputs[:, :tiles], outputs[:, :tiles]
        _transform(form.spread, x[video], first, spread, form=form, around=1)
        _transform(form.scatter, gradient[video], first, gathered, form=form, around=0)
        if x.dtype == dtype:
            torch.baddbmm(total, gathered.transpose(1, 2), spread, out=total)
        else:
            total += torch.bmm(gathered.transpose(1, 2), spread)
    taps = torch.tensor(form.weights, dtype=dtype).T @ total.flatten(1)  # (3, DC)
    return taps.view(3, D, C).permute(1, 2, 0)


def _blocks(x: Tensor, form: _Form) -> Iterator[tuple[int, int, int]]:
    """Video, first cell and number of tiles of what is computed at a time."""
    B, T, _ = x.shape
    cells = form.outputs * _tiles(x, form)
    for video in range(B):
        for first in range(0, T, cells):
            yield video, first, -(-min(cells, T - first) // form.outputs)


def _tiles(x: Float[Tensor, "B T C"], form: _Form) -> int:
    """That are computed at a time, as near to `_CELLS` as equal blocks of the sequence can be."""
    _, T, C = x.shape
    blocks = max(round(T / (_CELLS if C <= 1024 else _CELLS // 2)), 1)
    return -(-T // (blocks * form.outputs))


def _room(x: Float[Tensor, "B T _"], *channels: int, form: _Form) -> list[Tensor]:
    """Memory for a block of tiles, once for each number of channels."""
    tiles = _tiles(x, form)
    return [x.new_empty(form.points, tiles, each) for each in channels]


def _transform(
    change: _Transform,
    x: Float[Tensor, "T C"],
    first: int,
    out: Float[Tensor, "p tiles C"],
    *,
    form: _Form,
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


def _spread_weight(weight: Float[Tensor, "D C 3"], dtype: torch.dtype) -> Float[Tensor, "p D C"]:
    """For inputs of that type, and of it."""
    D, C, _ = weight.shape
    taps = weight.permute(2, 0, 1).reshape(3, D * C)
    spread = torch.tensor(_FORMS[dtype].weights, dtype=weight.dtype) @ taps
    return spread.view(-1, D, C).to(dtype)


_Transform = Callable[[Tensor, Tensor], None]
"""From a tensor to one whose memory is there already."""


class _Form(NamedTuple):
    """A way to save multiplications: outputs y of inputs d by taps g, y = A [(G g) * (B d)].

    outputs: m.
    weights: G, (p, 3).
    spread: B, from cells (m * tiles + 2, C) to (p, tiles, C).
    gather: A, from (p, tiles, D) to cells (at most m * tiles, D); overwrites what is given.
    scatter: the transpose of A, from cells (m * tiles, D) to (p, tiles, D).
    """

    outputs: int
    weights: Sequence[Sequence[float]]
    spread: _Transform
    gather: _Transform
    scatter: _Transform

    @property
    def points(self) -> int:
        return len(self.weights)


def _spread_4(cells: Tensor, out: Tensor) -> None:
    tiles = out.shape[1]
    d0, d1, d2, d3, d4, d5 = (cells[i : i + 4 * tiles - 3 : 4] for i in range(6))
    v0, v1, v2, v3, v4, v5 = out
    torch.sub(d4, d2, alpha=4, out=v2)
    torch.sub(d3, d1, alpha=4, out=v0)
    torch.add(v2, v0, out=v1)
    v2.sub_(v0)
    torch.sub(d4, d2, out=v4)
    torch.sub(d3, d1, out=v0)
    torch.add(v4, v0, alpha=2, out=v3)
    v4.sub_(v0, alpha=2)
    torch.sub(d4, d2, alpha=5, out=v0).add_(d0, alpha=4)
    torch.sub(d5, d3, alpha=5, out=v5).add_(d1, alpha=4)


def _gather_4(given: Tensor, out: Tensor) -> None:
    m0, m1, m2, m3, m4, m5 = given
    tiles = [-(-(out.shape[0] - i) // 4) for i in range(4)]  # the last may be cut off
    even = m1 + m2
    odd = m1.sub_(m2)
    far_even = torch.add(m3, m4, out=m2)
    far_odd = m3.sub_(m4)
    y0, y1, y2, y3 = (out[i::4] for i in range(4))
    n0, n1, n2, n3 = tiles
    torch.add(m0[:n0], even[:n0], out=y0).add_(far_even[:n0])
    torch.add(odd[:n1], far_odd[:n1], alpha=2, out=y1)
    torch.add(even[:n2], far_even[:n2], alpha=4, out=y2)
    torch.add(odd[:n3], far_odd[:n3], alpha=8, out=y3).add_(m5[:n3])


def _scatter_4(given: Tensor, out: Tensor) -> None:
    y0, y1, y2, y3 = (given[i::4] for i in range(4))
    e0, e1, e2, e3, e4, e5 = out
    torch.add(y0, y2, out=e2)
    torch.add(y1, y3, out=e0)
    torch.add(e2, e0, out=e1)
    e2.sub_(e0)
    torch.add(y0, y2, alpha=4, out=e4)
    torch.add(y1, y3, alpha=4, out=e0)
    torch.add(e4, e0, alpha=2, out=e3)
    e4.sub_(e0, alpha=2)
    e0.copy_(y0)
    e5.copy_(y3)


def _spread_2(cells: Tensor, out: Tensor) -> None:
    tiles = out.shape[1]
    d0, d1, d2, d3 = (cells[i : i + 2 * tiles - 1 : 2] for i in range(4))
    v0, v1, v2, v3 = out
    torch.sub(d0, d2, out=v0)
    torch.add(d1, d2, out=v1)
    torch.sub(d2, d1, out=v2)
    torch.sub(d3, d1, out=v3)


def _gather_2(given: Tensor, out: Tensor) -> None:
    m0, m1, m2, m3 = given
    y0, y1 = out[0::2], out[1::2]
    n0, n1 = y0.shape[0], y1.shape[0]
    torch.add(m0[:n0], m1[:n0], out=y0).add_(m2[:n0])
    torch.sub(m1[:n1], m2[:n1], out=y1).add_(m3[:n1])


def _scatter_2(given: Tensor, out: Tensor) -> None:
    y0, y1 = given[0::2], given[1::2]
    e0, e1, e2, e3 = out
    e0.copy_(y0)
    torch.add(y0, y1, out=e1)
    torch.sub(y0, y1, out=e2)
    e3.copy_(y1)


_FORMS = {
    torch.float32: _Form(  # points 0, 1, -1, 2, -2 and infinity
        4,
        (
            (1 / 4, 0, 0),
            (-1 / 6, -1 / 6, -1 / 6),
            (-1 / 6, 1 / 6, -1 / 6),
            (1 / 24, 1 / 12, 1 / 6),
            (1 / 24, -1 / 12, 1 / 6),
            (0, 0, 1),
        ),
        _spread_4,
        _gather_4,
        _scatter_4,
    ),
    torch.bfloat16: _Form(  # points 0, 1, -1 and infinity
        2,
        ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
        _spread_2,
        _gather_2,
        _scatter_2,
    ),
}
