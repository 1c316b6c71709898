"""Attention inside 3-D windows of a feature map, with a learned bias of relative position.

How a map is cut into windows is in `layers.windows`, the block around the attention in
`layers.window_block`.

Channels come last here.  Shapes: N clips; D H W the sides of a map in time, height and width;
C channels; M windows; T positions of a window, t of a box; R positions that are worked on at once;
G biases: 1 where all windows share it, M where each has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from untrimmed.nn.layers.attention import side_by_side
from untrimmed.nn.layers.windows import Boxes, Layout, Sides
from untrimmed.nn.ops.biased_attention import attend
from untrimmed.nn.ops.products import through

SEPARATION = -100.0
"""Added to the logit of positions that are neighbours in a moved window, but not in the map."""


class WindowAttention(nn.Module):
    """Scaled dot-product attention of several heads inside every window of a map.

    What is added to the logits, the bias and the separation of moved windows, is one term for the
    fused kernel, shared by all clips and not copied for each.  Without gradient in evaluation the
    term of the latest layout is kept, for as long as the table holds the same numbers (comparing
    them waits for the device).  All terms of Swin-B at 32 x 224 x 224 take 1.2 GiB in float32,
    0.4 where boxes are worked on a few at a time, by `within`; the next call in
    training drops them.

    Args:
        channels: C.
        heads: of attention; a divisor of C.
        window: sides of a window in a large map.
        moved: whether the windows are moved by the shift of the layout.
        qkv_bias: whether queries, keys and values have a bias.
        scale: factor of the logits; (C / heads) ** -0.5 if not given.

    Source: Video Swin Transformer, sec. 3.2.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int,
        window: Sides,
        moved: bool,
        qkv_bias: bool = True,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide into {heads} heads")
        self.heads = heads
        self.moved = moved
        self.scale = scale
        self.bias_table = nn.Parameter(torch.empty(prod(2 * side - 1 for side in window), heads))
        self.qkv = nn.Linear(channels, 3 * channels, bias=qkv_bias)
        self.projection = nn.Linear(channels, channels)
        self._kept: _Kept | None = None
        nn.init.trunc_normal_(self.bias_table, std=0.02)

    def forward(self, x: Float[Tensor, "N D H W C"], layout: Layout) -> Float[Tensor, "N D H W C"]:
        qkv = self.qkv(layout.cut(x, moved=self.moved))  # (N, M, T, 3C)
        mixed = self.mix(qkv, bias=self.bias(layout, dtype=qkv.dtype))
        return layout.join(self.projection(mixed), moved=self.moved)

    def within(
        self,
        x: Float[Tensor, "R C"],
        *,
        boxes: Sequence[Boxes],
        biases: Sequence[Float[Tensor, "heads _ _"]],
        onto: Float[Tensor, "R C"],
    ) -> Float[Tensor, "R C"]:
        """`onto`, and what `forward` gives for the positions of some boxes of a map.

        Without gradient.

        Args:
            biases: of each kind of box, see `biases`.
        """
        qkv = through(self.qkv, x)
        mixed = []
        for rows, kind in boxes:
            bias = biases[kind]
            some = qkv[rows].view(1, -1, bias.shape[-1], qkv.shape[-1])  # (1, boxes, t, 3C)
            mixed.append(self.mix(some, bias=bias[None]).flatten(0, 2))
        return through(self.projection, torch.cat(mixed), onto=onto)

    def mix(
        self, qkv: Float[Tensor, "N M T QKV"], *, bias: Float[Tensor, "G heads T T"]
    ) -> Float[Tensor, "N M T C"]:
        """Average the values of each window by softmax(query key' scale + bias)."""
        N, M, T, _ = qkv.shape
        G = len(bias)
        # Windows with a bias of their own lie beside the heads, others beside the clips: so the
        # bias has stride 0 along the batch in both cases.
        qkv = qkv.reshape(N * M // G, G, T, 3, self.heads, -1).permute(3, 0, 1, 4, 2, 5)
        query, key, value = qkv.flatten(2, 3)  # (N M / G, G heads, T, C / heads) each
        mixed = attend(
            query,
            key,
            value,
            bias=bias.flatten(0, 1),
            scale=self.scale,
        )
        mixed = mixed.reshape(N * M // G, G, self.heads, T, -1)
        return side_by_side(mixed).reshape(N, M, T, -1)

    def bias(self, layout: Layout, *, dtype: torch.dtype) -> Float[Tensor, "G heads T T"]:
        """What is added to the logits: the learned bias and, in moved windows, the separation."""

        def build() -> tuple[Tensor, ...]:
            bias = self._looked_up(layout.index, dtype=dtype)[None]  # (1, heads, T, T)
            if not (self.moved and any(layout.shift)):
                return (bias,)
            return (bias + SEPARATION * layout.apart[:, None].to(dtype),)  # (M, heads, T, T)

        return self._perhaps_kept(build, (replace(layout), dtype, "windows"))[0]

    def biases(
        self, layout: Layout, *, dtype: torch.dtype
    ) -> tuple[Float[Tensor, "heads _ _"], ...]:
        """The learned bias inside of boxes of each kind; they need no separation."""

        def build() -> tuple[Tensor, ...]:
            kinds = layout.by_boxes(moved=self.moved).kinds
            return tuple(self._looked_up(index, dtype=dtype) for index in kinds)

        return self._perhaps_kept(build, (replace(layout), dtype, "boxes"))

    def _looked_up(
        self, index: Int64[Tensor, "t t"], *, dtype: torch.dtype
    ) -> Float[Tensor, "heads t t"]:
        # Selecting columns of the transposed table, and not rows, is several times as fast.
        rows = self.bias_table.t().index_select(1, index.flatten())
        return rows.to(dtype).view(self.heads, *index.shape)

    def _perhaps_kept(
        self, build: Callable[[], tuple[Tensor, ...]], wanted: _Wanted
    ) -> tuple[Tensor, ...]:
        kept, table = self._kept, self.bias_table
        if torch.compiler.is_compiling() or table.is_meta:  # no numbers to compare
            return build()
        if self.training or torch.is_grad_enabled():
            self._kept = None
            return build()
        if kept is None or not kept.serves(wanted, table=table):
            kept = self._kept = _Kept(wanted, table.clone(), build())
        return kept.terms


_Wanted = tuple[Layout, torch.dtype, Literal["windows", "boxes"]]
"""What terms of the logits are built for."""


class _Kept(NamedTuple):
    """Terms built earlier, and what they were built from."""

    wanted: _Wanted
    table: Tensor
    terms: tuple[Tensor, ...]

    def serves(self, wanted: _Wanted, *, table: Tensor) -> bool:
        return (
            self.wanted == wanted
            and self.table.dtype == table.dtype
            and self.table.device == table.device
            and torch.equal(self.table, table)
        )
