"""The block of a Video Swin Transformer: attention in windows, then an MLP.

Blocks are stacked in `layers.window_stage`.

Channels come last here.  Shapes: N clips; D H W the sides of a map in time, height and width;
C channels; t positions of a box; R positions that are worked on at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from untrimmed.nn.layers.droppath import drop_path
from untrimmed.nn.layers.window_attention import WindowAttention
from untrimmed.nn.layers.windows import Layout, Piece
from untrimmed.nn.ops.pieces import suits_pieces
from untrimmed.nn.ops.precision import lowered
from untrimmed.nn.ops.prepared import weights_unchanged
from untrimmed.nn.ops.products import through

Recompute = Literal["none", "block", "half_block"]
"""What is computed again in the backward pass, not kept: nothing, whole blocks, their branches."""


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
                torch.index_select(torch.cat(parts), 0, back, out=out)
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
        wide = through(self.mlp[0], self.mlp_norm(cells), gelu=True)
        return through(self.mlp[2], wide, onto=cells)

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


def _called(function: Any, *inputs: Any) -> Tensor:
    output: Tensor = function(*inputs)
    return output


def _recomputed(function: Any, *inputs: Any) -> Tensor:
    """The only random thing, `keep`, is an input, so that no random state need be restored."""
    output: Tensor = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return output
