"""Attention behind depth-wise convolutions, within a band or between all cells.

Zhang, Wu & Li, ECCV 2022 (ActionFormer), sec. 3.2.  The convolutions, which may make the sequence
coarser, tell the attention what is near; it needs no positions.

Shapes: B videos, T cells, C channels, h heads, s stride.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from untrimmed.nn.layers.attention import side_by_side
from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.layers.local_attention import local_attention
from untrimmed.nn.ops.products import linear
from untrimmed.nn.ops.runs import Rows, rows_of
from untrimmed.tensors import Padded


class ConvAttention(nn.Module):
    """Attention behind depth-wise convolutions, values (B, C, T) to (B, ceil(T / s), C).

    What it gives for cells that are not valid means nothing.

    Args:
        window: cells that one sees, itself in the middle, odd; None sees all.
        relative: learn a bias of each distance in the window; none if all is seen.

    Raises:
        ValueError: if the channels do not divide into the heads, or the window is even.

    Source: Zhang, Wu & Li, ECCV 2022, sec. 3.2, as in the authors' code.
    """

    def __init__(
        self,
        channels: int,
        *,
        stride: int,
        window: int | None,
        heads: int,
        relative: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide into {heads} heads")
        if window is not None and window % 2 == 0:
            raise ValueError(f"a window of {window} cells has no middle; it must be odd")
        self.heads = heads
        self.stride = stride
        self.reach = None if window is None else window // 2
        self.query, self.key, self.value = (_Projection(channels, stride) for _ in range(3))
        self.projection = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)
        self.position: nn.Parameter | None = None
        if relative and window is not None:
            self.position = nn.Parameter(torch.empty(heads, window))
            nn.init.trunc_normal_(self.position, std=(2 / channels) ** 0.5)

    def forward(self, x: Padded) -> Float[Tensor, "B _ C"]:
        valid = x.valid[:, :: self.stride]
        rows = rows_of(valid)
        query, key, value = (each(x.values, rows) for each in (self.query, self.key, self.value))
        if self.reach is None:
            mixed = _global_attention(query, key, value, valid, heads=self.heads)
        else:
            mixed = local_attention(
                query,
                key,
                value,
                valid,
                heads=self.heads,
                reach=self.reach,
                bias=self.position,
            )
        joined: Tensor = self.dropout(
            linear(mixed, self.projection.weight, self.projection.bias, rows=rows)
        )
        return joined


class _Projection(nn.Module):
    """Depth-wise convolution of stride s, norm and linear map: one of query, key, value."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        kernel = 3 if stride == 1 else stride + 1
        self.conv = Conv(
            channels, channels, kernel=kernel, stride=stride, groups=channels, bias=False
        )
        self.norm = nn.LayerNorm(channels)
        self.linear = nn.Linear(channels, channels)

    def forward(self, values: Float[Tensor, "B C T"], rows: Rows | None) -> Float[Tensor, "B _ C"]:
        normed = self.norm(self.conv.cells(values))
        return linear(normed, self.linear.weight, self.linear.bias, rows=rows)


def _global_attention(
    query: Float[Tensor, "B T C"],
    key: Float[Tensor, "B T C"],
    value: Float[Tensor, "B T C"],
    valid: Bool[Tensor, "B T"],
    *,
    heads: int,
) -> Float[Tensor, "B T C"]:
    """Attention of every cell to all valid ones; to all, if there is no valid one."""
    B, T, C = query.shape
    seen = valid | ~valid.any(dim=1, keepdim=True)
    query, key, value = (
        x.view(B, T, heads, C // heads).transpose(1, 2) for x in (query, key, value)
    )
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen[:, None, None])
    return side_by_side(mixed)
