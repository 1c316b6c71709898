"""Of candidates that show the same action, keep one: three ways.

All three work class by class: the surest candidate of a class is kept, those that overlap it are
dropped (`nms`), lose score (`soft_nms`) or are averaged with it (`non_maximum_weighting`), and so
on with what remains.  The classes do not see each other and are treated at once, one candidate of
each per round; what they keep is then put in order by score.

Of candidates with equal scores the first goes first, and of classes the lower; so the result is the
same on every machine.  None of the functions has a gradient.

Shapes: N candidates, K classes, n candidates of the largest class, R rounds, M kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from untrimmed.nn.ops.segments import paired_iou


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
    classes = _by_class(segments, scores, threshold=threshold)
    rounds = _rounds(classes, partial(_drop, iou=iou), limit=limit)
    return _merged(classes, (turn.pick for turn in rounds), limit=limit)


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
            each class is kept in any case.
        threshold: a candidate scores more than this before anything is lowered, at least 0.
        limit: how many to keep, over all classes; all, if None.

    Source: Bodla et al., ICCV 2017, sec. 3.
    """
    _check(iou=iou, threshold=threshold, limit=limit)
    if not sigma > 0:
        raise ValueError(f"a sigma of {sigma}; it must be above 0")
    weaken: dict[str, _Weaken] = {
        "gaussian": partial(_fade, sigma=sigma, min_score=min_score),
        "linear": partial(_shrink, iou=iou, min_score=min_score),
    }
    classes = _by_class(segments, scores, threshold=threshold)
    rounds = _rounds(classes, weaken[method], limit=limit)
    return _merged(classes, (turn.pick for turn in rounds), limit=limit)


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
    classes = _by_class(segments, scores, threshold=threshold)
    rounds = _rounds(classes, partial(_drop, iou=iou), limit=limit)
    return _merged(classes, (_averaged(classes, turn) for turn in rounds), limit=limit)


def _check(*, iou: float, threshold: float, limit: int | None) -> None:
    if not 0 < iou <= 1:
        raise ValueError(f"an intersection over union of {iou}; it must be in (0, 1]")
    if not threshold >= 0:
        raise ValueError(f"a threshold of {threshold}; it must be at least 0")
    if limit is not None and limit < 1:
        raise ValueError(f"a limit of {limit}; it must be at least 1, or None to keep all")


_Weaken = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From scores and overlaps with the surest (K, n) to new scores, and which may stay."""


def _drop(scores: Tensor, overlap: Tensor, *, iou: float) -> tuple[Tensor, Tensor]:
    return scores, overlap < iou


def _fade(
    scores: Tensor, overlap: Tensor, *, sigma: float, min_score: float
) -> tuple[Tensor, Tensor]:
    scores = scores * torch.exp(-overlap.square() / sigma)
    return scores, scores >= min_score


def _shrink(
    scores: Tensor, overlap: Tensor, *, iou: float, min_score: float
) -> tuple[Tensor, Tensor]:
    scores = scores * torch.where(overlap >= iou, 1 - overlap, 1.0)
    return scores, scores >= min_score


class _Classes(NamedTuple):
    """Candidates class by class, surest first; not alive behind the last one of a class."""

    segments: Float[Tensor, "K n 2"]
    scores: Float[Tensor, "K n"]
    alive: Bool[Tensor, "K n"]
    origin: Int64[Tensor, "K n"]


class _Pick(NamedTuple):
    """The surest of every class; a class that is exhausted has the score -1."""

    segments: Float[Tensor, "K 2"]
    scores: Float[Tensor, " K"]
    origin: Int64[Tensor, " K"]


class _Round(NamedTuple):
    """What happens in every class because of the pick.

    overlap: IoU with the pick; 1 for the pick itself.
    dropped: true for those that are out from now on, the pick among them.
    """

    pick: _Pick
    overlap: Float[Tensor, "K n"]
    dropped: Bool[Tensor, "K n"]


def _by_class(
    segments: Float[Tensor, "N 2"], scores: Float[Tensor, "N *K"], *, threshold: float
) -> _Classes:
    if scores.ndim == 1:
        scores = scores[:, None]
    alive = scores > threshold
    ranked, order = scores.where(alive, -1).sort(dim=0, descending=True, stable=True)
    n = int(alive.sum(0).max())
    ranked, order = ranked[:n].T.contiguous(), order[:n].T.contiguous()  # (K, n)
    return _Classes(segments[order], ranked, ranked > threshold, order)


def _rounds(classes: _Classes, weaken: _Weaken, *, limit: int | None) -> Iterator[_Round]:
    """Take the surest of every class, weaken the others, and so on.

    Ends when none is alive.  Scores fall from round to round, so it also ends when as many as
    the limit of all classes are better than whatever remains.
    """
    segments, scores, alive, origin = classes
    tops: list[Tensor] = []
    for _ in range(scores.shape[1]):
        top, place = scores.where(alive, -1).max(1, keepdim=True)  # the first of equal ones
        if top.max() < _least(tops, limit=limit):
            return
        tops.append(top)
        surest = segments.gather(1, place[..., None].expand(-1, -1, 2))  # (K, 1, 2)
        overlap = paired_iou(segments, surest).scatter(1, place, 1.0)
        scores, strong = weaken(scores, overlap)
        left = (alive & strong).scatter(1, place, False)
        pick = _Pick(surest[:, 0], top[:, 0], origin.gather(1, place)[:, 0])
        yield _Round(pick, overlap, alive & ~left)
        alive = left


def _least(tops: list[Float[Tensor, "K 1"]], *, limit: int | None) -> float:
    """The score that must be reached to be among the limit best of all so far."""
    if limit is None or not tops or len(tops) * len(tops[0]) < limit:
        return 0.0
    return max(0.0, float(torch.cat(tops).flatten().topk(limit).values[-1]))


def _averaged(classes: _Classes, turn: _Round) -> _Pick:
    """The pick with the mean of all that it drops in its place."""
    weight = (classes.scores * turn.overlap).where(turn.dropped, 0)  # (K, n)
    share = weight / weight.sum(1, keepdim=True)  # 1 if it drops itself alone: it stays as it is
    return turn.pick._replace(segments=(share[..., None] * classes.segments).sum(1))


def _merged(classes: _Classes, picks: Iterable[_Pick], *, limit: int | None) -> Kept:
    """What all classes keep, in one order."""
    K = len(classes.scores)
    nothing = _Pick(
        classes.segments.new_zeros(K, 2),
        classes.scores.new_full((K,), -1),
        classes.origin.new_zeros(K),
    )
    # Not by round but by class, so that the lower class goes first where scores are equal.
    segments, scores, origin = (
        torch.stack(field, 1).flatten(0, 1) for field in zip(nothing, *picks, strict=True)
    )  # (KR, ...)
    labels = torch.arange(K, device=scores.device).repeat_interleave(len(scores) // K)

    order = scores.argsort(descending=True, stable=True)
    order = order[: int((scores >= 0).sum())][:limit]
    return Kept(segments[order], scores[order], labels[order], origin[order])
