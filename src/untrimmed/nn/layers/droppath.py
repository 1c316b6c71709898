"""Stochastic depth: leave a residual branch out, for whole samples, at random.

The draw is apart from its use.  A network may draw for all of its branches at once and hand the
rows down; a call repeated with the same rows, in whatever portions, gives the same result and the
same gradient.

Shapes: N samples, D draws (one for every branch that may be left out).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


def draw_keep(
    rates: Sequence[float],
    n: int,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> Bool[Tensor, "D N"]:
    """Draw which of `n` samples keep each branch: sample by sample, with probability 1 - rate.

    Args:
        rates: of leaving a branch out, in [0, 1).
        generator: on `device`; PyTorch's own if not given.
    """
    drawn = torch.rand(len(rates), n, generator=generator, device=device)
    return drawn >= torch.tensor(rates).to(drawn.device, non_blocking=True)[:, None]


def drop_path(
    branch: Float[Tensor, "N *rest"], *, keep: Bool[Tensor, " N"], rate: float
) -> Float[Tensor, "N *rest"]:
    """Zero the branch of samples that do not keep it, scale the others by 1 / (1 - rate).

    The expectation over draws is the branch itself, so that nothing is scaled at inference.

    Source: Huang et al., ECCV 2016; scaled in training as in Larsson et al., ICLR 2017.
    """
    factor = keep.to(branch.dtype) / (1 - rate)
    return branch * factor.view(-1, *(1,) * (branch.ndim - 1))


class DropPath(nn.Module):
    """`drop_path` with its own draw in training; the identity in evaluation or at rate 0.

    Args:
        rate: of leaving the branch out, in [0, 1).

    Raises:
        ValueError: if the rate is out of range.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"a branch left out at a rate of {rate}, not in [0, 1)")
        self.rate = rate

    def forward(self, branch: Float[Tensor, "N *rest"]) -> Float[Tensor, "N *rest"]:
        if not self.training or self.rate == 0:
            return branch
        keep = draw_keep([self.rate], len(branch), device=branch.device)[0]
        return drop_path(branch, keep=keep, rate=self.rate)
