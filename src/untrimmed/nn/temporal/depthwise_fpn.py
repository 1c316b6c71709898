"""Feature pyramid network with depth-wise convolutions and layer norms, as in ActionFormer's code.

Lin et al., CVPR 2017, sec. 3, in one dimension.  Zhang, Wu & Li, ECCV 2022, tried it and found it
no better than a norm of each level (`level_norm`).

Shapes: B videos, C channels in and D out, T_l cells of level l, s the ratio of their strides.
"""

from __future__ import annotations

from torch import nn

from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.layers.norm import ChannelNorm
from untrimmed.tensors import Padded, Pyramid


class DepthwiseFPN(nn.Module):
    """Sum each level with the coarser ones, levels (B, C, T_l) to (B, D, T_l).

    Cell t of a level receives cell t // s of the next.

    Args:
        factor: s.
        norm: normalise the results over their channels; otherwise the convolutions have a bias.
        blind: let no cell see padding, nor tell it from the end.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        levels: int,
        factor: int = 2,
        norm: bool = True,
        blind: bool = False,
    ) -> None:
        super().__init__()
        self.channels = out_channels
        self.strides: tuple[int, ...] = (1,)
        self.factor = factor
        self.blind = blind
        self.laterals = nn.ModuleList(
            Conv(in_channels, out_channels, kernel=1, bias=not norm) for _ in range(levels)
        )
        self.convs = nn.ModuleList(
            Conv(out_channels, out_channels, groups=out_channels, bias=not norm)
            for _ in range(levels)
        )
        self.norms = nn.ModuleList(
            ChannelNorm(out_channels, blind=blind) if norm else nn.Identity() for _ in range(levels)
        )

    def forward(self, pyramid: Pyramid) -> Pyramid:
        levels = [lateral(x) for lateral, x in zip(self.laterals, pyramid.levels, strict=True)]
        for fine in range(len(levels) - 2, -1, -1):
            levels[fine] = self._add(levels[fine], levels[fine + 1])
        outputs = (
            norm(conv(x)) for conv, norm, x in zip(self.convs, self.norms, levels, strict=True)
        )
        return Pyramid(tuple(outputs), pyramid.strides)

    def _add(self, fine: Padded, coarse: Padded) -> Padded:
        """The fine level plus the coarse one, each cell of which stands for s."""
        T = fine.values.shape[-1]
        values = fine.values + coarse.values.repeat_interleave(self.factor, dim=2)[..., :T]
        return Padded.of(values, fine.valid) if self.blind else Padded(values, fine.valid)
