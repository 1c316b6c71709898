"""Stochastic depth: leave a residual branch out, for whole samples, at random.

The draw is apart from its use.  A network may draw for all of its branches at once and hand the
rows down; a call repeated with the same rows, in whatever portions, gives the same result and the
same gradient.

Shapes: N samples, D draws (one for every branch that may be left out).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int64
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


def rising_rates(depths: Sequence[int], *, last: float, frozen: int = 0) -> list[list[float]]:
    """Chance of every block to leave a branch out, by stage, in even steps from 0 to `last`.

    Args:
        depths: blocks of each stage.
        frozen: stages at the beginning that leave nothing out.

    Source: Huang et al., sec. 3.
    """
    steps = max(1, sum(depths) - 1)
    ramp = iter(last * number / steps for number in range(sum(depths)))
    rates = [[next(ramp) for _ in range(depth)] for depth in depths]
    for stage in rates[:frozen]:
        stage[:] = [0.0] * len(stage)
    return rates


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


class Residual(nn.Module):
    """A stream and a branch added to it, which is scaled, and left out at random in training.

    The branch of a sample that does not keep it is not computed.  Each channel has a learned
    scale, which acts in evaluation as well and starts near zero, so that a deep network starts as
    its stream.

    Args:
        rate: of leaving the branch out, in [0, 1); at 0 there is no scale either.

    Raises:
        ValueError: if the rate is out of range.

    Source: Touvron et al., ICCV 2021 (LayerScale), and stochastic depth, as joined in ActionFormer.
    """

    def __init__(self, channels: int, *, rate: float, first: float = 1e-4) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"a branch left out at a rate of {rate}, not in [0, 1)")
        self.rate = rate
        self.scale = nn.Parameter(torch.full((channels,), first)) if rate else None

    def forward(
        self,
        stream: Float[Tensor, "N *cells C"],
        branch: Callable[[Int64[Tensor, " R"] | None], Float[Tensor, "R *cells C"]],
    ) -> Float[Tensor, "N *cells C"]:
        """The stream with what `branch` gives for those rows (None for all) that keep it."""
        if not self.training or self.rate == 0:
            return self._joined(stream, branch(None))
        keep = draw_keep([self.rate], len(stream))[0]
        rows = keep.nonzero()[:, 0].to(stream.device)
        if len(rows) in (0, len(stream)):  # with none, the weights get a gradient of zero as well
            keep = keep.to(stream.device)
            return self._joined(stream, drop_path(branch(None), keep=keep, rate=self.rate))
        joined = self._joined(stream[rows], branch(rows) / (1 - self.rate))
        return stream.to(joined.dtype).index_copy(0, rows, joined)

    def _joined(self, stream: Tensor, branch: Tensor) -> Tensor:
        return stream + branch if self.scale is None else torch.addcmul(stream, branch, self.scale)
