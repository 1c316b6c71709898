"""The levels of a pyramid in one sequence, for convolutions that all levels share.

One long convolution takes half the time of many short ones.

Shapes: B videos, C channels, T cells of all levels with the gaps behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from untrimmed.tensors import Padded


class Row(NamedTuple):
    """All levels behind one another, and zeros between that a convolution takes for their ends.

    inside: false in the gaps.  What is not zero there any more must be made so before the next
        convolution.
    sizes: of the first level, of the gap behind it, of the second level, and so on.
    """

    sequence: Padded
    inside: Bool[Tensor, " T"]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, levels: Sequence[Padded], *, gap: int) -> Row:
        """Levels (B, C, T_l) in a row, with so many cells behind each.

        Args:
            gap: as far as a convolution sees to one side, at least.
        """
        values, valid, inside, sizes = [], [], [], []
        for level in levels:
            B, C, T = level.values.shape
            # Laid out as (B, T, C), as linear maps and `ChannelNorm` like it.
            values += [level.values.mT, level.values.new_zeros(B, gap, C)]
            valid += [level.valid, level.valid.new_zeros(B, gap)]
            inside += [level.valid.new_ones(T), level.valid.new_zeros(gap)]
            sizes += [T, gap]
        sequence = Padded(torch.cat(values, 1).mT, torch.cat(valid, 1))
        return cls(sequence, torch.cat(inside), tuple(sizes))

    def levels(self, values: Float[Tensor, "B D T"]) -> tuple[Float[Tensor, "B D _"], ...]:
        """The levels of something that is as long as the sequence."""
        return torch.split(values, list(self.sizes), dim=2)[::2]
