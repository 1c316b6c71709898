"""Normalisation of sequences with padding: over the batch, or over the channels of each cell.

Shapes: B videos, C channels, T cells, n valid positions of the whole batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from untrimmed.nn.ops.precision import lowered
from untrimmed.nn.ops.processes import summed
from untrimmed.tensors import Padded


class BatchNorm(nn.Module):
    """Batch normalisation over the valid positions of a batch.

    The batch is that of all processes that train (SyncBN).  Equal to `nn.BatchNorm1d`, also in its
    state, if everything is valid.  Otherwise mean and
    variance are those of the n valid positions, so that a batch of short videos is normalised
    as the same videos without their padding would be.  Statistics are taken in float32 at least;
    the result has the dtype of the input.

    In training a single valid position has no variance and gives `bias`; the running variance
    is left as it was, and without any valid position the running mean too.

    Source: Ioffe & Szegedy, ICML 2015; momentum and eps as PyTorch and TALLFormer have them.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.long))

    def forward(self, x: Padded) -> Padded:
        values = x.values.to(torch.promote_types(x.values.dtype, torch.float32))
        if self.training:
            mean, variance, count = _statistics(values, x.valid)
            self._remember(mean, variance, count)
        else:
            mean, variance = self.running_mean, self.running_var
        scale = self.weight * torch.rsqrt(variance + self.eps)
        values = (values - mean[:, None]) * scale[:, None] + self.bias[:, None]
        return Padded.of(values.to(x.values.dtype), x.valid)

    @torch.no_grad()
    def _remember(
        self, mean: Float[Tensor, " C"], variance: Float[Tensor, " C"], count: Float[Tensor, ""]
    ) -> None:
        """Move the running statistics towards those of this batch."""
        unbiased = variance * count / (count - 1).clamp(min=1)
        self.running_mean += self.momentum * (count > 0) * (mean - self.running_mean)
        self.running_var += self.momentum * (count > 1) * (unbiased - self.running_var)
        self.num_batches_tracked += 1


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of every cell, values (B, C, T) to (B, C, T).

    Equal to `nn.LayerNorm`, also in its state, with the channels in the middle.  It is fastest
    where values (B, C, T) are a view of memory laid out as (B, T, C), and gives such a view.
    Under autocast it takes and gives the lower precision, and sums in float32.

    Args:
        blind: keep the law of `Padded`.  Otherwise cells that are not valid hold `bias`: what
            sees them next can tell padding from the end of the tensor, as in ActionFormer, whose
            published weights are trained with it.

    Source: Ba et al., 2016.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5, blind: bool = False) -> None:
        super().__init__()
        self.eps = eps
        self.blind = blind
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Padded) -> Padded:
        values = self.cells(x.values).transpose(1, 2)  # (B, C, T)
        return Padded.of(values, x.valid) if self.blind else Padded(values, x.valid)

    def cells(self, values: Float[Tensor, "B C T"]) -> Float[Tensor, "B T C"]:
        """The norm alone, with `bias` where not valid; channels come last."""
        cells = lowered(values.transpose(1, 2))
        return F.layer_norm(cells, self.weight.shape, self.weight, self.bias, self.eps)


def _statistics(
    values: Float[Tensor, "B C T"], valid: Bool[Tensor, "B T"]
) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"], Float[Tensor, ""]]:
    """Mean and biased variance over the valid positions of all processes, and their number."""
    count = summed(valid.sum().to(values.dtype))
    share = (valid / count.clamp(min=1))[:, None].to(values.dtype)  # (B, 1, T)
    mean = summed((values * share).sum((0, 2)))
    variance = summed(((values - mean[:, None]).square() * share).sum((0, 2)))
    return mean, variance, count
