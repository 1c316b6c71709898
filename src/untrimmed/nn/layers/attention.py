"""Attention between the cells of a sequence, blind to padding.

What is added to the logits for the position of a pair, and what surrounds the attention (norms,
residual branches), is the business of whoever uses it.

Shapes: B videos, T cells, C channels, h heads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


def visible(valid: Bool[Tensor, "B T"], *, reach: int | None = None) -> Bool[Tensor, "B 1 T T"]:
    """Which cells (last dimension) each cell attends to: the valid ones, itself in any case.

    A cell of the padding sees itself so that no softmax is empty, which would give NaN; no valid
    cell sees it.

    Args:
        reach: largest distance seen, in cells; all if not given.
    """
    cells = torch.arange(valid.shape[-1], device=valid.device)
    distance = (cells[:, None] - cells).abs()  # (T, T)
    seen = valid[:, None, None] | (distance == 0)
    return seen if reach is None else seen & (distance <= reach)


class Attention(nn.Module):
    """Scaled dot-product attention of several heads, values (B, T, C) to (B, T, C).

    Args:
        dropout: share of the attention weights that are dropped in training.

    Raises:
        ValueError: if the channels do not divide into the heads.

    Source: Vaswani et al., NeurIPS 2017, sec. 3.2.
    """

    def __init__(self, channels: int, *, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide into {heads} heads")
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(channels, 3 * channels)
        self.projection = nn.Linear(channels, channels)

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        *,
        visible: Bool[Tensor, "B 1 T T"],
        bias: Float[Tensor, "h T T"] | None = None,
    ) -> Float[Tensor, "B T C"]:
        """Mix the cells that are `visible` to each, with `bias` added to the logits."""
        query, key, value = (
            self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )  # (B, h, T, C / h) each
        mask = visible
        if bias is not None:
            mask = torch.where(visible, bias, float("-inf")).to(query.dtype)  # (B, h, T, T)
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=self.dropout if self.training else 0.0
        )
        joined: Float[Tensor, "B T C"] = self.projection(side_by_side(mixed))
        return joined


def side_by_side(heads: Float[Tensor, "*B h T c"]) -> Float[Tensor, "*B T h*c"]:
    """What all heads have found for each cell, in the order of the heads."""
    if torch.compiler.is_exporting():  # whether a view is enough depends on the length
        return torch.cat(heads.unbind(-3), -1)
    return heads.transpose(-3, -2).flatten(-2)
