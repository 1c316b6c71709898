"""Points that guess a segment and then correct it: what they say, learn, and how far off they are.

Lessons and losses of AFSD (Lin et al., CVPR 2021, sec. 3.4).  Everything is in one unit of time.

Shapes: B videos, P points and N actions of a window, K classes, T places in time.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from untrimmed.nn.ops.losses import giou, softmax_focal
from untrimmed.nn.ops.processes import mean_over_all
from untrimmed.nn.ops.segments import paired_iou
from untrimmed.tensors import Losses, Padded


class Points(NamedTuple):
    """Where points are, and how far away the farther end of an action may be that they find.

    near, far: above the one and up to the other.
    """

    places: Float[Tensor, " P"]
    near: Float[Tensor, " P"]
    far: Float[Tensor, " P"]


class Guesses(NamedTuple):
    """What points say.

    distances: to start and end of the guess, above 0.
    logits: of background (0) and the classes, by the guess.
    offsets: how much farther start and end are, in halves of the guess.
    refined_logits: of background and the classes, by a second look.
    quality: logit of how much the corrected segment overlaps an action.
    valid: false at points that say nothing.
    """

    distances: Float[Tensor, "*B P 2"]
    logits: Float[Tensor, "*B P K1"]
    offsets: Float[Tensor, "*B P 2"]
    refined_logits: Float[Tensor, "*B P K1"]
    quality: Float[Tensor, "*B P"]
    valid: Bool[Tensor, "*B P"]

    @property
    def corrected(self) -> Float[Tensor, "*B P 2"]:
        """Distances to start and end of the corrected segment."""
        return self.distances + self.distances.sum(-1, keepdim=True) / 2 * self.offsets


class Raw(NamedTuple):
    """What the head says at every point, finest level first; meaningless where not valid.

    distances, logits, offsets, refined_logits, quality: as in `Guesses`; distances in steps.
    fine: how likely each step is a start (channel 0) or an end (1), in [0, 1].
    coarse: the same of the positions of the finest level, by the branch of the distances
        (channels 0, 1) and of the scores (2, 3).
    valid, strides: of each level; strides in cells of the network's input.
    """

    distances: tuple[Float[Tensor, "B 2 _"], ...]
    logits: tuple[Float[Tensor, "B K1 _"], ...]
    offsets: tuple[Float[Tensor, "B 2 _"], ...]
    refined_logits: tuple[Float[Tensor, "B K1 _"], ...]
    quality: tuple[Float[Tensor, "B 1 _"], ...]
    fine: Padded
    coarse: Padded
    valid: tuple[Bool[Tensor, "B _"], ...]
    strides: tuple[int, ...]

    @property
    def guesses(self) -> Guesses:
        """What is said of all points, behind one another, in float32 at least."""
        fields = (self.distances, self.logits, self.offsets, self.refined_logits, self.quality)
        distances, logits, offsets, refined_logits, quality = (
            full(torch.cat(field, 2)).mT for field in fields
        )
        valid = torch.cat(self.valid, 1)
        return Guesses(distances, logits, offsets, refined_logits, quality[..., 0], valid)


class Lesson(NamedTuple):
    """What the points of a window learn.

    labels: of the action that each finds, counted from 1; 0 for background.
    refined_labels: the same of those whose guess is good enough to be corrected, 0 else.
    distances: to start and end of the action; they count where a point finds one.
    """

    labels: Int64[Tensor, " P"]
    refined_labels: Int64[Tensor, " P"]
    distances: Float[Tensor, "P 2"]


def around(distances: Float[Tensor, "*S 2"]) -> Float[Tensor, "*S 2"]:
    """The segments that begin and end at these distances from 0."""
    return distances * distances.new_tensor([-1.0, 1.0])


def full(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """In float32 at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@torch.no_grad()
def lesson(
    points: Points,
    guesses: Guesses,
    actions: Float[Tensor, "N 2"],
    labels: Int64[Tensor, " N"],
    *,
    refined_iou: float,
) -> Lesson:
    """Give every point the shortest action that it lies in and that is in its reach.

    Of equally short actions the first.  Those whose guess overlaps their action by at least
    `refined_iou` learn to correct it; if there are none, those whose guess is the best.

    Args:
        guesses: of one window; those that are not valid find nothing.
        labels: of the actions, from 0.

    Source: the matching of AFSD's code.
    """
    since = points.places[:, None] - actions[:, 0]  # (P, N)
    until = actions[:, 1] - points.places[:, None]
    farther = torch.maximum(since, until)
    reached = (points.near[:, None] < farther) & (farther <= points.far[:, None])
    found = reached & (since >= 0) & (until >= 0) & guesses.valid[:, None]

    # Action 0 is "nothing", which is longer than any other: it is the answer where there is none.
    lengths = torch.where(found, since + until, torch.inf)
    action = F.pad(lengths, (1, 0), value=torch.inf).argmin(1)  # (P,)
    label = F.pad(labels + 1, (1, 0))[action]
    start, end = F.pad(actions, (0, 0, 1, 0))[action].unbind(1)
    distances = torch.stack([points.places - start, end - points.places], 1)

    overlap = paired_iou(around(guesses.distances), around(distances)) * (action > 0)  # (P,)
    enough = torch.clamp(overlap.max(), max=refined_iou)
    return Lesson(label, torch.where(overlap >= enough, label, 0), distances)


def point_losses(
    guesses: Guesses, learned: Lesson, *, alpha: float, gamma: float, quality_moves: bool
) -> Losses:
    """How far the points of one window are from what they learn.

    Each is a sum over points, divided by how many find an action or, of what is refined, how many
    learn to correct their guess; at least by one.

    Args:
        alpha, gamma: of `softmax_focal`.
        quality_moves: whether the loss of the quality has a gradient for the segments too.

    Returns:
        `regression`, 1 - gIoU of the guesses; `refined_regression`, smooth L1 of the offsets;
        `classification` and `refined_classification`, focal, of all valid points; `quality`, the
        cross entropy with the overlap of the corrected segment with its action.
    """
    found, refined = learned.labels > 0, learned.refined_labels > 0
    count, refined_count = (which.sum().clamp(min=1) for which in (found, refined))
    focal = partial(softmax_focal, alpha=alpha, gamma=gamma)
    wanted = around(learned.distances)

    distances = guesses.distances.detach()
    lacking = (learned.distances - distances) / (distances.sum(-1, keepdim=True) / 2)  # (P, 2)
    lacking = torch.where(refined[:, None], lacking, 0)
    correction = F.smooth_l1_loss(guesses.offsets, lacking, reduction="none").sum(-1)

    overlap = paired_iou(around(guesses.corrected), wanted)
    overlap = overlap if quality_moves else overlap.detach()
    quality = F.binary_cross_entropy_with_logits(guesses.quality, overlap, reduction="none")

    regression = giou(around(guesses.distances), wanted)
    classification = focal(guesses.logits, learned.labels)
    reclassification = focal(guesses.refined_logits, learned.refined_labels)
    return {
        "regression": (regression * found).sum() / count,
        "classification": (classification * guesses.valid).sum() / count,
        "refined_regression": (correction * refined).sum() / refined_count,
        "refined_classification": (reclassification * guesses.valid).sum() / refined_count,
        "quality": (quality * found).sum() / count,
    }


def boundary_maps(actions: Float[Tensor, "N 2"], valid: Bool[Tensor, " T"]) -> Float[Tensor, "2 T"]:
    """1 at every place near a start (row 0) or an end (row 1) of an action, else 0.

    Near is half of a tenth of the action's length, but at least 1, to both sides, rounded; the
    first and last valid place stand for all that lies beyond.

    Source: AFSD's code.
    """
    place = torch.arange(len(valid), device=valid.device)
    first = torch.where(valid, place, len(valid) - 1).min()
    last = torch.where(valid, place, 0).max()
    reach = ((actions[:, 1] - actions[:, 0]) / 10).clamp(min=2) / 2  # (N,)
    since = (actions.T - reach).round().clamp(first, last)  # (2, N)
    until = (actions.T + reach).round().clamp(first, last)
    near = (since[..., None] <= place) & (place <= until[..., None])  # (2, N, T)
    return near.any(1).to(actions.dtype)


def boundary_losses(
    likely: Float[Tensor, "B 2 T"], wanted: Float[Tensor, "B 2 T"], valid: Bool[Tensor, "B T"]
) -> Float[Tensor, "2"]:
    """Cross entropies of starts and ends, means over the valid places of a video and over videos.

    Args:
        likely: in [0, 1].
        wanted: as `boundary_maps` has them.
    """
    eps = torch.finfo(likely.dtype).eps
    p = likely.clamp(eps, 1 - eps)
    entropy = -(wanted * p.log() + (1 - wanted) * (1 - p).log())
    share = valid / valid.sum(1, keepdim=True).clamp(min=1)  # (B, T)
    return mean_over_all((entropy * share[:, None]).sum(-1))
