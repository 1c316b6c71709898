"""Convolutions, norms and ReLU one behind the other, as in the heads of ActionFormer.

Zhang, Wu & Li, ECCV 2022, sec. 3.3.

Shapes: B videos, C channels in and D out, T cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Bool
from torch import Tensor, nn

from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.layers.norm import ChannelNorm
from untrimmed.nn.ops.clearing import rectify_
from untrimmed.tensors import Padded


class Tower(nn.Module):
    """Convolve, normalise and rectify some times, values (B, C, T) to (B, D, T).

    Args:
        widths: C, and the channels behind each convolution.
        kernel: cells that a convolution sees, odd.
        norm: normalise over the channels; otherwise the convolutions have a bias.
        blind: padding cannot be told from the end of the tensor; see `ChannelNorm`.
    """

    def __init__(self, widths: Sequence[int], *, kernel: int, norm: bool, blind: bool) -> None:
        super().__init__()
        self.channels = widths[-1]
        self.marks_padding = norm and not blind  # with the bias of the norm
        self.convs = nn.ModuleList(
            Conv(a, b, kernel=kernel, bias=not norm) for a, b in pairwise(widths)
        )
        self.norms = nn.ModuleList(
            ChannelNorm(width, blind=blind) if norm else nn.Identity() for width in widths[1:]
        )
        for conv in self.convs:
            if not norm:
                nn.init.zeros_(conv.get_parameter("bias"))

    def forward(self, x: Padded, *, inside: Bool[Tensor, " T"]) -> Padded:
        """Zero where not `inside`, as between the levels of a `Row`."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            values = conv(x).values
            cells = norm.cells(values) if isinstance(norm, ChannelNorm) else values.mT  # (B, T, D)
            kept = inside if self.marks_padding else x.valid
            x = Padded(rectify_(cells, kept=kept).transpose(1, 2), x.valid)
        return x
