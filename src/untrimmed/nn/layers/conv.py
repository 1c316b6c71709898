"""Convolution in time that keeps the law of `Padded`.

What lies outside of a sequence is zero, whether the tensor ends there or its padding begins: so
a convolution sees no difference, and padding cannot be told from the end.

Shapes: B videos, C and D channels, T cells, s stride.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import nn

from untrimmed.tensors import Padded


class Conv(nn.Module):
    """Convolution over time, values (B, C, T) to (B, D, ceil(T / s)), zero where not valid.

    Output cell t is centred on input cell s * t and is valid exactly where that is.  Parameters
    are those of `nn.Conv1d`, in name, shape and first values.

    Args:
        kernel: cells that an output cell sees, odd.
        stride: input cells per output cell.

    Raises:
        ValueError: if `kernel` is even, as it would have no middle.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"a kernel of {kernel} cells has no middle; it must be odd")
        self.stride = stride
        self.padding = kernel // 2
        fresh = nn.Conv1d(in_channels, out_channels, kernel, bias=bias)
        self.weight = fresh.weight
        self.bias = fresh.bias

    def forward(self, x: Padded) -> Padded:
        values = F.conv1d(
            x.values, self.weight, self.bias, stride=self.stride, padding=self.padding
        )
        return Padded.of(values, x.valid[:, :: self.stride])
