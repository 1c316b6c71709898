"""A pyramid by strided convolutions.

The temporal down-sampling of DaoTAD (Wang et al., 2021), which TALLFormer (Cheng & Bertasius,
ECCV 2022) uses on ActivityNet with group normalisation, and the pyramid of AFSD (Lin et al., CVPR
2021).

Shapes: B videos, C channels in and D out, T_l cells of level l, where T_(l+1) = ceil(T_l / 2).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import nn

from untrimmed.nn.layers.normed_conv import Norm, NormedConv
from untrimmed.tensors import Padded, Pyramid


class StridedPyramid(nn.Module):
    """Halve a sequence again and again, values (B, C, T) to (B, C, T), then levels (B, D, T_l).

    Level 0 is the input.  Every further level is a convolution over three cells of the one
    before, normalised and rectified.  Cell t of level l is valid where cell t * 2^l of the input
    is.

    channels: D, of every level but the input.
    widths: channels of each level.

    Args:
        in_channels: C.
        out_channels: D; C if not given.
        norm, groups, bias: as of `NormedConv`.
        centre: which of two cells that become one the middle of a kernel stands on.  AFSD has the
            second, by the rule of TensorFlow; TALLFormer the first.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        *,
        levels: int,
        norm: Norm = "group",
        groups: int = 32,
        bias: bool = False,
        centre: Literal["first", "second"] = "first",
    ) -> None:
        super().__init__()
        out_channels = out_channels or in_channels
        self.widths = (in_channels, *(out_channels for _ in range(levels - 1)))
        self.channels = self.widths[-1]
        self.strides = tuple(2**level for level in range(levels))
        self.ahead = 0 if centre == "first" else 1
        self.stages = nn.ModuleList(
            NormedConv(fine, coarse, stride=2, norm=norm, groups=groups, bias=bias, rectify=True)
            for fine, coarse in pairwise(self.widths)
        )

    def forward(self, x: Padded) -> Pyramid:
        levels = [x]
        for stage in self.stages:
            levels.append(self._halved(stage, levels[-1]))
        return Pyramid(tuple(levels), self.strides)

    def _halved(self, stage: nn.Module, x: Padded) -> Padded:
        # A kernel stands on every other cell from the first on: of the cells behind one more.
        values = F.pad(x.values, (self.ahead, self.ahead))
        valid = F.pad(x.valid, (2 * self.ahead, 0))  # that of the first of the two cells
        halved = stage(Padded(values, valid))
        return Padded(halved.values[..., self.ahead :], halved.valid[:, self.ahead :])
