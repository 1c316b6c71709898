"""A pyramid by convolutions alone: ActionFormer's other backbone.

What remains of Zhang, Wu & Li, ECCV 2022, without attention; built as in the authors' code.

Shapes: B videos, D channels in and C out, T cells, T_l of level l, s stride.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import nn

from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.temporal.local_transformer import Embedding, clear_biases
from untrimmed.tensors import Padded, Pyramid


class ConvPyramid(nn.Module):
    """Residual pyramid, values (B, D, T) to levels (B, C, T_l), T_l = ceil(T_(l-1) / s).

    Cell t of a level is valid where cell s * t of the finer one is.

    Args:
        embedding: from D channels to C.
        levels: of the pyramid; those behind the finest have one block each.
        stem_layers: blocks of the finest level.
        factor: s, cells of a level per cell of the next.
        first_level: the finest level given.
        blind: let no cell see padding, nor tell it from the end.
    """

    def __init__(
        self,
        embedding: Embedding,
        *,
        levels: int,
        stem_layers: int = 2,
        factor: int = 2,
        first_level: int = 0,
        blind: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.channels = embedding.channels
        self.first_level = first_level
        self.strides = tuple(factor**level for level in range(first_level, levels))
        self.stem = nn.ModuleList(
            _Block(self.channels, stride=1, blind=blind) for _ in range(stem_layers)
        )
        self.branch = nn.ModuleList(
            _Block(self.channels, stride=factor, blind=blind) for _ in range(levels - 1)
        )

    def forward(self, x: Padded) -> Pyramid:
        x = self.embedding(x)
        for block in self.stem:
            x = block(x)
        levels = [x]
        for block in self.branch:
            levels.append(block(levels[-1]))
        return Pyramid(tuple(levels[self.first_level :]), self.strides)


class _Block(nn.Module):
    """Two convolutions beside the input, or beside a linear map of it if the stride is not 1."""

    def __init__(self, channels: int, *, stride: int, blind: bool) -> None:
        super().__init__()
        self.blind = blind
        self.widen = Conv(channels, 2 * channels, stride=stride)
        self.narrow = Conv(2 * channels, channels)
        self.shortcut: nn.Module = (
            nn.Identity() if stride == 1 else Conv(channels, channels, kernel=1, stride=stride)
        )
        clear_biases(self)

    def forward(self, x: Padded) -> Padded:
        hidden = self.widen(x)
        branch = self.narrow(Padded(F.relu(hidden.values), hidden.valid))
        values = F.relu(self.shortcut(x).values + branch.values)
        return Padded.of(values, branch.valid) if self.blind else Padded(values, branch.valid)
