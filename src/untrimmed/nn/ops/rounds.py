"""Take the surest candidate of every class, weaken the others, and so on.

How much the others lose, and what becomes of those that were taken, is in `nn.ops.nms`.

Shapes: N candidates, K classes, n candidates of the largest class, R rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Weaken = Callable[[Tensor, Tensor], Tensor]
"""From scores and overlaps with the surest (K, n) to new scores, below 0 where dropped.

The overlaps are used up.
"""


class Classes(NamedTuple):
    """Candidates class by class, each in the order given.

    lengths: above 0, so that two without length have a union.
    scores: -1 where there is none: behind the last of a class, or gone.
    starts: infinite behind the last and where one was picked, so that it overlaps nothing and
        its score stays.
    """

    starts: Float[Tensor, "K n"]
    ends: Float[Tensor, "K n"]
    lengths: Float[Tensor, "K n"]
    scores: Float[Tensor, "K n"]
    origin: Int64[Tensor, "K n"]


class Pick(NamedTuple):
    """The surest of every class; a score of -1 if nothing was left of it."""

    starts: Float[Tensor, "K 1"]
    ends: Float[Tensor, "K 1"]
    scores: Float[Tensor, "K 1"]
    origin: Int64[Tensor, "K 1"]


class Round(NamedTuple):
    """What is picked, of what, and how much that overlaps it; 1 for itself."""

    pick: Pick
    left: Classes
    overlap: Float[Tensor, "K n"]


def by_class(
    segments: Float[Tensor, "N 2"], scores: Float[Tensor, "N *K"], *, threshold: float
) -> Classes:
    """The candidates that score more than `threshold`; with scores (N,) all are of one class."""
    if scores.ndim == 1:
        scores = scores[:, None]
    likely = scores > threshold
    counts = likely.sum(0)
    labels, rows = likely.T.nonzero(as_tuple=True)  # class by class
    place = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[labels]
    shape = len(counts), int(counts.max())  # (K, n)
    origin = rows.new_zeros(shape).index_put((labels, place), rows)
    ranked = scores.new_full(shape, -1).index_put((labels, place), scores[rows, labels])
    starts, ends = (side[origin] for side in segments.unbind(1))
    lengths = (ends - starts).clamp_(min=torch.finfo(ends.dtype).tiny)
    return Classes(starts.masked_fill(ranked < 0, torch.inf), ends, lengths, ranked, origin)


def rounds(
    classes: Classes, weaken: Weaken, *, limit: int | None, min_score: float = 0.0
) -> Iterator[Round]:
    """Take the surest of every class, weaken the others, and so on.

    Ends when nothing is left.  Scores fall from round to round, so it also ends when as many as
    the limit of all classes are better than whatever remains.  A class that has come below
    `min_score` goes on beside the others; the caller leaves out what it picks then.  A round holds
    until the next is asked for; the classes are used up.
    """
    left, least = classes, 0.0
    count = classes.scores.shape[0]
    limited = limit is not None and limit < classes.scores.numel()
    tops, seen = classes.scores.new_empty(limit + count if limit and limited else 0), 0
    for number in range(classes.scores.shape[1]):
        if number and number % _TIDY_EVERY == 0:
            left = _tidied(left, min_score=min_score)
        top, place = left.scores.max(1, keepdim=True)  # the first of equal ones
        if float(top.max()) < least:
            return
        start, end, origin = (
            field.gather(1, place) for field in (left.starts, left.ends, left.origin)
        )
        overlap = _overlap(left, start, end).scatter_(1, place, 1.0)
        yield Round(Pick(start, end, top, origin), left, overlap)
        left.starts.scatter_(1, place, torch.inf)
        left = left._replace(scores=weaken(left.scores, overlap).scatter_(1, place, -1))

        if limit is not None and limited:
            tops[seen : seen + count] = top[:, 0]
            seen += count
            if seen >= limit:
                tops[:limit] = tops[:seen].topk(limit).values
                seen, least = limit, float(tops[limit - 1])
        least = max(least, min_score)


def joined(classes: Classes, picks: Iterable[Pick]) -> Pick:
    """The picks of all rounds side by side, (K, R).

    A few at a time are copied to where there is room: thousands of tiny tensors that outlive the
    large ones of their rounds tear the heap, 1.7 GB for 200,000 candidates.
    """
    stream, filled = iter(picks), 0
    together = min(64, 1 + _TORN // max(1, classes.starts.nbytes))
    kinds = (classes.starts, classes.ends, *classes[3:])
    buffers = [field.new_empty(len(field), 256) for field in kinds]
    while some := list(islice(stream, together)):
        if filled + len(some) > buffers[0].shape[1]:
            buffers = [torch.cat([buffer, torch.empty_like(buffer)], 1) for buffer in buffers]
        for buffer, fields in zip(buffers, zip(*some, strict=True), strict=True):
            torch.cat(fields, 1, out=buffer[:, filled : filled + len(some)])
        filled += len(some)
    return Pick(*(buffer[:, :filled] for buffer in buffers))


_TIDY_EVERY = 16
"""Rounds between two looks at how much is left."""


def _tidied(left: Classes, *, min_score: float) -> Classes:
    """The same in a smaller array, if a quarter of it is of no use any more."""
    gone = left.scores < min_score
    count = gone.shape[1] - int(gone.sum(1).min())
    if not 0 < count <= 0.75 * gone.shape[1]:
        return left
    order = gone.byte().argsort(dim=1, stable=True)[:, :count]
    return Classes(*(field.gather(1, order) for field in left))


def _overlap(
    left: Classes, start: Float[Tensor, "K 1"], end: Float[Tensor, "K 1"]
) -> Float[Tensor, "K n"]:
    inside = torch.minimum(left.ends, end).sub_(torch.maximum(left.starts, start)).clamp_(min=0)
    return inside.div_((left.lengths + (end - start)).sub_(inside))


_TORN = 2**20
"""Bytes of the heap, a few times this, that may lie torn between two copies."""
