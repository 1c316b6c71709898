"""Convolution of every channel on its own, on a CPU, as sums of shifted copies.

With channels last in memory each tap is one multiplication and addition of long rows, several
times faster than the depth-wise convolution of PyTorch's CPU library.

Shapes: B videos, T cells, C channels, k taps, s stride, S = ceil(T / s) cells out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def convolve_channels(
    x: Float[Tensor, "B T C"], weight: Float[Tensor, "C k"], *, stride: int = 1
) -> Float[Tensor, "B S C"]:
    """What `conv1d` with a padding of k // 2 and C groups gives, with channels last.

    Args:
        weight: k is odd.
    """
    y: Tensor = _Convolution.apply(x, weight, stride)  # type: ignore[no-untyped-call]
    return y


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        taps = weight.t().contiguous().to(x.dtype)  # (k, C)
        middle = len(taps) // 2
        y = x[:, ::stride] * taps[middle]
        for tap, there, here in _pairs(x.shape[1], kernel=len(taps), stride=stride):
            if tap != middle:
                y[:, here].addcmul_(x[:, there], taps[tap])
        return y

    @staticmethod
    @once_differentiable  # a second derivative would be wrong in silence
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        T = x.shape[1]
        taps = weight.t().contiguous().to(x.dtype)
        of_x = torch.zeros_like(x)
        of_weight = weight.new_zeros(len(taps), x.shape[2])
        for tap, there, here in _pairs(T, kernel=len(taps), stride=ctx.stride):
            of_x[:, there].addcmul_(gradient[:, here], taps[tap])
            of_weight[tap] = (x[:, there] * gradient[:, here]).sum((0, 1), dtype=weight.dtype)
        return of_x, of_weight.t(), None


def _pairs(cells: int, *, kernel: int, stride: int) -> Iterator[tuple[int, slice, slice]]:
    """For each tap, the cells that it is multiplied with and the results that it enters."""
    for tap in range(kernel):
        offset = tap - kernel // 2
        first = max(0, -(offset // stride))
        last = min(cells - 1, cells - 1 - offset) // stride
        if first <= last:
            start = stride * first + offset
            yield tap, slice(start, stride * last + offset + 1, stride), slice(first, last + 1)
