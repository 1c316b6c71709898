"""From pixels to the first map of positions, and from a map to one of half the size.

Shapes: N clips; L frames; H W pixels or positions; K positions in time; C channels.  Pixels come
as (N, 3, L, H, W), maps as (N, K, H, W, C).

Without gradient on a CPU both are made a few positions in time at a time, see `ops.pieces`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from untrimmed.nn.layers.windows import Sides
from untrimmed.nn.ops.pieces import suits_pieces
from untrimmed.nn.ops.prepared import weights_unchanged
from untrimmed.nn.ops.products import linear

_NUMBERS = 2**18
"""Of the input at a time, or one position in time: in float32 1 MiB."""


class Patches(nn.Module):
    """A linear layer on patches of pixels that do not overlap.

    Args:
        channels: C.
        patch: frames, rows and columns; the pixels are padded behind to a whole number of them.
        norm: whether the channels of a position are normalised.

    Source: Liu et al., Video Swin Transformer, CVPR 2022, sec. 3.1.
    """

    def __init__(self, channels: int, *, patch: Sides, norm: bool) -> None:
        super().__init__()
        self.patch = patch
        self.projection = nn.Conv3d(3, channels, patch, stride=patch)
        self.norm = nn.LayerNorm(channels) if norm else nn.Identity()

    def forward(self, pixels: Float[Tensor, "N 3 L H W"]) -> Float[Tensor, "N K _ _ C"]:
        t, h, w = self.patch
        x = _whole(pixels, self.patch)
        N, _, L, H, W = x.shape
        x = x.reshape(N, 3, L // t, t, H // h, h, W // w, w)
        x = x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4)  # (N, K, _, _, 3 * prod(patch))
        bias = self.projection.bias
        assert bias is not None
        y: Tensor = self.norm(linear(x, self.projection.weight.flatten(1), bias))
        return y


class ConvolutionalPatches(nn.Module):
    """Convolutions that halve the pixels step by step, to a map of the same size as of `Patches`.

    Filters that overlap find edges and motion from fewer examples.  A step doubles the channels
    and normalises them position by position, which keeps clips apart.

    Args:
        channels: C.
        patch: frames, rows and columns for one position, powers of 2; the pixels are padded behind
            to a whole number of them.
        norm: whether the channels of the last step are normalised.

    Source: after Xiao et al., Early Convolutions Help Transformers See Better, NeurIPS 2021.
    """

    def __init__(self, channels: int, *, patch: Sides, norm: bool) -> None:
        super().__init__()
        if any(side & (side - 1) for side in patch):
            raise ValueError(f"convolutions halve the pixels; {patch} are not all powers of 2")
        self.patch = patch
        steps = range(max(1, max(patch).bit_length() - 1))
        widths = [3, *(max(1, channels >> step) for step in reversed(steps))]
        self.convolutions = nn.ModuleList(
            nn.Conv3d(few, many, 3, stride=_halving(patch, step), padding=1)
            for step, (few, many) in enumerate(pairwise(widths))
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(width) if norm or step != steps[-1] else nn.Identity()
            for step, width in enumerate(widths[1:])
        )

    def forward(self, pixels: Float[Tensor, "N 3 L H W"]) -> Float[Tensor, "N K _ _ C"]:
        x = _whole(pixels, self.patch)
        for step, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            if step:
                x = F.gelu(x).movedim(-1, 1)
            x = norm(convolution(x).movedim(1, -1))  # (N, K, H, W, C) of this step
        return x


class Merging(nn.Module):
    """Two by two positions in space become one of twice the channels.

    An odd side gets a row of zeros behind.

    Args:
        channels: C, before.

    Source: Video Swin Transformer, sec. 3.1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Float[Tensor, "N K H W C"]) -> Float[Tensor, "N K _ _ 2*C"]:
        N, K, H, W, C = x.shape
        if not is_cut(x):
            return self._merged(x)
        pieces = torch.split(x.reshape(N * K, 1, H, W, C), max(1, _NUMBERS // (H * W * C)))
        with weights_unchanged():
            merged = torch.cat([self._merged(piece) for piece in pieces])
        return merged.view(N, K, *merged.shape[2:])

    def _merged(self, x: Tensor) -> Tensor:
        N, K, H, W, C = x.shape
        x = F.pad(x, (0, 0, 0, W % 2, 0, H % 2))
        x = x.reshape(N, K, (H + 1) // 2, 2, (W + 1) // 2, 2, C)
        # The order in public weights: left above, left below, right above, right below.
        neighbours = self.norm(x.permute(0, 1, 2, 4, 5, 3, 6).flatten(4))
        return linear(neighbours, self.reduction.weight, None)


def through_pieces(
    stem: Callable[[Float[Tensor, "N 3 _ H W"]], Float[Tensor, "N _ P Q C"]],
    pixels: Num[Tensor, "N 3 L H W"],
    *,
    frames: int,
) -> Float[Tensor, "N K P Q C"]:
    """What a stem makes of pixels that it takes `frames` at a time, each time on their own."""
    numbers = pixels[0, :, :frames].numel()
    length = frames * max(1, _NUMBERS // numbers)
    with weights_unchanged():
        clips = [
            torch.cat([stem(piece) for piece in torch.split(clip, length, dim=2)], dim=1)
            for clip in torch.split(pixels, 1)
        ]
    return clips[0] if len(clips) == 1 else torch.cat(clips)


def is_cut(x: Tensor) -> bool:
    """Whether to work on a few positions in time at a time."""
    return suits_pieces(x) and x.numel() > _NUMBERS


def _whole(pixels: Float[Tensor, "N 3 L H W"], patch: Sides) -> Float[Tensor, "N 3 _ _ _"]:
    """Padded with zeros behind, to a whole number of patches."""
    time, height, width = (-n % side for n, side in zip(pixels.shape[2:], patch, strict=True))
    return F.pad(pixels, (0, width, 0, height, 0, time))


def _halving(patch: Sides, step: int) -> Sides:
    """Strides of a step: 2 along the sides of which something is left to halve."""
    time, height, width = (2 if side >> step > 1 else 1 for side in patch)
    return time, height, width
