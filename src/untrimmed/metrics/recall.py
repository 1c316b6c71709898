"""How many actions are found at all, whatever is found beside them.

Two measures: recall of the k G surest detections where there are G actions (Ego4D Moment
Queries), and recall over the average number of proposals per video (ActivityNet).  In both, one
detection may find several actions and an action may be found by several, so this is not the
one-to-one matching of `metrics.matching`.  This file knows no benchmark: thresholds and splits
are the caller's.

Shapes: T thresholds, X multiples, K classes, N numbers of proposals, G actions, D detections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.core.segments import iou
from untrimmed.metrics.average_precision import check_labels


@dataclass(frozen=True, eq=False)
class TopRecall:
    """Recall of the surest detections by threshold, multiple and class.

    Args:
        tious: thresholds, T.
        multiples: how many detections per action are looked at, X.
        classes: names, K.
        recall: in [0, 1]; NaN for a class without actions.
    """

    tious: tuple[float, ...]
    multiples: tuple[int, ...]
    classes: tuple[str, ...]
    recall: Float64[np.ndarray, "T X K"]

    @property
    def mean(self) -> Float64[np.ndarray, "T X"]:
        """Mean over the classes that have actions; NaN if none has."""
        known = self.recall[..., ~np.isnan(self.recall).any(axis=(0, 1))]
        if not known.shape[-1]:
            return np.full(self.recall.shape[:-1], np.nan)
        return np.asarray(known.mean(axis=-1))


@dataclass(frozen=True, eq=False)
class ProposalRecall:
    """Recall over the average number of proposals per video.

    Args:
        tious: thresholds, T.
        proposals: average number per video: 1, 2, ... N.
        recall: in [0, 1]; NaN without actions.
    """

    tious: tuple[float, ...]
    proposals: Int64[np.ndarray, " N"]
    recall: Float64[np.ndarray, "T N"]

    @property
    def average(self) -> Float64[np.ndarray, " N"]:
        """Mean over the thresholds: AR@AN, with AN = 1 at position 0."""
        return np.asarray(self.recall.mean(axis=0))

    @property
    def area(self) -> float:
        """Area under AR over AN from 1 to N, divided by N; a perfect curve has (N - 1) / N."""
        return float(np.trapezoid(self.average, self.proposals) / self.proposals[-1])


def top_recall(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    classes: Sequence[str],
    multiples: Sequence[int] = (1, 5),
) -> TopRecall:
    """Recall@kx: share of actions found by the k G surest detections of class and video.

    Where a video has G actions of a class, its k G surest detections of that class are looked
    at.  An action is found if any of them overlaps it by at least the threshold.  Found actions
    of a class are divided by all of its actions, over all videos together.

    Args:
        actions: ground truth by video; ignored actions do not count.  A detection of one still
            takes its place among the surest.
        detections: by video; equal scores keep their order.  A video without an entry has no
            detections.  Detections where a video has no action of their class have no influence.
        tious: thresholds, least intersection over union, in (0, 1].
        classes: names, K; labels are below it.
        multiples: values of k.

    Returns:
        Recall; 0 for a class without detections, NaN for one without actions.

    Raises:
        ValueError: if a label has no class, a threshold is missing or out of (0, 1], or a
            multiple is below 1.

    Source: Grauman et al., CVPR 2022 (Ego4D), Moment Queries; ActionFormer's evaluation.
    """
    thresholds = _thresholds(tious)
    if min(multiples, default=1) < 1:
        raise ValueError(f"multiples must be 1 or more, got {tuple(multiples)}")
    counted = {id: some[~some.ignored] for id, some in actions.items()}
    check_labels(actions, detections, classes=len(classes))

    total = np.zeros(len(classes))
    recalled = np.zeros((len(thresholds), len(multiples), len(classes)))
    for id, truth in counted.items():
        found = detections.get(id, Detections.none()).by_score()
        for label in np.unique(truth.labels):
            segments = truth.segments_s[truth.labels == label]
            overlap = iou(segments, found.segments_s[found.labels == label])  # (G, D)
            for place, multiple in enumerate(multiples):
                best = overlap[:, : multiple * len(segments)].max(axis=1, initial=0.0)  # (G,)
                recalled[:, place, label] += (best >= thresholds[:, None]).sum(axis=1)
            total[label] += len(segments)
    recall = np.divide(recalled, total, out=np.full_like(recalled, np.nan), where=total > 0)
    return TopRecall(tuple(thresholds.tolist()), tuple(multiples), tuple(classes), recall)


def proposal_recall(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    limit: int = 100,
) -> ProposalRecall:
    """Share of actions found by 1 to `limit` proposals per video, on average over videos.

    The number is an average: every video gives the same share of its own proposals, surest
    first, so that a video with many may give more than the number and one with few less.  Once
    all proposals are given, recall stays.  Classes do not matter.

    Args:
        actions: ground truth by video; ignored actions do not count, and videos without actions
            are left out with their detections.
        detections: by video, taken as proposals; equal scores keep their order.  A segment that
            is listed once per class counts once per class: make it one beforehand.
        tious: thresholds, least intersection over union, in (0, 1]; ActivityNet has 0.5 to 0.95
            by 0.05.
        limit: N, the largest average number of proposals.

    Returns:
        Recall; 0 without detections, NaN without actions.

    Raises:
        ValueError: if a threshold is missing or out of (0, 1], or `limit` is below 1.

    Source: the ActivityNet evaluation kit, proposals (AR@AN and its area, which tables give in
    %).  Its order of equal scores is not defined (unstable sort).
    """
    thresholds = _thresholds(tious)
    if limit < 1:
        raise ValueError(f"a limit of {limit} proposals: it must be 1 or more")
    truth = {id: some.segments_s[~some.ignored] for id, some in actions.items()}
    truth = {id: segments for id, segments in truth.items() if len(segments)}
    given = {id: detections.get(id, Detections.none()).by_score().segments_s for id in truth}
    numbers = np.arange(1, limit + 1)
    available = np.array([len(given[id]) for id in truth])  # (V,)
    wanted = _given(available, numbers)  # (V, N)

    found = np.zeros((len(thresholds), limit))
    for id, first in zip(truth, wanted, strict=True):
        overlap = iou(truth[id], given[id])  # (G, D)
        best = np.maximum.accumulate(np.pad(overlap, ((0, 0), (1, 0))), axis=1)  # (G, 1 + D)
        found += (best[:, first] >= thresholds[:, None, None]).sum(axis=1)
    total = sum(len(segments) for segments in truth.values())
    recall = found / total if total else np.full_like(found, np.nan)
    return ProposalRecall(tuple(thresholds.tolist()), numbers, recall)


def _given(
    available: Int64[np.ndarray, " V"], numbers: Int64[np.ndarray, " N"]
) -> Int64[np.ndarray, "V N"]:
    """How many proposals each video gives for each average number.

    First all videos are cut alike to `numbers[-1]` on average, then shares of what is left are
    taken.  Both round down in floating point, in the order of operations of the official kit:
    0.29 of 100 proposals are 28 there, and so they are here.
    """
    limit = int(numbers[-1])
    most = float(limit) * len(available)
    # max(1): without proposals the shares are of nothing
    kept = np.minimum((available * (most / max(1, available.sum()))).astype(int), available)
    shares = numbers / float(limit) * (most / max(1, kept.sum()))
    return np.asarray(np.minimum((kept[:, None] * shares).astype(int), kept[:, None]))


def _thresholds(tious: Sequence[float]) -> Float64[np.ndarray, " T"]:
    thresholds = np.asarray(tious, dtype=np.float64)
    if not thresholds.size or not ((thresholds > 0) & (thresholds <= 1)).all():
        raise ValueError(f"thresholds must be in (0, 1], got {tuple(tious)}")
    return thresholds
