"""Average precision as the THUMOS14 challenge measured it.

Not the measure of today's tables, which is `metrics.average_precision`; the two differ by points.
Here the actions choose among the detections, a hit overlaps by *more* than the threshold, any
overlap with an ambiguous segment excuses a false alarm, and precision is not interpolated.

Source: Jiang et al., "THUMOS Challenge: Action Recognition with a Large Number of Classes"
(2014), evaluation of temporal detection; its development kit, `TH14eventdetpr.m`.

Shapes: T thresholds, K classes, D detections of a class, G its actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float64

from untrimmed.core.actions import EVERY_CLASS, Actions
from untrimmed.core.detections import Detections
from untrimmed.core.segments import iou
from untrimmed.metrics.average_precision import Scores, check_labels


def scores(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    classes: Sequence[str],
) -> Scores:
    """Average precision of every class at every threshold.

    In each video the actions of a class take turns, in their order: each takes, among the
    detections not yet taken, the one that overlaps it most, if by more than the threshold.  A
    detection that no action took is a false alarm, unless it overlaps an ignored action of its
    class, or of the class `EVERY_CLASS`, however little.  Average precision is the mean over the
    actions of the precision at the detection each took, 0 for those that took none.

    Of equal overlaps the surer detection is taken.  Of equal scores the video first by name goes
    first, then the detection first in its video.  Videos without actions count.

    Raises:
        ValueError: if a label has no class, or a threshold is missing or not in (0, 1).
    """
    thresholds = np.asarray(tious, dtype=np.float64)
    if not thresholds.size or not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError(f"thresholds must be in (0, 1), got {tuple(tious)}")
    check_labels(actions, detections, classes=len(classes))
    ap = [_average_precision(actions, detections, k, thresholds) for k in range(len(classes))]
    table = np.reshape(ap, (len(classes), len(thresholds))).T  # (T, K)
    return Scores(tuple(thresholds.tolist()), tuple(classes), table)


def _average_precision(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    label: int,
    thresholds: Float64[np.ndarray, " T"],
) -> Float64[np.ndarray, " T"]:
    """That of one class; NaN without actions."""
    counts = [np.count_nonzero((some.labels == label) & ~some.ignored) for some in actions.values()]
    if not any(counts):
        return np.full(len(thresholds), np.nan)
    score = [np.zeros(0)]
    taken = [np.zeros((len(thresholds), 0), bool)]
    excused = [np.zeros(0, bool)]
    for id in sorted(detections):
        found = detections[id][detections[id].labels == label].by_score()
        truth = actions.get(id, Actions.none())
        own = truth.labels == label
        excusing = truth.ignored & (own | (truth.labels == EVERY_CLASS))
        overlap = iou(truth.segments_s, found.segments_s)  # (N, D)
        score.append(found.scores)
        taken.append(_taken(overlap[own & ~truth.ignored], thresholds))
        excused.append((overlap[excusing] > 0).any(axis=0))
    ranked = np.argsort(-np.concatenate(score), kind="stable")
    hit = np.concatenate(taken, axis=1)[:, ranked]  # (T, D)
    counted = hit | ~np.concatenate(excused)[ranked]
    precision = hit.cumsum(axis=1) / np.maximum(counted.cumsum(axis=1), 1)
    return np.asarray((precision * hit).sum(axis=1) / sum(counts))


def _taken(
    overlap: Float64[np.ndarray, "G D"], thresholds: Float64[np.ndarray, " T"]
) -> Bool[np.ndarray, "T D"]:
    """Which detections, surest first, the actions of one video take at each threshold."""
    taken = np.zeros((len(thresholds), overlap.shape[1]), bool)
    if not taken.size:
        return taken
    everyone = np.arange(len(thresholds))
    for row in overlap:
        free = np.where(taken, 0.0, row)  # (T, D)
        best = free.argmax(axis=1)
        taken[everyone, best] |= free[everyone, best] > thresholds
    return taken
