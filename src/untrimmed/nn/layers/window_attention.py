"""Attention inside 3-D windows of a feature map, with a learned bias of relative position.

`WindowAttention` mixes the positions of every window, and `WindowBlock` is the residual block
around it.  How a map is cut into windows is in `layers.windows`, how blocks are stacked in
`encoders.video_swin`.

Channels come last here.  Shapes: N clips; D H W the sides of a map in time, height and width;
C channels; M windows; T positions of a window; R positions that are worked on at once; G biases:
1 where all windows share it, M where each has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from untrimmed.nn.layers.attention import side_by_side
from untrimmed.nn.layers.droppath import drop_path
from untrimmed.nn.layers.windows import Boxes, Layout, Piece, Sides
from untrimmed.nn.ops.biased_attention import attend
from untrimmed.nn.ops.pieces import suits_pieces
from untrimmed.nn.ops.precision import lowered
from untrimmed.nn.ops.prepared import prepared, weights_unchanged
from untrimmed.nn.ops.products import packed, times

Recompute = Literal["none", "block", "half_block"]
"""What is computed again in the backward pass, not kept: nothing, whole blocks, their branches."""

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
        qkv = _mapped(x, self.qkv)
        mixed = []
        for rows, kind in boxes:
            bias = biases[kind]
            some = qkv[rows].view(1, -1, bias.shape[-1], qkv.shape[-1])  # (1, M, t, 3C)
            mixed.append(self.mix(some, bias=bias[None]).flatten(0, 2))
        return _mapped(_cat(mixed), self.projection, onto=onto)

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


class WindowBlock(nn.Module):
    """Attention in windows, then an MLP; each normalised before and added to what came in.

    Args:
        attention: of C channels.
        channels: C.
        hidden: channels inside the MLP.
        rate: chance to leave out a branch, told where `keep` is given.
        recompute: what is computed again in the backward pass.

    Source: Video Swin Transformer, sec. 3.1.
    """

    def __init__(
        self,
        attention: WindowAttention,
        *,
        channels: int,
        hidden: int,
        rate: float,
        recompute: Recompute,
    ) -> None:
        super().__init__()
        self.rate = rate
        self.recompute = recompute
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = attention
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels)
        )

    def forward(
        self, x: Float[Tensor, "N D H W C"], layout: Layout, keep: Bool[Tensor, "draws N"] | None
    ) -> Float[Tensor, "N D H W C"]:
        """Apply both branches; `keep` has a row for each, or none if nothing is left out."""
        keeps_all = keep is None or not len(keep)
        if keeps_all and suits_pieces(x) and layout.padded == layout.size:
            return self._by_pieces(x, layout)
        rows = (None, None) if keep is None or keeps_all else keep.unbind()
        if self.recompute == "block":
            return _recomputed(self._both, x, layout, *rows)
        return self._both(x, layout, *rows)

    def _by_pieces(self, x: Tensor, layout: Layout) -> Tensor:
        """A few windows at a time: so the whole map is read once."""
        N, _, _, _, C = x.shape
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        biases = self.attention.biases(layout, dtype=lowered(x.new_empty(0)).dtype)
        pieces, back, _ = layout.by_boxes(moved=self.attention.moved)
        with weights_unchanged():
            for clip, out in zip(x.reshape(N, -1, C), y.view(N, -1, C), strict=True):
                parts = [self._piece(clip, piece, biases) for piece in pieces]
                # Selecting from all pieces is several times as fast as writing each to its places.
                torch.index_select(_cat(parts), 0, back, out=out)
        return y

    def _piece(
        self,
        clip: Float[Tensor, "places C"],
        piece: Piece,
        biases: Sequence[Float[Tensor, "heads _ _"]],
    ) -> Float[Tensor, "R C"]:
        cells = clip.index_select(0, piece.places)
        normed = self.attention_norm(cells)
        cells = self.attention.within(normed, boxes=piece.boxes, biases=biases, onto=cells)
        wide = _mapped(self.mlp_norm(cells), self.mlp[0], gelu=True)
        return _mapped(wide, self.mlp[2], onto=cells)

    def _both(
        self, x: Tensor, layout: Layout, attend: Tensor | None, transform: Tensor | None
    ) -> Tensor:
        call = _recomputed if self.recompute == "half_block" else _called
        x = x + call(self._attention_branch, x, layout, attend)
        return x + call(self._mlp_branch, x, transform)

    def _attention_branch(self, x: Tensor, layout: Layout, keep: Tensor | None) -> Tensor:
        return self._thinned(self.attention(self.attention_norm(x), layout), keep)

    def _mlp_branch(self, x: Tensor, keep: Tensor | None) -> Tensor:
        return self._thinned(self.mlp(self.mlp_norm(x)), keep)

    def _thinned(self, branch: Tensor, keep: Tensor | None) -> Tensor:
        return branch if keep is None else drop_path(branch, keep=keep, rate=self.rate)


def _mapped(
    x: Float[Tensor, "R C"],
    layer: Any,
    *,
    gelu: bool = False,
    onto: Float[Tensor, "R D"] | None = None,
) -> Float[Tensor, "R D"]:
    """What a linear layer gives, see `times`; no gradient."""
    weight = prepared(packed, prepared(lowered, layer.weight))
    bias = None if layer.bias is None else prepared(lowered, layer.bias)
    return times(lowered(x), weight, bias, gelu=gelu, onto=onto)


def _cat(parts: list[Float[Tensor, "_ C"]]) -> Float[Tensor, "R C"]:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _called(function: Any, *inputs: Any) -> Tensor:
    output: Tensor = function(*inputs)
    return output


def _recomputed(function: Any, *inputs: Any) -> Tensor:
    """The only random thing, `keep`, is an input, so that no random state need be restored."""
    output: Tensor = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return output
