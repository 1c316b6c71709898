"""What a user sees once detections below some score are hidden, and whether scores can be believed.

Average precision asks for an order only; whoever uses detections needs a threshold.  This file
counts hits and false alarms at thresholds, finds those of the largest F1, and compares scores
with how often detections are right.  Which detection hits which action is `metrics.matching`:
as the surest choose first, hiding the less sure changes nothing about the others.

A threshold chosen on the videos that it is judged by flatters: choose on others.

Shapes: K classes, D detections, N bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import ArrayLike

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.average_precision import check_labels
from untrimmed.metrics.matching import Matches, UnknownVideos, matches


@dataclass(frozen=True)
class Counts:
    """Outcomes of the detections that are shown.

    Args:
        hits: detections that hit an action.
        false_alarms: those that hit nothing and are not excused by an ignored action.
        missed: actions that none hits.
    """

    hits: int
    false_alarms: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of hits among detections; NaN if none is shown."""
        return _share(self.hits, self.hits + self.false_alarms)

    @property
    def recall(self) -> float:
        """Share of actions that are hit; NaN without actions."""
        return _share(self.hits, self.hits + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall: 0 without hits, NaN if there is nothing at all."""
        return _share(2 * self.hits, 2 * self.hits + self.false_alarms + self.missed)


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """Outcomes by class, if detections of a class with less than its least score are hidden.

    Args:
        tiou: least intersection over union of a hit.
        classes: names, K.
        least_scores: of what is shown of each class; infinite if nothing is.
        by_class: outcomes, K.
    """

    tiou: float
    classes: tuple[str, ...]
    least_scores: Float64[np.ndarray, " K"]
    by_class: tuple[Counts, ...]

    @property
    def overall(self) -> Counts:
        """Of all classes together, false alarms of classes without actions among them."""
        return Counts(
            sum(counts.hits for counts in self.by_class),
            sum(counts.false_alarms for counts in self.by_class),
            sum(counts.missed for counts in self.by_class),
        )

    @property
    def mean_f1(self) -> float:
        """Mean of F1 over the classes that have actions; NaN if none has."""
        known = [counts.f1 for counts in self.by_class if counts.hits + counts.missed]
        return float(np.mean(known)) if known else float("nan")


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often detections of some score are right.

    Args:
        tiou: least intersection over union of being right.
        borders: of N bins of score, from 0 to 1; a bin has its upper border and not its lower
            one, but for the first, which has both.
        detections: how many are in each bin.
        score: their mean score; NaN in an empty bin.
        precision: their share of hits; NaN in an empty bin.
    """

    tiou: float
    borders: Float64[np.ndarray, " N+1"]
    detections: Int64[np.ndarray, " N"]
    score: Float64[np.ndarray, " N"]
    precision: Float64[np.ndarray, " N"]

    @property
    def error(self) -> float:
        """Expected calibration error: mean of |precision - score| over detections, bin by bin.

        In [0, 1], 0 if scores are probabilities; NaN without detections.
        """
        used = self.detections > 0
        gap = np.abs(self.precision - self.score)[used]
        return _share((self.detections[used] * gap).sum(), self.detections.sum())


def operating_point(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tiou: float,
    classes: Sequence[str],
    least_score: ArrayLike,
    unknown_videos: UnknownVideos = "count",
) -> OperatingPoint:
    """Hits, false alarms and missed actions of the detections with some score or more.

    Args:
        actions: ground truth by video.  Ignored actions neither count nor punish, as in average
            precision.
        detections: by video; of equal scores the first goes first.
        tiou: least intersection over union of a hit, in (0, 1].
        classes: names, K; labels are below it.
        least_score: one for all classes, or (K,) one for each.
        unknown_videos: whether detections in videos that `actions` does not have count as false
            alarms or are dropped.

    Raises:
        ValueError: if a label has no class, `tiou` is out of its range, or `least_score` is
            neither one number nor K.
    """
    least_scores = np.asarray(least_score, dtype=np.float64)
    if least_scores.shape not in ((), (len(classes),)):
        raise ValueError(f"{least_scores.shape} least scores for {len(classes)} classes")
    least_scores = np.broadcast_to(least_scores, len(classes)).copy()
    by_class = []
    for found, least in zip(
        _matches(actions, detections, tiou, len(classes), unknown_videos),
        least_scores,
        strict=True,
    ):
        right, counted = _flags(found)
        shown = found.scores >= least
        hits, all_shown = int((right & shown).sum()), int((counted & shown).sum())
        by_class.append(Counts(hits, all_shown - hits, found.actions - hits))
    return OperatingPoint(tiou, tuple(classes), least_scores, tuple(by_class))


def best_thresholds(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tiou: float,
    classes: int,
    unknown_videos: UnknownVideos = "count",
) -> Float64[np.ndarray, " K"]:
    """The least score of each class that gives its largest F1.

    Each is the score of a detection; of several as good the highest.  Infinite where no
    threshold gives a hit, as in a class without actions: it is best not shown.

    Args and errors are those of `operating_point`; `classes` is K.
    """
    by_class = _matches(actions, detections, tiou, classes, unknown_videos)
    return np.array([_best(found.scores, *_flags(found), found.actions) for found in by_class])


def best_threshold(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tiou: float,
    classes: int,
    unknown_videos: UnknownVideos = "count",
) -> float:
    """The one least score that gives the largest F1 of all classes together.

    As `best_thresholds`, for those who turn one knob.
    """
    by_class = _matches(actions, detections, tiou, classes, unknown_videos)
    scores, right, counted = _together(by_class)
    order = np.argsort(-scores, kind="stable")
    total = sum(found.actions for found in by_class)
    return _best(scores[order], right[order], counted[order], total)


def calibration(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tiou: float,
    classes: int,
    bins: int = 10,
    unknown_videos: UnknownVideos = "count",
) -> Calibration:
    """How well scores say how probable a hit is, over detections of all classes together.

    A second detection of an action is wrong, as in average precision.  Detections excused by
    ignored actions are left out.

    Args:
        bins: N, all of equal width.

    The others are those of `operating_point`; `classes` is K.

    Raises:
        ValueError: if a score is not in [0, 1], there is no bin, a label has no class, or `tiou`
            is out of its range.

    Source: Guo et al., ICML 2017, sec. 2, eqs. 2 and 3 (they classify; here "correct" is a hit).
    """
    if bins < 1:
        raise ValueError(f"{bins} bins: there must be 1 or more")
    scores, right, counted = _together(_matches(actions, detections, tiou, classes, unknown_videos))
    wrong = scores[(scores < 0) | (scores > 1)]
    if wrong.size:
        raise ValueError(f"a probability is in [0, 1]; there is a score of {wrong[0]}")
    scores, right = scores[counted], right[counted]
    borders = np.linspace(0.0, 1.0, bins + 1)
    bin_of = np.clip(np.searchsorted(borders, scores, side="left") - 1, 0, bins - 1)
    size = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):  # of an empty bin the mean is NaN
        score, precision = (np.bincount(bin_of, some, bins) / size for some in (scores, right))
    return Calibration(tiou, borders, size, score, precision)


def _matches(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    tiou: float,
    classes: int,
    unknown_videos: UnknownVideos,
) -> list[Matches]:
    check_labels(actions, detections, classes=classes)
    return matches(
        actions, detections, tious=[tiou], labels=range(classes), unknown_videos=unknown_videos
    )


def _flags(found: Matches) -> tuple[Bool[np.ndarray, " D"], Bool[np.ndarray, " D"]]:
    """Which detections hit, and which count."""
    return np.asarray(found.hit[0] >= 0), ~found.excused[0]


def _together(
    by_class: Sequence[Matches],
) -> tuple[Float64[np.ndarray, " D"], Bool[np.ndarray, " D"], Bool[np.ndarray, " D"]]:
    """Scores of all classes, class by class; which detections hit, and which count."""
    right, counted = zip(*map(_flags, by_class), strict=True) if by_class else ((), ())
    none = np.zeros(0, bool)
    return (
        np.concatenate([np.zeros(0), *(found.scores for found in by_class)]),
        np.concatenate([none, *right]),
        np.concatenate([none, *counted]),
    )


def _best(
    scores: Float64[np.ndarray, " D"],
    right: Bool[np.ndarray, " D"],
    counted: Bool[np.ndarray, " D"],
    actions: int,
) -> float:
    """The score, among falling ones, down to which F1 is largest."""
    hits = np.cumsum(right)
    f1 = 2 * hits / np.maximum(np.cumsum(counted) + actions, 1)
    # Equal scores are shown together or not at all.
    f1[:-1][scores[1:] == scores[:-1]] = 0.0
    return float(scores[f1.argmax()]) if f1.max(initial=0.0) > 0 else float("inf")


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
