"""Fewer cells: the temporal down-sampling in front of TALLFormer's consistency module.

Cheng & Bertasius, ECCV 2022, sec. 4.2 (implementation); "SRM" in the authors' code.

Shapes: B videos, C channels in and D out, T cells, f the factor.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import nn

from untrimmed.nn.layers.conv import Conv
from untrimmed.tensors import Padded


class Reduce(nn.Module):
    """Convolutions of stride 2 with ReLU between them, values (B, C, T) to (B, D, ceil(T / f)).

    There is no ReLU after the last: it feeds a residual stream.  A factor of 1 is one
    convolution that keeps every cell.

    Args:
        factor: input cells per output cell, a power of two.

    Raises:
        ValueError: if `factor` is not a power of two.
    """

    def __init__(self, in_channels: int, out_channels: int, *, factor: int) -> None:
        super().__init__()
        if factor < 1 or factor & (factor - 1):
            raise ValueError(f"cells are halved time and again: {factor} is not a power of two")
        self.channels = out_channels
        self.strides: tuple[int, ...] = (factor,)
        halvings = factor.bit_length() - 1
        # Deviates: first values are PyTorch's, as the authors have them on THUMOS14; on ActivityNet
        # theirs are Glorot's, about twice as large.  The effect is not measured.
        convs = [
            Conv(out_channels if i else in_channels, out_channels, stride=2 if halvings else 1)
            for i in range(max(halvings, 1))
        ]
        self.convs = nn.ModuleList(convs)

    def forward(self, x: Padded) -> Padded:
        first, *others = self.convs
        x = first(x)
        for conv in others:
            x = conv(Padded(F.relu(x.values), x.valid))
        return x
