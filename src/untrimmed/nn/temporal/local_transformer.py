"""ActionFormer's backbone: a pyramid by local attention.

Zhang, Wu & Li, ECCV 2022, sec. 3.2 and 3.3.  Convolutions embed the features of a video,
transformer blocks see a window around each cell, and those of stride 2 make it coarser.  Settings
that the paper leaves open are those of the authors' code.

Unless it is `blind`, the network can tell padding from the end of the tensor, as theirs can: a
norm leaves its bias in the padding, and the convolution behind reads it there.

Shapes: B videos, D channels in and C out, T cells, T_l of level l, h heads, s stride.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.layers.conv_attention import ConvAttention
from untrimmed.nn.layers.droppath import Residual
from untrimmed.nn.layers.mlp import MLP
from untrimmed.nn.layers.norm import ChannelNorm
from untrimmed.nn.layers.pieces import by_pieces
from untrimmed.nn.layers.position import sinusoidal
from untrimmed.nn.ops.clearing import clear_
from untrimmed.nn.ops.precision import lowered
from untrimmed.nn.ops.runs import rows_of
from untrimmed.tensors import Padded, Pyramid


class LocalTransformer(nn.Module):
    """Transformer pyramid, values (B, D, T) to levels (B, C, T_l), T_l = ceil(T_(l-1) / s).

    Cell t of a level is valid where cell s * t of the finer one is.

    Args:
        embedding: from D channels to C.
        windows: cells that one of each level sees, itself in the middle, odd; None sees all.
        stem_layers: blocks of the finest level.
        factor: s, cells of a level per cell of the next: 1 or even.
        positions: cells of the longest window in training, for which a table of sinusoids is
            stretched if a sequence is longer; None for a network without absolute positions.
        relative: learn a bias of each distance in a window.
        dropout: of the branches' maps, in training.
        drop_path: chance that a branch is left out for a video in training; at 0 the branches
            have no scale either.
        first_level: the finest level given.
        blind: let no cell see padding, nor tell it from the end.  Not so in the published weights.

    Raises:
        ValueError: if a size does not fit another.
    """

    def __init__(
        self,
        embedding: Embedding,
        *,
        windows: Sequence[int | None],
        stem_layers: int = 2,
        factor: int = 2,
        heads: int = 4,
        positions: int | None = None,
        relative: bool = False,
        dropout: float = 0.0,
        drop_path: float = 0.1,
        first_level: int = 0,
        blind: bool = False,
    ) -> None:
        super().__init__()
        if factor != 1 and factor % 2:
            raise ValueError(f"a level cannot be {factor} times coarser: 1 or an even number can")
        self.embedding = embedding
        self.positions = positions
        self.first_level = first_level
        self.channels = embedding.channels
        strides = tuple(factor**level for level in range(len(windows)))
        self.strides = strides[first_level:]

        def block(stride: int, window: int | None) -> Block:
            return Block(
                self.channels,
                stride=stride,
                window=window,
                heads=heads,
                relative=relative,
                dropout=dropout,
                drop_path=drop_path,
                blind=blind,
            )

        self.stem = nn.ModuleList(block(1, windows[0]) for _ in range(stem_layers))
        self.branch = nn.ModuleList(block(factor, window) for window in windows[1:])

    def forward(self, x: Padded) -> Pyramid:
        x = self.embedding(x)
        if self.positions is not None:
            x = add_positions(x, table_cells=self.positions)
        for block in self.stem:
            x = block(x)
        levels = [x]
        for block in self.branch:
            levels.append(block(levels[-1]))
        return Pyramid(tuple(levels[self.first_level :]), self.strides)


class Embedding(nn.Module):
    """Convolutions with norm and ReLU, values (B, D, T) to (B, C, T).

    Args:
        channels: D, of one feature set or of several that stand one after the other.
        project: channels that each set is mapped to before, its own map for each; C is their sum.
        norm: normalise over the channels; otherwise the convolutions have a bias.

    Raises:
        ValueError: if there is not one projection for each set, or their sum is not the width.
    """

    def __init__(
        self,
        channels: Sequence[int],
        width: int,
        *,
        project: Sequence[int] | None = None,
        layers: int = 2,
        kernel: int = 3,
        norm: bool = True,
        blind: bool = False,
    ) -> None:
        super().__init__()
        if project is not None and (len(project) != len(channels) or sum(project) != width):
            raise ValueError(
                f"feature sets of {tuple(channels)} channels need as many projections, together"
                f" {width} wide, not {tuple(project)}"
            )
        self.channels = width
        self.reach = layers * (kernel // 2)
        self.sets = tuple(channels)
        self.projections = nn.ModuleList(
            Conv(D, C, kernel=1) for D, C in zip(channels, project or (), strict=False)
        )
        inputs = [width if project else sum(channels)] + [width] * (layers - 1)
        self.convs = nn.ModuleList(Conv(D, width, kernel=kernel, bias=not norm) for D in inputs)
        self.norms = nn.ModuleList(
            ChannelNorm(width, blind=blind) if norm else nn.Identity() for _ in inputs
        )
        clear_biases(self)

    def forward(self, x: Padded) -> Padded:
        return by_pieces(self._embedded, x, reach=self.reach)

    def _embedded(self, x: Padded, _cells: slice) -> Padded:
        if self.projections:
            sets = torch.split(x.values, list(self.sets), dim=1)
            parts = [
                projection(Padded(values, x.valid)).values
                for projection, values in zip(self.projections, sets, strict=True)
            ]
            x = Padded(torch.cat(parts, dim=1), x.valid)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            normed = norm(conv(x))
            x = Padded(F.relu(normed.values), x.valid)
        return x


def add_positions(x: Padded, *, table_cells: int) -> Padded:
    """Sinusoids, divided by sqrt(C), added to the valid cells.

    A sequence longer than the table sees it stretched linearly to its own length, as in the
    authors' code at inference: positions then depend on how far the video is padded.
    """
    _, C, T = x.values.shape
    table = sinusoidal(table_cells, C, device=x.values.device).T[None] / C**0.5  # (1, C, cells)
    if table_cells < T:
        table = F.interpolate(table, size=T, mode="linear", align_corners=False)
    position = table[..., :T] * x.valid[:, None]
    return Padded(x.values + position.to(x.values.dtype), x.valid)


class Block(nn.Module):
    """Pre-norm transformer block of stride s, values (B, C, T) to (B, C, ceil(T / s))."""

    def __init__(
        self,
        channels: int,
        *,
        stride: int,
        window: int | None,
        heads: int,
        relative: bool,
        dropout: float,
        drop_path: float,
        blind: bool,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.reach = None if window is None else stride * (window // 2) + (stride + 1) // 2
        self.blind = blind
        self.attention_norm = ChannelNorm(channels, blind=blind)
        self.attention = ConvAttention(
            channels, stride=stride, window=window, heads=heads, relative=relative, dropout=dropout
        )
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp = MLP(channels, hidden=4 * channels, dropout=dropout)
        self.attention_branch = Residual(channels, rate=drop_path)
        self.mlp_branch = Residual(channels, rate=drop_path)
        clear_biases(self)

    def forward(self, x: Padded) -> Padded:
        return by_pieces(self._changed, x, reach=self.reach, stride=self.stride)

    def _changed(self, x: Padded, _cells: slice) -> Padded:
        def mixed(rows: Int64[Tensor, " R"] | None) -> Float[Tensor, "R _ C"]:
            kept = x if rows is None else Padded(x.values[rows], x.valid[rows])
            found: Tensor = self.attention(self.attention_norm(kept))
            return found

        values = self.attention_branch(self._skip(x).transpose(1, 2), mixed)  # (B, T / s, C)
        valid = x.valid[:, :: self.stride]

        def changed(rows: Int64[Tensor, " R"] | None) -> Float[Tensor, "R _ C"]:
            kept, counted = (values, valid) if rows is None else (values[rows], valid[rows])
            found: Tensor = self.mlp(self.mlp_norm(lowered(kept)), rows=rows_of(counted))
            return found

        result = self.mlp_branch(values, changed)
        # Only here, as nothing before looks from a cell at another but keys, which are hidden.
        return Padded(clear_(result, kept=valid).transpose(1, 2), valid)

    def _skip(self, x: Padded) -> Float[Tensor, "B C _"]:
        """What the residual stream keeps: all, or the largest around each cell kept."""
        if self.stride == 1:
            return x.values
        if not self.blind:
            return _largest(x.values, self.stride)
        lowest = x.values.masked_fill(~x.valid[:, None], float("-inf"))
        return _largest(lowest, self.stride).masked_fill(~x.valid[:, None, :: self.stride], 0)


def _largest(values: Float[Tensor, "B C T"], stride: int) -> Float[Tensor, "B C _"]:
    """The largest around each cell kept, with half a stride to both sides."""
    # In two dimensions, as pooling in one takes ten times as long without gradients where channels
    # come last in memory: 1 % of inference.
    rows = F.max_pool2d(
        values[:, :, None],
        (1, stride + 1),
        stride=(1, stride),
        padding=(0, (stride + 1) // 2),
    )
    return rows.squeeze(2)


def clear_biases(module: nn.Module) -> None:
    """Set the bias of every map below to zero, as the authors do."""
    for part in module.modules():
        if isinstance(part, nn.Linear | Conv) and part.bias is not None:
            nn.init.zeros_(part.bias)
