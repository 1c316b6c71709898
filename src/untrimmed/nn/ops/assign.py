"""Which anchors are trained for which action.

Shapes: P anchors, N actions of one window.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from untrimmed.nn.ops.segments import iou


class Assignment(NamedTuple):
    """What each anchor of a window learns.

    action: the action it is trained to find, counted from 1; 0 for background.
    trained: false where an anchor is too close to an action for background and too far from it
        to find it, and where it is not valid.
    """

    action: Int64[Tensor, " P"]
    trained: Bool[Tensor, " P"]


def assign(
    anchors: Float[Tensor, "P 2"],
    valid: Bool[Tensor, " P"],
    actions: Float[Tensor, "N 2"],
    *,
    positive_iou: float,
    negative_iou: float,
) -> Assignment:
    """Give every anchor the action that it overlaps most, and every action its best anchors.

    An anchor takes its action if their IoU is at least `positive_iou`, is background below
    `negative_iou`, and is not trained between.  So that no action goes without, each also takes
    all anchors with which its IoU is as high as with any, however low that is.

    Of several actions that an anchor overlaps equally, the first gets it; of several that claim
    it as their best, the last.  An action that overlaps no valid anchor gets none.

    Args:
        valid: false at anchors that no action can get.
        actions: in the unit of the anchors.
        positive_iou: in (0, 1].
        negative_iou: in (0, `positive_iou`].

    Source: Ren et al., NeurIPS 2015, sec. 3.1.2, in one dimension, with the order of claims of
    TALLFormer's code.
    """
    # Row 0 is "nothing", with which the overlap is 0: it is the answer where there is no action.
    overlap = F.pad(iou(actions, anchors) * valid, (0, 0, 1, 0))  # (1 + N, P)
    best, nearest = overlap.max(0)  # the first of equal ones
    action = torch.where(best >= positive_iou, nearest, 0)

    # Deviates: an action without length overlaps nothing; the authors' code gives it every
    # anchor whose overlap with it is its best, 0, which is all of them.
    most = overlap.amax(1, keepdim=True)
    claims = (overlap == most) & (most > 0)
    number = torch.arange(len(overlap), device=overlap.device)[:, None]
    claimant = (claims * number).amax(0)  # the last of several
    action = torch.where(claimant > 0, claimant, action)

    return Assignment(action, valid & ((action > 0) | (best < negative_iou)))
