"""Feature pyramid network: what coarse levels know is handed down to the finer ones.

Lin et al., CVPR 2017, sec. 3, in one dimension and normalised, as DaoTAD and TALLFormer (Cheng &
Bertasius, ECCV 2022) use it: every convolution is followed by a norm, and nothing is rectified.

Shapes: B videos, C channels in and D out, T_l cells of level l, where
T_(l+1) = ceil(T_l / 2).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from untrimmed.nn.layers.normed_conv import Norm, NormedConv
from untrimmed.tensors import Padded, Pyramid


class FPN(nn.Module):
    """Sum each level with the coarser ones, levels (B, C, T_l) to (B, D, T_l).

    Cell t of a level receives cell t // 2 of the next.

    Args:
        in_channels: C, of all levels alike, or of each.
        norm, groups: as of `NormedConv`.

    Raises:
        ValueError: if `in_channels` are not one for each level; on a call, if the pyramid does not
            have the number of levels given here.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        out_channels: int,
        *,
        levels: int,
        norm: Norm = "batch",
        groups: int = 32,
    ) -> None:
        super().__init__()
        widths = [in_channels] * levels if isinstance(in_channels, int) else list(in_channels)
        if len(widths) != levels:
            raise ValueError(f"channels of {len(widths)} levels, where {levels} were meant")
        self.channels = out_channels
        self.strides: tuple[int, ...] = (1,)
        self.laterals = nn.ModuleList(
            NormedConv(width, out_channels, kernel=1, norm=norm, groups=groups) for width in widths
        )
        self.outputs = nn.ModuleList(
            NormedConv(out_channels, out_channels, norm=norm, groups=groups) for _ in range(levels)
        )

    def forward(self, pyramid: Pyramid) -> Pyramid:
        if len(pyramid.levels) != len(self.laterals):
            raise ValueError(
                f"a pyramid of {len(pyramid.levels)} levels, where {len(self.laterals)} were meant"
            )
        levels = [lateral(x) for lateral, x in zip(self.laterals, pyramid.levels, strict=True)]
        for fine in range(len(levels) - 2, -1, -1):
            levels[fine] = _add(levels[fine], levels[fine + 1])
        outputs = (output(x) for output, x in zip(self.outputs, levels, strict=True))
        return Pyramid(tuple(outputs), pyramid.strides)


def _add(fine: Padded, coarse: Padded) -> Padded:
    """The fine level plus the coarse one, each cell of which stands for two."""
    twice = coarse.values[..., None].expand(-1, -1, -1, 2).flatten(2)
    repeated = twice[..., : fine.values.shape[-1]]
    return Padded.of(fine.values + repeated, fine.valid)
