"""Group normalisation that padding does not enter.

Shapes: B videos, C channels in G groups, T cells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from untrimmed.tensors import Padded


class GroupNorm(nn.Module):
    """Normalise every group of channels of a video over its valid cells.

    Equal to `nn.GroupNorm`, also in its state, if everything is valid.  Otherwise mean and
    variance are those of the valid cells, so that a video is normalised alike whatever it is
    padded to.  Statistics are taken in float32 at least; the result has the dtype of the input.

    Args:
        groups: G, of neighbouring channels.

    Raises:
        ValueError: if the channels do not divide into the groups.

    Source: Wu & He, ECCV 2018.
    """

    def __init__(self, groups: int, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        if groups < 1 or channels % groups:
            raise ValueError(f"{channels} channels do not divide into {groups} groups")
        self.groups = groups
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Padded) -> Padded:
        values = x.values.to(torch.promote_types(x.values.dtype, torch.float32))
        B, C, T = values.shape
        grouped = values.reshape(B, self.groups, C // self.groups, T)
        valid = x.valid[:, None, None].to(values.dtype)  # (B, 1, 1, T)
        count = (valid.sum((2, 3), keepdim=True) * grouped.shape[2]).clamp(min=1)
        mean = _mean(grouped, valid, count)
        spread = grouped - mean
        variance = _mean(spread.square(), valid, count)
        normed = (spread * torch.rsqrt(variance + self.eps)).flatten(1, 2)  # (B, C, T)
        scaled = normed * self.weight[:, None] + self.bias[:, None]
        return Padded.of(scaled.to(x.values.dtype), x.valid)


def _mean(values: Tensor, valid: Tensor, count: Tensor) -> Tensor:
    """Over the valid cells of every group, (B, G, C / G, T) to (B, G, 1, 1)."""
    return (values * valid).sum((2, 3), keepdim=True) / count
