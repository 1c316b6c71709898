"""Attention inside 3-D windows of a feature map, with a learned bias of relative position.

`Layout` says how a map is cut into windows, `WindowAttention` mixes the positions of each, and
`WindowBlock` is the residual block around it.  How blocks are stacked is in `encoders.video_swin`.

Channels come last here.  Shapes: N clips; D H W the sides of a map in time, height and width;
C channels; M windows; T positions of a window; G = 1 where all windows share a bias, else M.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Num
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from untrimmed.nn.layers.droppath import drop_path

Sides = tuple[int, int, int]
"""Time, height, width."""

Recompute = Literal["none", "block", "half_block"]
"""What is computed again in the backward pass, not kept: nothing, whole blocks, their branches."""

SEPARATION = -100.0
"""Added to the logit of positions that are neighbours in a moved window, but not in the map."""


@dataclass
class Layout:
    """How a map of one size is cut into windows, for all blocks that work on it.

    A window is as large as `full` where the map has room, else as the map.  Moved windows that
    leave the map enter at its other end (a cyclic shift).  A map that is not a whole number of
    windows is padded with zeros behind; these are attended to like any position.

    Args:
        size: D, H, W of the map.
        full: sides of a window in a large map; the bias table holds the distances in it.
        exact: whether positions in a smaller window look up the bias of their own distance.
            Otherwise they take the first rows and columns of the full window's index, which is
            right where only time is shorter, scrambled in space, and what public weights expect.
        device: of the map.

    Source: Liu et al., Video Swin Transformer, CVPR 2022, sec. 3.2, and the authors' code.
    """

    size: Sides
    full: Sides
    exact: bool
    device: torch.device
    # Made when first asked for; torch.compile does not know functools.cached_property.
    _index: Tensor | None = field(default=None, init=False, repr=False, compare=False)
    _apart: Tensor | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def window(self) -> Sides:
        """Sides of a window."""
        (D, H, W), (d, h, w) = self.size, self.full
        return min(D, d), min(H, h), min(W, w)

    @property
    def shift(self) -> Sides:
        """Positions by which windows move; none along a side that one window covers."""
        (D, H, W), (d, h, w) = self.size, self.full
        return d // 2 if d < D else 0, h // 2 if h < H else 0, w // 2 if w < W else 0

    @property
    def padded(self) -> Sides:
        """Sides of the map rounded up to whole windows."""
        (D, H, W), (d, h, w) = self.size, self.window
        return D + -D % d, H + -H % h, W + -W % w

    def cut(self, x: Float[Tensor, "N D H W C"], *, moved: bool) -> Float[Tensor, "N M T C"]:
        """The positions of each window; windows and positions in the order of the axes."""
        (D, H, W), (d, h, w) = self.size, self.padded
        if self.padded != self.size:
            x = F.pad(x, (0, 0, 0, w - W, 0, h - H, 0, d - D))
        if moved and any(self.shift):
            x = x.roll([-side for side in self.shift], (1, 2, 3))
        return _partition(x, self.window)

    def join(self, windows: Float[Tensor, "N M T C"], *, moved: bool) -> Float[Tensor, "N D H W C"]:
        """Undo `cut`."""
        (d, h, w), (D, H, W) = self.window, self.padded
        N, _, _, C = windows.shape
        x = windows.reshape(N, D // d, H // h, W // w, d, h, w, C)
        x = x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(N, D, H, W, C)
        if moved and any(self.shift):
            x = x.roll(self.shift, (1, 2, 3))
        D, H, W = self.size
        return x[:, :D, :H, :W]

    @property
    def index(self) -> Int64[Tensor, "T T"]:
        """Row of the bias table for every pair of positions of a window."""
        if self._index is None:
            sides = self.window if self.exact else self.full
            axes = (torch.arange(side, device=self.device) for side in sides)
            d, h, w = torch.cartesian_prod(*axes)[: prod(self.window)].unbind(1)
            # The table lists the distances 1 - side .. side - 1 of the axes in row-major order, so
            # a pair's row is the difference of its positions' codes, counted from the middle row.
            rows, height, width = (2 * side - 1 for side in self.full)
            code = (d * height + h) * width + w
            self._index = code[:, None] - code + rows * height * width // 2
        return self._index

    @property
    def apart(self) -> Bool[Tensor, "M T T"]:
        """Pairs of positions of a moved window that are no neighbours in the map."""
        if self._apart is None:
            code = torch.zeros(1, *self.padded, 1, dtype=torch.long, device=self.device)
            for axis, (side, shift) in enumerate(zip(self.padded, self.shift, strict=True)):
                # Only windows at the end hold strangers: what came in from the other end.
                code.narrow(1 + axis, side - shift, shift).add_(1 << axis)
            origin = _partition(code, self.window)[0, :, :, 0]  # (M, T)
            self._apart = origin[:, :, None] != origin[:, None]
        return self._apart


def _partition(x: Num[Tensor, "N D H W C"], window: Sides) -> Num[Tensor, "N M T C"]:
    """The windows of a map that is a whole number of them."""
    (N, D, H, W, C), (d, h, w) = x.shape, window
    x = x.reshape(N, D // d, d, H // h, h, W // w, w, C)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(N, -1, d * h * w, C)


class WindowAttention(nn.Module):
    """Scaled dot-product attention of several heads inside every window of a map.

    What is added to the logits, the bias and the separation of moved windows, is one term for the
    fused kernel, shared by all clips and not copied for each.  Without gradient in evaluation the
    term of the latest layout is kept, for as long as the table holds the same numbers (comparing
    them waits for the device).  All terms of Swin-B at 32 x 224 x 224 take 1.2 GiB in float32;
    the next call in training drops them.

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
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias.flatten(0, 1)[None], scale=self.scale
        )
        mixed = mixed.reshape(N * M // G, G, self.heads, T, -1).transpose(2, 3)
        return mixed.reshape(N, M, T, -1)

    def bias(self, layout: Layout, *, dtype: torch.dtype) -> Float[Tensor, "G heads T T"]:
        """What is added to the logits: the learned bias and, in moved windows, the separation."""
        kept, table = self._kept, self.bias_table
        if torch.compiler.is_compiling() or table.is_meta:  # no numbers to compare
            return self._build(layout, dtype=dtype)
        if self.training or torch.is_grad_enabled():
            self._kept = None
            return self._build(layout, dtype=dtype)
        if kept is None or not kept.serves(layout, dtype=dtype, table=table):
            bias = self._build(layout, dtype=dtype)
            kept = self._kept = _Kept(replace(layout), table.clone(), bias)
        return kept.bias

    def _build(self, layout: Layout, *, dtype: torch.dtype) -> Float[Tensor, "G heads T T"]:
        # Selecting columns of the transposed table, and not rows, is several times as fast.
        rows = self.bias_table.t().index_select(1, layout.index.flatten())
        bias = rows.to(dtype).view(1, self.heads, *layout.index.shape)  # (1, heads, T, T)
        if not (self.moved and any(layout.shift)):
            return bias
        return bias + SEPARATION * layout.apart[:, None].to(dtype)  # (M, heads, T, T)


class _Kept(NamedTuple):
    """A bias built earlier, and what it was built from."""

    layout: Layout
    table: Tensor
    bias: Tensor

    def serves(self, layout: Layout, *, dtype: torch.dtype, table: Tensor) -> bool:
        return (
            self.layout == layout
            and self.bias.dtype == dtype
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
        rows = (None, None) if keep is None or not len(keep) else keep.unbind()
        if self.recompute == "block":
            return _recomputed(self._both, x, layout, *rows)
        return self._both(x, layout, *rows)

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
