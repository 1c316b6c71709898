"""Average precision of detections.

The measure of THUMOS14, ActivityNet and the data sets after them.  This file knows no benchmark:
thresholds and splits are the caller's.  Which detection hits which action is `metrics.matching`.

Shapes: T thresholds, K classes, D detections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.matching import Matches, Ties, UnknownVideos, matches


@dataclass(frozen=True, eq=False)
class Scores:
    """Average precision by threshold and class.

    Args:
        tious: thresholds, T.
        classes: names, K.
        ap: in [0, 1]; NaN for a class without actions.
        protocol: the rules in one line, to print beside the numbers; empty if none were named.
    """

    tious: tuple[float, ...]
    classes: tuple[str, ...]
    ap: Float64[np.ndarray, "T K"]
    protocol: str = ""

    @property
    def mean_ap(self) -> Float64[np.ndarray, " T"]:
        """Mean over the classes that have actions; NaN if none has."""
        known = self.ap[:, ~np.isnan(self.ap).any(axis=0)]
        if not known.size:
            return np.full(len(self.tious), np.nan)
        return np.asarray(known.mean(axis=1))

    @property
    def average(self) -> float:
        """Mean of `mean_ap` over the thresholds, the "average mAP" of tables."""
        return float(self.mean_ap.mean())


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall of a class after each of its detections, surest first.

    Precision is as measured, without the interpolation that average precision adds.  Recall is
    NaN if the class has no actions.  Detections excused by ignored actions are left out.
    """

    recall: Float64[np.ndarray, " D"]
    precision: Float64[np.ndarray, " D"]
    scores: Float64[np.ndarray, " D"]


def average_precision(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tiou: float,
    classes: int,
    unknown_videos: UnknownVideos = "count",
    ties: Ties = "first",
) -> Float64[np.ndarray, " K"]:
    """Area under the interpolated precision-recall curve of each class.

    The detections of a class are taken in order of falling score over all videos together.  One
    is a hit if, among the actions of its class in its video that overlap it by at least `tiou`
    and are not yet hit, there is one; the most overlapping takes it.  All others are false
    alarms.

    Args:
        actions: ground truth by video; `segments_s` (N, 2) in seconds.  Ignored actions neither
            count nor punish: a false alarm that overlaps one of its class, or of the class
            `EVERY_CLASS`, by at least `tiou` is left out.
        detections: by video; `segments_s` (M, 2) in seconds, scores (M,) in any order.  A video
            without an entry has no detections.
        tiou: least intersection over union of a hit, in (0, 1].
        classes: K; labels are below it.
        unknown_videos: whether detections in videos that `actions` does not have count as false
            alarms, as in the official kit, or are dropped.
        ties: which of equal scores goes first, in the order of `detections`.

    Returns:
        Average precision in [0, 1]; NaN for a class without actions, so that a mean over classes
        must say what it does with them.

    Raises:
        ValueError: if a label is not below `classes`, or `tiou` is out of its range.

    Source: the ActivityNet evaluation kit, `eval_detection.py`; interpolation as in PASCAL VOC
    since 2010.  Its order of equal scores is not defined (unstable sort); with a stable one it is
    that of `ties="last"`.
    """
    names = [str(label) for label in range(classes)]
    table = scores(
        actions,
        detections,
        tious=[tiou],
        classes=names,
        unknown_videos=unknown_videos,
        ties=ties,
    )
    return np.asarray(table.ap[0])


def scores(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    classes: Sequence[str],
    unknown_videos: UnknownVideos = "count",
    ties: Ties = "first",
) -> Scores:
    """Average precision of every class at every threshold, as `average_precision` defines it.

    Raises:
        ValueError: if a label has no class, or a threshold is missing or out of (0, 1].
    """
    K = len(classes)
    check_labels(actions, detections, classes=K)
    by_class = matches(
        actions,
        detections,
        tious=tious,
        labels=range(K),
        unknown_videos=unknown_videos,
        ties=ties,
    )
    ap = np.zeros((len(tious), K))
    for label, found in enumerate(by_class):
        ap[:, label] = _area(found)
    return Scores(tuple(float(tiou) for tiou in tious), tuple(classes), ap)


def precision_recall(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tiou: float,
    label: int,
    unknown_videos: UnknownVideos = "count",
    ties: Ties = "first",
) -> Curve:
    """Precision and recall of one class as more and more detections are believed.

    Raises:
        ValueError: if `tiou` is not in (0, 1].
    """
    (found,) = matches(
        actions,
        detections,
        tious=[tiou],
        labels=[label],
        unknown_videos=unknown_videos,
        ties=ties,
    )
    counted = ~found.excused[0]
    hits = np.cumsum(found.hit[0] >= 0)
    recall = hits / found.actions if found.actions else np.full(len(hits), np.nan)
    return Curve(recall[counted], _precision(found)[0, counted], found.scores[counted])


def check_labels(
    actions: Mapping[str, Actions], detections: Mapping[str, Detections], *, classes: int
) -> None:
    """Refuse labels that have no class; those of ignored actions are free.

    Raises:
        ValueError: if a label is not in [0, classes).
    """
    counted = {id: some.labels[~some.ignored] for id, some in actions.items()}
    _check_labels(counted, "an action", classes)
    _check_labels({id: some.labels for id, some in detections.items()}, "a detection", classes)


def _precision(found: Matches) -> Float64[np.ndarray, "T D"]:
    """Share of hits among the detections so far; 0 while all of them are excused."""
    hits = np.cumsum(found.hit >= 0, axis=1)
    counted = np.cumsum(~found.excused, axis=1)
    return np.asarray(hits / np.maximum(counted, 1))


def _area(found: Matches) -> Float64[np.ndarray, " T"]:
    """Area under the interpolated curve of one class; NaN without actions.

    Recall grows by 1 / G at each hit and nowhere else, so the area is a sum over hits.
    """
    if not found.actions:
        return np.full(len(found.hit), np.nan)
    best_from_here = np.maximum.accumulate(_precision(found)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((best_from_here * (found.hit >= 0)).sum(axis=1) / found.actions)


def _check_labels(by_video: Mapping[str, Int64[np.ndarray, " N"]], kind: str, classes: int) -> None:
    for id, labels in by_video.items():
        wrong = labels[(labels < 0) | (labels >= classes)]
        if wrong.size:
            raise ValueError(
                f"video {id}: the label {wrong[0]} of {kind} is none of {classes} classes"
            )
