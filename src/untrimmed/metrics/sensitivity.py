"""Which actions are hard to find: scores and misses by length, coverage and number.

The analysis of Alwassel et al., ECCV 2018 ("Diagnosing Error in Temporal Action Detectors", known
as DETAD), for any data set.  What false positives are is `metrics.errors`.  The paper's further
characteristics, context and agreement of annotators, need annotations that are not public.

Shapes: A actions of all videos that count, B buckets of a characteristic, N actions of a video,
T thresholds, D detections of a class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Video
from untrimmed.core.detections import Detections
from untrimmed.metrics.characteristics import MEASURES, Characteristic, quantile_buckets
from untrimmed.metrics.errors import (
    classes_with_actions,
    normalised_ap,
    normalised_precision,
    typical_actions,
)
from untrimmed.metrics.matching import Matches, Ties, UnknownVideos, matches

LEAST_PRECISION = 0.05
"""Of a hit, normalised: what is found below it is as good as missed."""


def quantile_characteristics(videos: Mapping[str, Video]) -> tuple[Characteristic, ...]:
    """Buckets for a data set that the paper does not treat: about a fifth of the actions each.

    Edges are values of the actions, so that no bucket is empty.  Where many actions share a value,
    as one instance per video, there are fewer buckets than five.
    """
    table = _Table(videos, plausible(videos))
    return tuple(quantile_buckets(name, table.measures[name]) for name in MEASURES)


def plausible(videos: Mapping[str, Video]) -> dict[str, Actions]:
    """The actions that the paper looks at: those with a length, and not longer than their video."""
    kept = {}
    for id, video in videos.items():
        length_s = video.actions.segments_s[:, 1] - video.actions.segments_s[:, 0]
        kept[id] = video.actions[(length_s > 0) & (length_s <= video.duration_s)]
    return kept


@dataclass(frozen=True, eq=False)
class Groups:
    """A value for each bucket of a characteristic, and the one for all actions.

    Args:
        characteristic: of B buckets.
        actions: how many are in each bucket.
        values: in [0, 1]; NaN for a bucket without actions.
        overall: the value for all actions, also for those in no bucket.
    """

    characteristic: Characteristic
    actions: Int64[np.ndarray, " B"]
    values: Float64[np.ndarray, " B"]
    overall: float

    @property
    def spread(self) -> tuple[float, float]:
        """Smallest and largest value relative to `overall`; NaN where it is 0 or unknown.

        How far the first lies below 1 is the detector's sensitivity, the second what a detector
        without this weakness could gain.
        """
        known = self.values[~np.isnan(self.values)]
        if not known.size or not self.overall > 0:
            return float("nan"), float("nan")
        return float(known.min() / self.overall), float(known.max() / self.overall)


@dataclass(frozen=True, eq=False)
class Missed:
    """Of each action, at which share of the thresholds it was missed.

    Args:
        share: (A,) in [0, 1], video after video.
        buckets: (A,) of each action by characteristic, -1 for none.
        characteristics: by name.
    """

    share: Float64[np.ndarray, " A"]
    buckets: Mapping[str, Int64[np.ndarray, " A"]]
    characteristics: Mapping[str, Characteristic]

    def by(self, name: str) -> Groups:
        """Rate of false negatives in the buckets of a characteristic."""
        characteristic = self.characteristics[name]
        B = len(characteristic.labels)
        own = self.buckets[name]
        overall = float(self.share.mean()) if len(self.share) else float("nan")
        return Groups(
            characteristic,
            np.bincount(own[own >= 0], minlength=B),
            _mean_by(own, self.share, groups=B),
            overall,
        )

    def by_pair(self, rows: str, columns: str) -> Float64[np.ndarray, "B B2"]:
        """Rate of false negatives where two characteristics meet; NaN where none do."""
        shape = tuple(len(self.characteristics[name].labels) for name in (rows, columns))
        first, second = self.buckets[rows], self.buckets[columns]
        both = np.where((first >= 0) & (second >= 0), first * shape[1] + second, -1)
        return _mean_by(both, self.share, groups=shape[0] * shape[1]).reshape(shape)


def sensitivity(
    videos: Mapping[str, Video],
    detections: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    characteristics: Sequence[Characteristic],
    unknown_videos: UnknownVideos = "count",
    ties: Ties = "first",
) -> tuple[Groups, ...]:
    """Normalised mAP over the actions of one bucket at a time, averaged over thresholds.

    For a bucket, actions of others are left out, and with them the detections that hit them;
    false positives stay.  Precision is normalised with the actions per class of the whole data
    set, or rare buckets would look hard.  The mean is over classes with actions in the bucket.

    Args:
        videos: ground truth; only `plausible` actions are looked at.
        detections: by video.
        tious: least intersection over union of a hit, each in (0, 1].
        characteristics: `ACTIVITYNET`, `THUMOS14` or `quantile_characteristics`.
        unknown_videos: whether detections in videos that `videos` does not have are false
            positives or dropped.
        ties: which of equal scores goes first, in the order of `detections`.

    Returns:
        Average normalised mAP, one `Groups` for each of `characteristics`.

    Raises:
        ValueError: if there is no threshold, or one is not in (0, 1].

    Source: Alwassel et al., ECCV 2018.
    """
    # Deviates: in the authors' code, a detection that hits an action of another bucket at one
    # threshold is left out at all of them.
    actions = plausible(videos)
    table = _Table(videos, actions)
    found = _found(actions, detections, tious, unknown_videos, ties)
    rows = [table.rows(some) for some in found]
    everything = np.zeros(len(table.label), np.int64)
    overall = _mean_ap(found, rows, table.label, everything, buckets=1)[0]
    result = []
    for characteristic in characteristics:
        bucket = characteristic.bucket(table.measures[characteristic.name])
        B = len(characteristic.labels)
        values = _mean_ap(found, rows, table.label, bucket, buckets=B)
        number = np.bincount(bucket[bucket >= 0], minlength=B)
        result.append(Groups(characteristic, number, values, float(overall)))
    return tuple(result)


def false_negatives(
    videos: Mapping[str, Video],
    detections: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    characteristics: Sequence[Characteristic],
    least_precision: float = LEAST_PRECISION,
    unknown_videos: UnknownVideos = "count",
    ties: Ties = "first",
) -> Missed:
    """Which actions are missed: hit by no detection, or by one too far down the list.

    Where the normalised precision of a class is `least_precision` or less, hits no longer count.
    The other arguments are those of `sensitivity`.

    Raises:
        ValueError: if there is no threshold, or one is not in (0, 1].

    Source: Alwassel et al., ECCV 2018.
    """
    actions = plausible(videos)
    table = _Table(videos, actions)
    found = _found(actions, detections, tious, unknown_videos, ties)
    typical = typical_actions(found)
    seen = np.zeros((len(tious), len(table.label)), bool)
    for some in found:
        hit = some.hit >= 0
        alarm = ~hit & ~some.excused
        precision = normalised_precision(hit, alarm, actions=some.actions, typical=typical)
        t, d = np.nonzero(hit & (precision > least_precision))
        seen[t, table.rows(some)[t, d]] = True
    buckets = {some.name: some.bucket(table.measures[some.name]) for some in characteristics}
    return Missed(1.0 - seen.mean(axis=0), buckets, {some.name: some for some in characteristics})


class _Table:
    """The actions that count, video after video: A rows."""

    def __init__(self, videos: Mapping[str, Video], actions: Mapping[str, Actions]) -> None:
        counted = {id: some[~some.ignored] for id, some in actions.items()}
        empty = np.zeros(0)
        coverage, length_s, instances = [empty], [empty], [empty]
        for id, some in counted.items():
            alike = some.labels[:, None] == some.labels[None, :]
            length_s.append(some.segments_s[:, 1] - some.segments_s[:, 0])
            coverage.append(length_s[-1] / videos[id].duration_s)
            instances.append(alike.sum(axis=1).astype(np.float64))
        columns = map(np.concatenate, (coverage, length_s, instances))
        self.measures = dict(zip(MEASURES, columns, strict=True))
        self.label = np.concatenate([np.zeros(0, np.int64), *(c.labels for c in counted.values())])
        kept = np.concatenate([np.zeros(0, bool), *(~some.ignored for some in actions.values())])
        self._row = np.cumsum(kept) - 1  # of each action, ignored or not
        self._first = np.cumsum([0, *map(len, actions.values())])

    def rows(self, found: Matches) -> Int64[np.ndarray, "T D"]:
        """The row of the action that each detection hits; -1 for none.

        The first videos of `found` are those of the table, in its order.
        """
        hit = found.hit >= 0
        rows = np.full(found.hit.shape, -1)
        video = np.broadcast_to(found.video, hit.shape)[hit]
        rows[hit] = self._row[self._first[video] + found.hit[hit]]
        return rows


def _found(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    tious: Sequence[float],
    unknown_videos: UnknownVideos,
    ties: Ties,
) -> list[Matches]:
    return matches(
        actions,
        detections,
        tious=tious,
        labels=classes_with_actions(actions),
        unknown_videos=unknown_videos,
        ties=ties,
    )


def _mean_ap(
    found: Sequence[Matches],
    rows: Sequence[Int64[np.ndarray, "T D"]],
    label: Int64[np.ndarray, " A"],
    bucket: Int64[np.ndarray, " A"],
    *,
    buckets: int,
) -> Float64[np.ndarray, " B"]:
    """Normalised mAP over the actions of each bucket, mean over thresholds and classes."""
    typical = typical_actions(found)
    ap = np.full((buckets, len(found)), np.nan)
    for place, (some, own_label, row) in enumerate(zip(found, np.unique(label), rows, strict=True)):
        alarm = (some.hit < 0) & ~some.excused
        hit_bucket = np.where(row >= 0, bucket[row], -1)
        number = np.bincount(bucket[(label == own_label) & (bucket >= 0)], minlength=buckets)
        for b in np.flatnonzero(number).tolist():
            area = normalised_ap(hit_bucket == b, alarm, actions=int(number[b]), typical=typical)
            ap[b, place] = area.mean()
    known = ~np.isnan(ap)
    return _ratio(np.where(known, ap, 0.0).sum(axis=1), known.sum(axis=1))


def _mean_by(
    group: Int64[np.ndarray, " A"], values: Float64[np.ndarray, " A"], *, groups: int
) -> Float64[np.ndarray, " B"]:
    """Mean of the values of each group; NaN where there are none."""
    inside = group >= 0
    number = np.bincount(group[inside], minlength=groups)
    total = np.bincount(group[inside], weights=values[inside], minlength=groups)
    return _ratio(total, number)


def _ratio(
    total: Float64[np.ndarray, " B"], number: Int64[np.ndarray, " B"]
) -> Float64[np.ndarray, " B"]:
    """A mean; NaN of nothing."""
    return np.asarray(np.where(number > 0, total / np.maximum(number, 1), np.nan))
