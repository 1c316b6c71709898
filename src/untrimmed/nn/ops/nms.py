"""Of candidates that show the same action, keep one: three ways, and a vote on where it lies.

All three work class by class: the surest candidate of a class is kept, those that overlap it are
dropped (`nms`), lose score (`soft_nms`) or are averaged with it (`non_maximum_weighting`), and so
on with what remains.  The classes do not see each other and are treated at once, one candidate of
each per round (`nn.ops.rounds`); what they keep is then put in order by score.  Scores of a single
class (N,) are suppressed regardless of class.

Of candidates with equal scores the first goes first, and of classes the lower; so the result is the
same on every machine.  None of the functions has a gradient.

Shapes: N candidates, K classes, n candidates of the largest class, R rounds, M kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from untrimmed.nn.ops.rounds import Classes, Pick, Round, Weaken, by_class, joined, rounds
from untrimmed.nn.ops.segments import iou as iou_of


class Kept(NamedTuple):
    """What is left, surest first.

    labels: the class, 0 if there is but one.
    origin: the row of the candidate that was kept.
    """

    segments: Float[Tensor, "M 2"]
    scores: Float[Tensor, " M"]
    labels: Int64[Tensor, " M"]
    origin: Int64[Tensor, " M"]


@torch.no_grad()
def nms(
    segments: Float[Tensor, "N 2"],
    scores: Float[Tensor, "N *K"],
    *,
    iou: float,
    threshold: float = 0.0,
    limit: int | None = None,
) -> Kept:
    """Keep the surest, drop what overlaps it by at least `iou`, and so on.

    Args:
        segments: in any unit; one without length overlaps nothing.
        scores: of one class (N,), or of every class (N, K): then a segment is a candidate of
            each class on its own.
        iou: least intersection over union at which two are the same, in (0, 1].
        threshold: a candidate scores more than this, at least 0.
        limit: how many to keep, over all classes; all, if None.

    Source: Felzenszwalb et al., TPAMI 2010.
    """
    _check(iou=iou, threshold=threshold, limit=limit)
    classes = by_class(segments, scores, threshold=threshold)
    turns = rounds(classes, partial(_drop, iou=iou), limit=limit)
    return _merged(classes, (turn.pick for turn in turns), limit=limit)


@torch.no_grad()
def soft_nms(
    segments: Float[Tensor, "N 2"],
    scores: Float[Tensor, "N *K"],
    *,
    method: Literal["gaussian", "linear"] = "gaussian",
    sigma: float = 0.5,
    iou: float = 0.3,
    min_score: float = 1e-3,
    threshold: float = 0.0,
    limit: int | None = None,
) -> Kept:
    """Keep the surest, lower the scores of the others by their overlap with it, and so on.

    Args:
        segments: in any unit; one without length overlaps nothing.
        scores: (N,) or (N, K), as in `nms`.  Those returned are what is left of them.
        method: a score is multiplied by exp(-IoU² / `sigma`), or by 1 - IoU where that IoU is
            at least `iou`.
        sigma: of the gaussian method alone, above 0.
        iou: of the linear method alone, in (0, 1].
        min_score: what falls below is dropped, also if nothing overlaps it; only the surest of
            each class is kept in any case.  At least 0.
        threshold: a candidate scores more than this before anything is lowered, at least 0.
        limit: how many to keep, over all classes; all, if None.

    Source: Bodla et al., ICCV 2017, sec. 3.
    """
    _check(iou=iou, threshold=threshold, limit=limit)
    if not sigma > 0:
        raise ValueError(f"a sigma of {sigma}; it must be above 0")
    if not min_score >= 0:
        raise ValueError(f"a min_score of {min_score}; it must be at least 0")
    weaken: dict[str, Weaken] = {
        "gaussian": partial(_fade, sigma=sigma),
        "linear": partial(_shrink, iou=iou),
    }
    classes = by_class(segments, scores, threshold=threshold)
    turns = rounds(classes, weaken[method], limit=limit, min_score=min_score)
    return _merged(classes, (turn.pick for turn in turns), limit=limit, min_score=min_score)


@torch.no_grad()
def non_maximum_weighting(
    segments: Float[Tensor, "N 2"],
    scores: Float[Tensor, "N *K"],
    *,
    iou: float,
    threshold: float = 0.0,
    limit: int | None = None,
) -> Kept:
    """Put in the place of the surest the mean of all that overlap it, drop these, and so on.

    The mean is weighted by score times IoU with the surest, which is itself one of them with an
    IoU of 1, even without length.  It has the score of the surest.

    Args:
        segments: in any unit; one without length overlaps no other.
        scores: (N,) or (N, K), as in `nms`.
        iou: least intersection over union at which two are the same, in (0, 1].
        threshold: a candidate scores more than this, at least 0.
        limit: how many to keep, over all classes; all, if None.

    Source: Zhou et al., "CAD", ICCV Workshops 2017.  DaoTAD and TALLFormer use it on THUMOS14
    with an IoU of 0.5, a threshold of 0.005 and a limit of 1200.
    """
    _check(iou=iou, threshold=threshold, limit=limit)
    classes = by_class(segments, scores, threshold=threshold)
    turns = rounds(classes, partial(_drop, iou=iou), limit=limit)
    return _merged(classes, map(partial(_averaged, iou=iou), turns), limit=limit)


@torch.no_grad()
def vote(
    kept: Kept,
    segments: Float[Tensor, "N 2"],
    scores: Float[Tensor, "N *K"],
    *,
    iou: float,
    threshold: float = 0.0,
) -> Kept:
    """Put in the place of each kept segment the mean of all candidates that overlap it.

    The mean is weighted by IoU with the kept one times the score before suppression; candidates
    of its class alone take part, dropped ones too.  What no candidate overlaps, as a segment
    without length, stays as it is.  Scores, labels and order stay.

    Args:
        kept: what suppression left of the candidates.
        segments: those that suppression was given.
        scores: those that suppression was given, (N,) or (N, K).
        iou: least intersection over union of a voter, in (0, 1].
        threshold: a candidate scores more than this, at least 0.

    Source: Gidaris & Komodakis, ICCV 2015, sec. 4; ActionFormer votes at 0.9 on ActivityNet.
    """
    _check(iou=iou, threshold=threshold, limit=None)
    if scores.ndim == 1:
        scores = scores[:, None]
    voices = scores.where(scores > threshold, 0).to(segments.dtype)
    sides = segments.T.contiguous().T  # all starts, then all ends: read faster
    voted = [kept.segments[:0]]
    for first in range(0, len(kept.labels), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        some, labels = kept.segments[part], kept.labels[part]
        overlap = iou_of(some, sides)  # (m, N)
        weight = overlap.where(overlap >= iou, 0) * voices.T[labels]
        total = weight.sum(1, keepdim=True)
        voted.append(torch.where(total > 0, (weight / total) @ segments, some))
    return kept._replace(segments=torch.cat(voted))


_AT_ONCE = 128
"""Kept segments that are compared with all candidates in one step; bounds the memory."""


def _check(*, iou: float, threshold: float, limit: int | None) -> None:
    if not 0 < iou <= 1:
        raise ValueError(f"an intersection over union of {iou}; it must be in (0, 1]")
    if not threshold >= 0:
        raise ValueError(f"a threshold of {threshold}; it must be at least 0")
    if limit is not None and limit < 1:
        raise ValueError(f"a limit of {limit}; it must be at least 1, or None to keep all")


def _drop(scores: Tensor, overlap: Tensor, *, iou: float) -> Tensor:
    return torch.where(overlap >= iou, -1.0, scores)


def _fade(scores: Tensor, overlap: Tensor, *, sigma: float) -> Tensor:
    return overlap.square_().mul_(-1 / sigma).exp_().mul_(scores)


def _shrink(scores: Tensor, overlap: Tensor, *, iou: float) -> Tensor:
    return torch.where(overlap >= iou, 1 - overlap, 1.0).mul_(scores)


def _averaged(turn: Round, *, iou: float) -> Pick:
    """The surest with the mean of all that it drops in its place."""
    starts, ends, _, scores, _ = turn.left
    dropped = (turn.overlap >= iou) & (scores >= 0)
    weight = (scores * turn.overlap).where(dropped, 0)  # (K, n)
    share = weight / weight.sum(1, keepdim=True)  # 1 if it drops itself alone: it stays as it is
    mean = [(share * side.where(dropped, 0)).sum(1, keepdim=True) for side in (starts, ends)]
    return turn.pick._replace(starts=mean[0], ends=mean[1])


def _merged(
    classes: Classes, picks: Iterable[Pick], *, limit: int | None, min_score: float = 0.0
) -> Kept:
    """What all classes keep, in one order; the first pick of a class whatever its score."""
    # Not by round but by class, so that the lower class goes first where scores are equal.
    starts, ends, scores, origin = joined(classes, picks)  # (K, R)
    kept = scores >= min_score
    kept[:, :1] = scores[:, :1] >= 0
    labels = kept.nonzero()[:, 0]
    order = scores[kept].argsort(descending=True, stable=True)[:limit]
    segments = torch.stack([starts[kept], ends[kept]], 1)
    return Kept(segments[order], scores[kept][order], labels[order], origin[kept][order])
