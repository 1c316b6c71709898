"""Sums over the processes that train one network, each on its share of a batch.

What normalises over a batch, a norm or a count of positives, sums over all of them, so that the
losses of the processes add up to that of the whole batch, and their gradients too.  Without a
process group of PyTorch, all this does nothing.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, distributed


def summed(x: Tensor) -> Tensor:
    """The sum of every process's tensor, all of one shape; the gradient is that of all sums.

    Every process must call it, in the same order.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return x
    return cast(Tensor, _Sum.apply(x))  # type: ignore[no-untyped-call]


def mean_over_all(values: Float[Tensor, "N *rest"]) -> Float[Tensor, "*rest"]:
    """This process's part of the mean over the rows of all; 0 if there are none at all."""
    count = summed(torch.tensor(float(len(values)), device=values.device))
    return values.sum(0) / count.clamp(min=1)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return _all_reduced(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return _all_reduced(gradient)


def _all_reduced(x: Tensor) -> Tensor:
    total = x.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total
