"""Attention within a band: every cell sees those within its reach, however long the sequence is.

Time and memory grow with the length, not with its square: the sequence is cut into blocks of
queries, and each block meets only the keys that one of its queries can see.

Shapes: B videos, T cells, C channels, h heads, H reach in cells, W = 2 H + 1 cells of the band;
N blocks of b queries, each with the K = b + 2 H keys around it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

_BLOCK = 32
"""b, if twice the reach is no more: few keys lie outside of a query's reach, and yet there is work
enough at a time."""


def local_attention(
    query: Float[Tensor, "B T C"],
    key: Float[Tensor, "B T C"],
    value: Float[Tensor, "B T C"],
    valid: Bool[Tensor, "B T"],
    *,
    heads: int,
    reach: int,
    bias: Float[Tensor, "h W"] | None = None,
) -> Float[Tensor, "B T C"]:
    """Mix the values of the valid cells within `reach` of each cell, by scaled dot products.

    Cells that are not valid see themselves too, so that no softmax is empty; what they get means
    nothing, and no valid cell sees them.

    Args:
        heads: h; each takes C / h neighbouring channels.
        reach: H, largest distance seen.
        bias: added to the logit of cell i seeing cell i + o, at column H + o.

    Source: Beltagy et al., 2020 (Longformer), sec. 3.1; Zhang et al., ECCV 2022 (ActionFormer),
    sec. 3.2.
    """
    B, T, C = query.shape
    block = max(_BLOCK, 2 * reach)
    spare = -T % block
    if torch.compiler.is_exporting():  # always two blocks at least: one alone is a case of its own
        spare = (T + 2 * block - 1) // block * block - T
    if torch.compiler.is_exporting() or spare:
        query, key, value = (F.pad(x, (0, 0, 0, spare)) for x in (query, key, value))
    visible = _visible(F.pad(valid, (0, spare)), reach=reach, block=block)  # (N, 1, b, K)
    mask = visible if bias is None else _biased(visible, bias, reach=reach)
    mixed = _mixed(
        query.reshape(-1, block, heads, C // heads).transpose(1, 2),  # (N, h, b, C / h)
        _around(key, heads=heads, reach=reach, block=block),
        _around(value, heads=heads, reach=reach, block=block),
        mask,
    )
    mixed = mixed.transpose(1, 2)
    if torch.compiler.is_exporting():  # else its layout is taken for that of every kernel
        mixed = mixed.clone(memory_format=torch.contiguous_format)
    return mixed.reshape(B, T + spare, C)[:, :T]


def _mixed(
    query: Float[Tensor, "N h b c"],
    key: Float[Tensor, "N h K c"],
    value: Float[Tensor, "N h K c"],
    mask: Shaped[Tensor, "N #h b K"],
) -> Float[Tensor, "N h b c"]:
    on_cpu = query.device.type == "cpu" and not torch.compiler.is_compiling()
    if on_cpu and query.requires_grad and query.dtype == torch.bfloat16 == key.dtype == value.dtype:
        # The backward pass of the fused kernel takes four times as long in bfloat16, 3 % of a step.
        # Logits are rounded here, for 1.8 times its error.
        logits = (query * query.shape[-1] ** -0.5) @ key.mT
        hidden = (
            torch.where(mask, logits, -torch.inf) if mask.dtype == torch.bool else logits + mask
        )
        return hidden.softmax(-1).to(value.dtype) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def _around(
    cells: Float[Tensor, "B T C"], *, heads: int, reach: int, block: int
) -> Float[Tensor, "N h K C_per_head"]:
    """The cells that each block can see, as a view: blocks share what lies within reach of both.

    The videos stand one behind the other, so the first and last of a video's blocks see cells of
    its neighbours, too; `_visible` hides them.
    """
    if torch.compiler.is_exporting():
        blocks = _joined(cells, reach=reach, block=block).transpose(1, 2)
        N, C, K = blocks.shape
        return blocks.reshape(N, heads, C // heads, K).transpose(2, 3)
    line: Tensor = F.pad(cells.flatten(0, 1), (0, 0, reach, reach))
    if torch.compiler.is_compiling():
        blocks = line.unfold(0, block + 2 * reach, block)
    else:
        blocks = _Overlapping.apply(line, block, reach)  # type: ignore[no-untyped-call]
    N, C, K = blocks.shape
    return blocks.view(N, heads, C // heads, K).transpose(2, 3)


def _joined(x: Shaped[Tensor, "B T C"], *, reach: int, block: int) -> Shaped[Tensor, "N K C"]:
    """What lies around each block, as a copy: in operations that can be exported for any length."""
    B, T, C = x.shape
    blocks = F.pad(x, (0, 0, reach, block - reach)).reshape(B, T // block + 1, block, C)
    return torch.cat([blocks[:, :-1], blocks[:, 1:, : 2 * reach]], 2).flatten(0, 1)


class _Overlapping(torch.autograd.Function):
    """`unfold` into (N, C, K), with a backward pass that adds whole blocks and not single cells."""

    @staticmethod
    def forward(ctx: Any, line: Tensor, block: int, reach: int) -> Tensor:
        ctx.block = block
        return line.unfold(0, block + 2 * reach, block)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        N, C, K = gradient.shape
        block, shared = ctx.block, K - ctx.block
        cells = gradient.transpose(1, 2)  # (N, K, C)
        line = gradient.new_empty(N + 1, block, C)
        line[:N] = cells[:, :block]
        line[N] = 0
        line[1:, :shared] += cells[:, block:]
        return line.flatten(0, 1)[: N * block + shared], None, None


def _visible(valid: Bool[Tensor, "B T"], *, reach: int, block: int) -> Bool[Tensor, "N 1 b K"]:
    """Which of the keys around its block each query sees: the valid ones in reach, and itself."""
    if torch.compiler.is_exporting():
        keys = _joined(valid[..., None], reach=reach, block=block)[..., 0]
    else:
        keys = F.pad(valid, (reach, reach)).unfold(1, block + 2 * reach, block).flatten(0, 1)
    place = torch.arange(block + 2 * reach, device=valid.device) - reach
    distance = place - place[reach : reach + block, None]  # (b, K)
    in_reach = distance.abs() <= reach
    return (in_reach & keys[:, None, None]) | (distance == 0)


def _biased(
    visible: Bool[Tensor, "N 1 b K"], bias: Float[Tensor, "h W"], *, reach: int
) -> Float[Tensor, "N h b K"]:
    """The bias of each distance where it is seen, and never elsewhere."""
    b, K = visible.shape[2:]
    key, query = torch.arange(K, device=bias.device), torch.arange(b, device=bias.device)
    column = (key - query[:, None]).clamp(0, 2 * reach)  # (b, K); key 0 lies reach cells before
    return torch.where(visible, bias[:, column], float("-inf"))
