"""Blocks of attention in windows that work on maps of one size, one after the other.

A block is in `layers.window_block`, how stages make an encoder in `encoders.video_swin`.

Channels come last here.  Shapes: N clips; K H W the sides of a map in time, height and width;
C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from untrimmed.nn.layers.patches import Merging
from untrimmed.nn.layers.window_attention import WindowAttention
from untrimmed.nn.layers.window_block import Recompute, WindowBlock
from untrimmed.nn.layers.windows import Layout, Sides


class Stage(nn.Module):
    """Blocks on maps of one size, then the merging to half of it unless the stage is the last.

    Args:
        channels: C.
        heads: of attention; a divisor of C.
        hidden: channels inside the MLPs.
        window: sides of a window in a large map; those of every second block are moved.
        exact: see `Layout`.
        rates: chance of every block to leave out a branch.
        qkv_bias, scale: see `WindowAttention`.
        recompute: what of a block is computed again in the backward pass.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int,
        hidden: int,
        window: Sides,
        exact: bool,
        rates: Sequence[float],
        qkv_bias: bool,
        scale: float | None,
        recompute: Recompute,
        is_last: bool,
    ) -> None:
        super().__init__()
        self.window = window
        self.exact = exact
        self.draws = [2 if rate else 0 for rate in rates]
        self.blocks = nn.ModuleList(
            WindowBlock(
                WindowAttention(
                    channels,
                    heads=heads,
                    window=window,
                    moved=number % 2 == 1,
                    qkv_bias=qkv_bias,
                    scale=scale,
                ),
                channels=channels,
                hidden=hidden,
                rate=rate,
                recompute=recompute,
            )
            for number, rate in enumerate(rates)
        )
        self.merge = None if is_last else Merging(channels)
        self._latest: Layout | None = None

    def forward(
        self, x: Float[Tensor, "N K H W C"], keep: Bool[Tensor, "draws N"] | None
    ) -> Float[Tensor, "N K _ _ _"]:
        _, K, H, W, _ = x.shape
        layout = self._layout((K, H, W), x.device)
        rows = [None] * len(self.draws) if keep is None else torch.split(keep, self.draws)
        for block, block_keep in zip(self.blocks, rows, strict=True):
            x = block(x, layout, block_keep)
        return x if self.merge is None else self.merge(x)

    def _layout(self, size: Sides, device: torch.device) -> Layout:
        """That of the latest size is kept: every call that is made again would keep its own."""
        layout = Layout(size, self.window, self.exact, device)
        if torch.compiler.is_compiling():
            return layout
        if self._latest != layout:
            self._latest = layout
        return self._latest
