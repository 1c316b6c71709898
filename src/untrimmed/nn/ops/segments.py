"""Segments as tensors: how much they overlap, and how one is told from another.

A segment is a pair of start and end, in any one unit.  For numpy and seconds there is
`core.segments`.

Shapes: N and M segments.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def iou(a: Float[Tensor, "N 2"], b: Float[Tensor, "M 2"]) -> Float[Tensor, "N M"]:
    """Intersection over union of every segment of `a` with every one of `b`, in [0, 1].

    Two segments without length have 0, also with themselves.
    """
    return paired_iou(a[:, None], b[None])


def iof(a: Float[Tensor, "N 2"], b: Float[Tensor, "M 2"]) -> Float[Tensor, "N M"]:
    """The share of every segment of `a` that lies inside every one of `b`, in [0, 1].

    A segment of `a` without length has 0.
    """
    length = (a[:, 1] - a[:, 0])[:, None]
    inside = intersection(a[:, None], b[None])
    return torch.where(length > 0, inside / length, inside.new_zeros(()))


def paired_iou(a: Float[Tensor, "*#S 2"], b: Float[Tensor, "*#S 2"]) -> Float[Tensor, "..."]:
    """Intersection over union of segments side by side, broadcast, in [0, 1]."""
    inside = intersection(a, b)
    union = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - inside
    return torch.where(union > 0, inside / union, inside.new_zeros(()))


def intersection(a: Float[Tensor, "*#S 2"], b: Float[Tensor, "*#S 2"]) -> Float[Tensor, "..."]:
    """Length that segments side by side share, broadcast; 0 where they are apart."""
    start = torch.maximum(a[..., 0], b[..., 0])
    end = torch.minimum(a[..., 1], b[..., 1])
    return (end - start).clamp(min=0)


def encode(
    anchors: Float[Tensor, "*#S 2"], segments: Float[Tensor, "*#S 2"]
) -> Float[Tensor, "... 2"]:
    """Tell segments by their distance from anchors: the inverse of `decode`.

    Returns:
        The way from the anchor's middle to the segment's, in lengths of the anchor; and the
        logarithm of the segment's length in lengths of the anchor.  Both lengths must be
        above 0, or the second is not finite.
    """
    length = anchors[..., 1] - anchors[..., 0]
    way = (segments.sum(-1) - anchors.sum(-1)) / 2 / length
    growth = torch.log((segments[..., 1] - segments[..., 0]) / length)
    return torch.stack([way, growth], -1)


def decode(
    anchors: Float[Tensor, "*#S 2"],
    deltas: Float[Tensor, "*#S 2"],
    *,
    max_growth: float = math.inf,
) -> Float[Tensor, "... 2"]:
    """Find segments from their distance from anchors: the inverse of `encode`.

    Args:
        max_growth: the logarithm of the length is cut at this value, and gets no gradient
            beyond.

    Source: the coder of Faster R-CNN in one dimension.  The cut (at 1) is TALLFormer's addition
    to DaoTAD; without it `exp` overflows on a bad prediction.
    """
    length = anchors[..., 1] - anchors[..., 0]
    middle = anchors.sum(-1) / 2 + length * deltas[..., 0]
    half = length * deltas[..., 1].clamp(max=max_growth).exp() / 2
    return torch.stack([middle - half, middle + half], -1)
