"""A pyramid by halving and local attention: the temporal down-sampling module of TALLFormer.

The transformer form of DaoTAD's TDM, as the authors' THUMOS14 code has it; the paper
(Cheng & Bertasius, ECCV 2022, sec. 3.4) leaves the pyramid to the detector it builds on.

Shapes: B videos, C channels, T_l cells of level l, where T_(l+1) = ceil(T_l / 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.nn.layers.attention import Attention, visible
from untrimmed.nn.layers.position import sinusoidal
from untrimmed.tensors import Padded, Pyramid


class TDM(nn.Module):
    """Transformer pyramid, values (B, C, T) to levels (B, C, T_l).

    Level 0 is the input with sinusoidal positions.  Each further level joins pairs of
    neighbouring cells, the last of an odd number with zeros, and lets every cell attend to those
    within its kernel.  Cell t of level l is valid where cell t * 2^l of the input is.

    Args:
        kernels: cells that one of level 1, 2, ... sees, itself in the middle; odd.
        dropout: of the input with its positions, attention weights and branches, in training.

    Raises:
        ValueError: if there is not one odd kernel for each level but the first, or the width is
            odd or does not divide into the heads.
    """

    def __init__(
        self,
        width: int,
        *,
        levels: int = 5,
        heads: int = 8,
        kernels: Sequence[int] = (7, 7, 5, 5),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if len(kernels) != levels - 1 or not all(kernel % 2 for kernel in kernels):
            raise ValueError(f"{levels} levels need {levels - 1} odd kernels, not {tuple(kernels)}")
        self.channels = width
        self.strides = tuple(2**level for level in range(levels))
        self.dropout = nn.Dropout(dropout)
        self.stages = nn.ModuleList(
            _Stage(width, heads=heads, reach=kernel // 2, dropout=dropout) for kernel in kernels
        )

    def forward(self, x: Padded) -> Pyramid:
        _, C, T = x.values.shape
        position = sinusoidal(T, C, device=x.values.device).T / C**0.5  # (C, T)
        values = self.dropout(x.values + position.to(x.values.dtype))
        levels = [Padded.of(values, x.valid)]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        return Pyramid(tuple(levels), self.strides)


class _Stage(nn.Module):
    """Halve a sequence, then one post-norm transformer layer of local attention."""

    def __init__(self, width: int, *, heads: int, reach: int, dropout: float) -> None:
        super().__init__()
        self.reach = reach
        self.join = nn.Linear(2 * width, width, bias=False)
        self.join_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads=heads, dropout=dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width)
        )
        self.mlp_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.attention.qkv.weight)
        nn.init.zeros_(self.attention.qkv.bias)
        nn.init.zeros_(self.attention.projection.bias)

    def forward(self, x: Padded) -> Padded:
        valid = x.valid[:, ::2]
        values = self.join_norm(self.join(pairs(x.values)))  # (B, T, C)
        mixed = self.attention(values, visible=visible(valid, reach=self.reach))
        values = self.attention_norm(values + self.dropout(mixed))
        values = self.mlp_norm(values + self.dropout(self.mlp(values)))
        return Padded.of(values.transpose(1, 2), valid)


def pairs(values: Float[Tensor, "B C T"]) -> Float[Tensor, "B half 2*C"]:
    """Cells 2t and 2t + 1 side by side in the channels; zeros beside a last one without partner."""
    B, C, T = values.shape
    half = (T + 1) // 2
    even = F.pad(values, (0, 2 * half - T))
    return even.transpose(1, 2).reshape(B, half, 2 * C)
