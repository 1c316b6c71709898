"""Losses of single predictions; what they are summed over and divided by is the head's affair."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from untrimmed.nn.ops.segments import intersection


def sigmoid_focal(
    logits: Float[Tensor, "*S"],
    targets: Float[Tensor, "*S"],
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> Float[Tensor, "*S"]:
    """Cross entropy of independent classes in which what is already right weighs little.

    With p the sigmoid of a logit and m = p (1 - y) + (1 - p) y, by how much it misses its
    target y: the cross entropy times m ** gamma, times alpha where y = 1 and 1 - alpha where
    y = 0.  Finite, with its gradient, for every finite logit.

    Args:
        targets: y in [0, 1]; several classes of a position may be 1, and between 0 and 1 is
            label smoothing.
        gamma: 0, or at least 1.

    Source: Lin et al., ICCV 2017, eq. 5.
    """
    cross_entropy = F.softplus(logits) - logits * targets
    score = torch.sigmoid(logits)
    miss = (1 - targets) * score + targets * (1 - score)
    weight = (1 - alpha) + (2 * alpha - 1) * targets
    return weight * miss**gamma * cross_entropy


def softmax_focal(
    logits: Float[Tensor, "*S K"],
    labels: Int64[Tensor, "*S"],
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    eps: float = 1e-6,
) -> Float[Tensor, "*S"]:
    """Cross entropy of exclusive classes in which what is already right weighs little.

    With p what the softmax gives to the label, plus `eps`: -(1 - p) ** gamma * log(p), times
    alpha where the label is 0, background, and 1 - alpha at any other.

    Args:
        labels: in [0, K).
        eps: keeps the logarithm finite; at most -log(eps) is lost.

    Source: the focal loss of AFSD's code (Lin et al., CVPR 2021).
    """
    p = logits.softmax(-1).gather(-1, labels[..., None])[..., 0] + eps
    weight = torch.where(labels == 0, alpha, 1 - alpha).to(p.dtype)
    return -weight * (1 - p) ** gamma * p.log()


def diou(
    segments: Float[Tensor, "*S 2"], targets: Float[Tensor, "*S 2"], *, eps: float = 1e-6
) -> Float[Tensor, "*S"]:
    """1 - IoU of segments with their targets, and a distance that still pulls when they are apart.

    The distance is that of the middles, squared, over the square of the length that encloses
    both.  In [0, 2).

    Args:
        eps: added to union and enclosing square, in the unit of the segments (and its square):
            two segments without length have the loss 1.

    Source: Zheng et al., AAAI 2020, eq. 7, in one dimension.
    """
    inside = intersection(segments, targets)
    lengths = (segments[..., 1] - segments[..., 0]) + (targets[..., 1] - targets[..., 0])
    way = (segments.sum(-1) - targets.sum(-1)) / 2
    enclosing = torch.maximum(segments[..., 1], targets[..., 1]) - torch.minimum(
        segments[..., 0], targets[..., 0]
    )
    return 1 - inside / (lengths - inside + eps) + way**2 / (enclosing**2 + eps)


def giou(
    segments: Float[Tensor, "*S 2"], targets: Float[Tensor, "*S 2"], *, eps: float = 1e-7
) -> Float[Tensor, "*S"]:
    """1 - IoU of segments with their targets, and the share of what encloses both in neither.

    In [0, 2).

    Args:
        eps: least denominator, in the unit of the segments: two segments without length have
            the loss 1.

    Source: Rezatofighi et al., CVPR 2019, in one dimension.
    """
    inside = intersection(segments, targets)
    lengths = (segments[..., 1] - segments[..., 0]) + (targets[..., 1] - targets[..., 0])
    union = lengths - inside
    enclosing = torch.maximum(segments[..., 1], targets[..., 1]) - torch.minimum(
        segments[..., 0], targets[..., 0]
    )
    between = (enclosing - union) / enclosing.clamp(min=eps)
    return 1 - inside / union.clamp(min=eps) + between
