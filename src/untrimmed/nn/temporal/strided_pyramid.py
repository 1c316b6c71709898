"""A pyramid by strided convolutions.

The temporal down-sampling of DaoTAD (Wang et al., 2021), which TALLFormer (Cheng & Bertasius,
ECCV 2022) uses on ActivityNet with group normalisation, and the pyramid of AFSD (Lin et al., CVPR
2021).

Shapes: B videos, C channels, T_l cells of level l, where T_(l+1) = ceil(T_l / 2).
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import nn

from untrimmed.nn.layers.normed_conv import Norm, NormedConv
from untrimmed.tensors import Padded, Pyramid


class StridedPyramid(nn.Module):
    """Halve a sequence again and again, values (B, C, T) to levels (B, C, T_l).

    Level 0 is the input.  Every further level is a convolution over three cells of the one
    before, normalised and rectified.  Cell t of level l is valid where cell t * 2^l of the input
    is.

    Args:
        norm, groups, bias: as of `NormedConv`.
        centre: which of two cells that become one the middle of a kernel stands on.  AFSD has the
            second, by the rule of TensorFlow; TALLFormer the first.
    """

    def __init__(
        self,
        width: int,
        *,
        levels: int,
        norm: Norm = "group",
        groups: int = 32,
        bias: bool = False,
        centre: Literal["first", "second"] = "first",
    ) -> None:
        super().__init__()
        self.channels = width
        self.strides = tuple(2**level for level in range(levels))
        self.ahead = 0 if centre == "first" else 1
        self.stages = nn.ModuleList(
            NormedConv(width, width, stride=2, norm=norm, groups=groups, bias=bias, rectify=True)
            for _ in range(levels - 1)
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
