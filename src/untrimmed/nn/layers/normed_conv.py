"""A convolution in time and its norm.

Shapes: B videos, C and D channels, T cells, s stride.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.layers.fixed_norm import FixedNorm
from untrimmed.nn.layers.group_norm import GroupNorm
from untrimmed.nn.layers.norm import BatchNorm
from untrimmed.tensors import Padded

Norm = Literal["batch", "group", "fixed"]
"""Over the valid cells of a batch; over groups of channels of each video; or by a mean and a
variance that stay as they are, 0 and 1 unless weights bring others."""


class NormedConv(nn.Module):
    """Convolve and normalise, values (B, C, T) to (B, D, ceil(T / s)), zero where not valid.

    Args:
        kernel, stride: as of `Conv`.
        bias: of the convolution; the norm has one of its own.
        groups: of channels, if it is they that are normalised.
        rectify: set what is below 0 to 0 in the end.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        bias: bool = False,
        norm: Norm = "batch",
        groups: int = 32,
        rectify: bool = False,
    ) -> None:
        super().__init__()
        self.rectify = rectify
        self.conv = Conv(in_channels, out_channels, kernel=kernel, stride=stride, bias=bias)
        nn.init.xavier_uniform_(self.conv.weight)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)
        self.norm: BatchNorm | GroupNorm | FixedNorm
        if norm == "batch":
            self.norm = BatchNorm(out_channels)
        elif norm == "group":
            self.norm = GroupNorm(groups, out_channels)
        else:
            self.norm = FixedNorm(out_channels, eps=1e-5, trained=True)

    def forward(self, x: Padded) -> Padded:
        convolved = self.conv(x)
        if isinstance(self.norm, FixedNorm):
            normed = Padded.of(self.norm(convolved.values), convolved.valid)
        else:
            normed = self.norm(convolved)
        return Padded(normed.values.relu(), normed.valid) if self.rectify else normed
