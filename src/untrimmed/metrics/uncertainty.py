"""How much a score may owe to chance: to the seed of a training, or to the choice of videos.

`mean_over_seeds` is for one method trained several times; `compare` for two sets of detections of
the same videos.  Neither sees the chance of the other: a difference that holds for other videos
may not hold for another seed.

Shapes: T thresholds, K classes, V videos, D detections of a class, H hits, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.average_precision import scores
from untrimmed.metrics.matching import Matches, Ties, UnknownVideos, matches

WEIGHTS_AT_ONCE = 1 << 21
"""Weights of detections that are held together: it bounds memory, not results."""


@dataclass(frozen=True)
class Mean:
    """Mean of some values and the interval in which the mean of infinitely many lies.

    Args:
        mean: of the values.
        deviation: of the sample (divided by count - 1); NaN for one value.
        low: lower end of the interval; NaN for one value.
        high: upper end.
        confidence: share of such intervals that hold the true mean, if values are normal.
        count: how many values.
    """

    mean: float
    deviation: float
    low: float
    high: float
    confidence: float
    count: int


@dataclass(frozen=True)
class Difference:
    """Average mAP of two sets of detections of the same videos, second minus first.

    Args:
        first: average mAP of the first set.
        second: of the second.
        low: lower end of the interval of the difference.
        high: upper end.
        confidence: of the interval.
        p_value: two-sided, in (0, 1]: how surprising such a difference would be if there were
            none.  It cannot fall below 2 / (resamples + 1).
        resamples: how many were drawn that have any action.
    """

    first: float
    second: float
    low: float
    high: float
    confidence: float
    p_value: float
    resamples: int

    @property
    def difference(self) -> float:
        """Of the two scores as they are, without resampling."""
        return self.second - self.first


def mean_over_seeds(values: Sequence[float], *, confidence: float = 0.95) -> Mean:
    """Mean and its interval by Student's t, with as many degrees of freedom as values less one.

    Of one value the mean is known and nothing else.  Equal values have an interval without
    length.

    Raises:
        ValueError: if there is no value, or `confidence` is not in (0, 1).

    Source: Student, Biometrika 6 (1908).
    """
    _check_confidence(confidence)
    if not len(values):
        raise ValueError("the mean of no values: give one at least")
    sample = np.asarray(values, dtype=np.float64)
    count, mean = len(sample), float(sample.mean())
    if count == 1:
        return Mean(mean, math.nan, math.nan, math.nan, confidence, count)
    deviation = float(sample.std(ddof=1))
    half = student_t(confidence, freedom=count - 1) * deviation / math.sqrt(count)
    return Mean(mean, deviation, mean - half, mean + half, confidence, count)


def student_t(confidence: float, *, freedom: int) -> float:
    """The t with P(-t < T < t) = `confidence`, T having Student's distribution.

    Args:
        confidence: in (0, 1).
        freedom: degrees of freedom, 1 or more.

    Raises:
        ValueError: if an argument is out of its range.

    Source: Abramowitz & Stegun (1964), 26.7.3 and 26.7.4, with t = sqrt(freedom) tan(angle).
    """
    _check_confidence(confidence)
    if freedom < 1:
        raise ValueError(f"{freedom} degrees of freedom: there must be 1 or more")
    low, high = 0.0, math.pi / 2
    while low < (angle := (low + high) / 2) < high:  # until no number lies between
        if _probability_within(angle, freedom) < confidence:
            low = angle
        else:
            high = angle
    return math.sqrt(freedom) * math.tan(angle)


def compare(
    actions: Mapping[str, Actions],
    first: Mapping[str, Detections],
    second: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    classes: Sequence[str],
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
    unknown_videos: UnknownVideos = "count",
    ties: Ties = "first",
) -> Difference:
    """The difference of average mAP, and what it might be on other videos of the same kind.

    As many videos as there are are drawn with repeats, again and again, and both sets are scored
    on each draw.  The interval is that between percentiles of the differences.  The p-value
    doubles the share of draws in which the difference is zero or has the other sign, so that it
    is below 1 - `confidence` where the interval leaves zero out (up to the rounding of both).

    A class without actions in a draw does not enter its mean, as in `Scores.mean_ap`; a draw
    without any action says nothing and is left out.  The result does not depend on the order of
    videos, but for ties, and exchanging the sets only turns its sign.

    Args:
        actions: ground truth by video.
        first: detections by video.
        second: detections by video, of the same videos.
        tious: thresholds, least intersection over union of a hit, in (0, 1].
        classes: names, K; labels are below it.
        seed: of the draws; the same gives the same videos.
        resamples: R.
        confidence: of the interval, in (0, 1).
        unknown_videos: whether videos that have detections but are not in `actions` are drawn
            too, their detections being false alarms, or are dropped.
        ties: which of equal scores goes first, in the order of detections.

    Raises:
        ValueError: if there are no actions (at all or in any draw) or no resamples, a label has no
            class, or a threshold or `confidence` is out of its range.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), ch. 13 (percentiles);
    Davison & Hinkley, Bootstrap Methods and their Application (1997), ch. 4 (1 is added to the
    counts of a p-value).
    """
    _check_confidence(confidence)
    if resamples < 1:
        raise ValueError(f"{resamples} resamples: there must be 1 or more")
    observed = [
        scores(
            actions, some, tious=tious, classes=classes, unknown_videos=unknown_videos, ties=ties
        ).average
        for some in (first, second)
    ]
    if math.isnan(observed[0]):
        raise ValueError("there is no action to be found, so there is nothing to compare")

    unknown = set() if unknown_videos == "drop" else {*first, *second} - set(actions)
    population = {id: actions.get(id, Actions.none()) for id in sorted({*actions, *unknown})}
    V = len(population)
    random = np.random.default_rng(seed)
    draws = random.multinomial(V, np.full(V, 1 / V), size=resamples)  # (R, V)
    averages = [
        _resampled_averages(
            population,
            matches(
                population,
                some,
                tious=tious,
                labels=range(len(classes)),
                unknown_videos="drop",
                ties=ties,
            ),
            draws,
        )
        for some in (first, second)
    ]
    # Sums in another order differ by rounding, which must not decide a sign.
    differences = np.round(averages[1] - averages[0], 12)
    differences = differences[~np.isnan(differences)]
    if not differences.size:
        raise ValueError(f"none of {resamples} draws of {V} videos has an action: draw more often")
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    fewer = min((differences <= 0).sum(), (differences >= 0).sum())
    p_value = min(1.0, 2 * (1 + fewer) / (1 + len(differences)))
    return Difference(
        first=observed[0],
        second=observed[1],
        low=float(low),
        high=float(high),
        confidence=confidence,
        p_value=float(p_value),
        resamples=len(differences),
    )


def _resampled_averages(
    actions: Mapping[str, Actions],
    by_class: Sequence[Matches],
    draws: Int64[np.ndarray, "R V"],
) -> Float64[np.ndarray, " R"]:
    """Average mAP on each draw; NaN where no action is drawn.

    Args:
        by_class: of the detections in `actions`; which hits which does not depend on how often
            a video is drawn, as nothing is matched across videos.
        draws: how often each video of `actions` is drawn.
    """
    K, R = len(by_class), len(draws)
    labels = [some.labels[~some.ignored] for some in actions.values()]
    own = np.stack([np.bincount(some, minlength=K) for some in labels])  # (V, K)
    drawn = draws @ own  # (R, K)
    total = np.zeros(R)
    for found, count in zip(by_class, drawn.T, strict=True):
        rows = max(1, WEIGHTS_AT_ONCE // max(1, len(found.video)))
        for start in range(0, R, rows):
            some = slice(start, start + rows)
            total[some] += _mean_area(found, draws[some], count[some])
    present = (drawn > 0).sum(axis=1)
    unknown = np.full(R, np.nan)
    return np.asarray(np.divide(total, present, out=unknown, where=present > 0))


def _mean_area(
    found: Matches, draws: Int64[np.ndarray, "R V"], actions: Int64[np.ndarray, " R"]
) -> Float64[np.ndarray, " R"]:
    """Average precision of a class on each draw, mean over thresholds; 0 without actions.

    A detection of a video that is drawn n times counts n times.  Precision is largest at a hit,
    so that the interpolated curve needs it at hits alone.
    """
    weights = draws[:, found.video]  # (R, D)
    so_far = np.cumsum(weights, axis=1)
    area = np.zeros(len(draws))
    for hit, excused in zip(found.hit >= 0, found.excused, strict=True):
        shown = so_far[:, hit]  # (R, H)
        if excused.any():
            shown -= np.cumsum(weights * excused, axis=1)[:, hit]
        weighted = weights[:, hit]  # (R, H)
        precision = np.cumsum(weighted, axis=1) / np.maximum(shown, 1)
        best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        area += (best_from_here * weighted).sum(axis=1)
    return np.asarray(area / np.maximum(actions, 1) / len(found.hit))


def _probability_within(angle: float, freedom: int) -> float:
    """P(|T| < t) for t = sqrt(freedom) tan(angle)."""
    cosine = math.cos(angle)
    odd = freedom % 2
    term, total = (cosine if odd else 1.0), 0.0
    for n in range(1 + odd, freedom, 2):
        total += term
        term *= n / (n + 1) * cosine**2
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
