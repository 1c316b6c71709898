"""Convolution in time that keeps the law of `Padded`.

What lies outside of a sequence is zero, whether the tensor ends there or its padding begins: so
a convolution sees no difference, and padding cannot be told from the end.

Shapes: B videos, C and D channels, T cells, s stride.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.nn.ops import winograd
from untrimmed.nn.ops.channelwise import convolve_channels
from untrimmed.nn.ops.clearing import clear_
from untrimmed.nn.ops.precision import lowered
from untrimmed.tensors import Padded


class Conv(nn.Module):
    """Convolution over time, values (B, C, T) to (B, D, ceil(T / s)), zero where not valid.

    Output cell t is centred on input cell s * t and is valid exactly where that is.  Parameters
    are those of `nn.Conv1d`, in name, shape and first values.

    Args:
        kernel: cells that an output cell sees, odd.
        stride: input cells per output cell.
        groups: shares of the channels that are convolved each on their own.

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
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"a kernel of {kernel} cells has no middle; it must be odd")
        self.stride = stride
        self.padding = kernel // 2
        self.groups = groups
        fresh = nn.Conv1d(in_channels, out_channels, kernel, groups=groups, bias=bias)
        self.weight = fresh.weight
        self.bias = fresh.bias

    def forward(self, x: Padded) -> Padded:
        valid = x.valid[:, :: self.stride]
        cells = lowered(x.values.transpose(1, 2))  # (B, T, C)
        if self._is_wide(cells):
            convolved = winograd.convolve(cells, self.weight, self.bias, kept=valid)
        else:
            convolved = clear_(self.cells(x.values), kept=valid)
        return Padded(convolved.transpose(1, 2), valid)

    def cells(self, values: Float[Tensor, "B C T"]) -> Float[Tensor, "B _ D"]:
        """The convolution alone, where nothing will see what is not valid; channels come last."""
        weight, bias = self.weight, self.bias
        cells = lowered(values.transpose(1, 2))  # (B, T, C)
        if self._is_wide(cells):
            return winograd.convolve(cells, weight, bias)
        if not torch.compiler.is_exporting():  # what is quick depends on the length
            if self.groups == len(weight) and values.device.type == "cpu" and bias is None:
                return convolve_channels(cells, weight[:, 0], stride=self.stride)
            if self.groups == 1 and self.stride == 1 and values.stride(1) == 1:
                return _narrow(cells, weight, bias)
        return F.conv1d(
            values, weight, bias, stride=self.stride, padding=self.padding, groups=self.groups
        ).transpose(1, 2)

    def _is_wide(self, cells: Float[Tensor, "B T C"]) -> bool:
        return self.groups == 1 and self.stride == 1 and winograd.suits(cells, self.weight)


def _narrow(
    cells: Float[Tensor, "B T C"], weight: Float[Tensor, "D C k"], bias: Float[Tensor, " D"] | None
) -> Float[Tensor, "B T D"]:
    """A convolution as one product of matrices for all taps, then shifted and added."""
    D, _, kernel = weight.shape
    T = cells.shape[1]
    taps = F.linear(cells, weight.permute(2, 0, 1).flatten(0, 1))  # (B, T, kD)
    if kernel > 1:
        taps = F.pad(taps, (0, 0, kernel // 2, kernel // 2))
        shifted = (taps[:, i : i + T, i * D : (i + 1) * D] for i in range(kernel))
        taps = torch.stack(list(shifted)).sum(0)
    return taps if bias is None else taps + bias.to(taps.dtype)
