"""A layer norm for each level: what ActionFormer has between its backbone and its heads.

Zhang, Wu & Li, ECCV 2022, sec. 3.3, as in the authors' code.

Shapes: B videos, C channels, T_l cells of level l.
"""

from __future__ import annotations

from torch import nn

from untrimmed.nn.layers.norm import ChannelNorm
from untrimmed.tensors import Pyramid


class LevelNorm(nn.Module):
    """Normalise the channels of every cell, each level with its own weights.

    Args:
        blind: as that of `ChannelNorm`.
    """

    def __init__(self, channels: int, *, levels: int, blind: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.strides: tuple[int, ...] = (1,)
        self.norms = nn.ModuleList(ChannelNorm(channels, blind=blind) for _ in range(levels))

    def forward(self, pyramid: Pyramid) -> Pyramid:
        normed = (norm(x) for norm, x in zip(self.norms, pyramid.levels, strict=True))
        return Pyramid(tuple(normed), pyramid.strides)
