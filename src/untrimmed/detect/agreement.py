"""How far apart two runs of the same detector are, by what they find.

Rounding may bring a score to either side of a bound, and change the order of equal ones; what
stands in one list and is too near to a bound to be expected in the other is not counted.

Shapes: N and M detections.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from untrimmed.core.detections import Detections


def difference(
    a: Detections, b: Detections, *, least_score: float, most: int, bound: float
) -> float:
    """The largest distance from a detection of one list to the nearest in the other.

    A distance is the larger of the differences in score, in start and in end; times in seconds, or
    in parts of the time itself where it is later than a second.  Infinite if one list has a class
    that the other lacks; 0 if both have nothing.

    Args:
        least_score, most: what bounds a list; detections whose score is within `bound` of either
            cut need no partner.
    """
    return max(
        _farthest(one, other, least_score=least_score, most=most, bound=bound)
        for one, other in ((a, b), (b, a))
    )


def _farthest(
    some: Detections, others: Detections, *, least_score: float, most: int, bound: float
) -> float:
    cut = max(least_score, some.scores.min() if len(some) >= most else 0.0) + bound
    some = some[some.scores > cut]
    farthest = 0.0
    for label in np.unique(some.labels):
        one, other = some[some.labels == label], others[others.labels == label]
        if not len(other):
            return np.inf
        farthest = max(farthest, _distances(one, other).min(1).max())
    return farthest


def _distances(a: Detections, b: Detections) -> Float64[np.ndarray, "N M"]:
    scale = np.maximum(np.abs(a.segments_s), 1)[:, None]  # (N, 1, 2)
    times = np.abs(a.segments_s[:, None] - b.segments_s) / scale
    scores = np.abs(a.scores[:, None] - b.scores)
    found: Float64[np.ndarray, "N M"] = np.maximum(times.max(-1), scores)
    return found
