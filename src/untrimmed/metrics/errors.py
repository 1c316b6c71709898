"""What kinds of false positives there are, and what each kind costs.

The analysis of Alwassel et al., ECCV 2018 ("Diagnosing Error in Temporal Action Detectors", known
as DETAD), for any data set.  What makes actions hard to find is `metrics.sensitivity`; which
detection hits which action is `metrics.matching`.

Classes are those that have actions to find.  Detections of others have no place here, as they
have none in a mean over classes.

Shapes: T thresholds, R bands of rank, D detections of a class, M detections and N actions of a
video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float64, Int64

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.core.segments import iou
from untrimmed.metrics.matching import Matches, Ties, UnknownVideos, matches

BANDS = 10
"""Of G detections each, for a class of G actions, of which a profile is made."""

NEARBY = 0.1
"""Least tIoU at which a false positive belongs to an action rather than to background."""


class Kind(IntEnum):
    """What became of a detection at a threshold, by the action that it overlaps most.

    That action is overlapped by at least the threshold (double detection, wrong label), by less
    but at least by `NEARBY` (localization error, confusion), or hardly at all (background).
    """

    TRUE_POSITIVE = 0
    DOUBLE_DETECTION = 1  # of the right class, and hit by a surer detection
    WRONG_LABEL = 2
    LOCALIZATION = 3  # of the right class
    CONFUSION = 4  # of another class
    BACKGROUND = 5


ERRORS = tuple(kind for kind in Kind if kind != Kind.TRUE_POSITIVE)
"""The kinds of false positives, in the order of `ErrorProfile.gains`."""

EXCUSED = -1
"""In the place of a `Kind`: hits nothing but an ignored action, and so makes no error."""


@dataclass(frozen=True, eq=False)
class ErrorProfile:
    """The surest detections by kind, and what mAP would be without each kind of error.

    Args:
        tious: thresholds, T.
        counts: detections by threshold, band and kind.  Band r of a class of G actions are its
            detections of rank r * G to (r + 1) * G - 1; classes are added up.
        mean_ap: mean over classes of the normalised average precision of these detections, in
            [0, 1]; NaN if there are no actions.
        gains: what is added to `mean_ap` when all errors of a kind are taken away, by `ERRORS`.
    """

    tious: tuple[float, ...]
    counts: Int64[np.ndarray, "T R 6"]
    mean_ap: Float64[np.ndarray, " T"]
    gains: Float64[np.ndarray, "T 5"]

    @property
    def shares(self) -> Float64[np.ndarray, "R 6"]:
        """Of each kind in each band, summing to 1; NaN for a band without detections."""
        counts = self.counts.sum(axis=0)
        total = counts.sum(axis=1, keepdims=True)
        shares = np.full(counts.shape, np.nan)
        np.divide(counts, total, out=shares, where=total > 0)
        return shares

    @property
    def average(self) -> float:
        """Mean of `mean_ap` over the thresholds."""
        return float(self.mean_ap.mean())

    @property
    def impact(self) -> Float64[np.ndarray, " 5"]:
        """Mean of `gains` over the thresholds: what each kind of error costs, by `ERRORS`."""
        return np.asarray(self.gains.mean(axis=0))


def error_profile(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    own_class_first: bool = False,
    unknown_videos: UnknownVideos = "count",
    ties: Ties = "first",
) -> ErrorProfile:
    """Sort the surest detections into kinds of error, and take away one kind at a time.

    Of a class of G actions only the `BANDS` * G surest detections are looked at, and mAP is that
    of these.  The paper's thresholds are those of ActivityNet, and 0.5 alone for THUMOS14.

    Args:
        actions: ground truth by video.  Ignored actions make no errors: what they excuse is
            counted nowhere.  `sensitivity.plausible` leaves out what the paper leaves out.
        detections: by video.
        tious: least intersection over union of a hit, each in (0, 1].
        own_class_first: whether a false positive that is near an action of its class belongs to
            it even though another overlaps more, as it should where actions of several classes
            happen at once (MultiTHUMOS, Charades).  Else the most overlapping action of any class
            decides, as in the paper.
        unknown_videos: whether detections in videos that `actions` does not have count, as
            background, or are dropped.
        ties: which of equal scores goes first, in the order of `detections`.

    Raises:
        ValueError: if there is no threshold, or one is not in (0, 1].

    Source: Alwassel et al., ECCV 2018.  Of actions overlapped alike, one of the detection's class
    is preferred; the authors' code takes the first of its file.
    """
    # Deviates: the authors' code compares false positives in a video without actions, all but the
    # first, with the actions of the video before; here they are background.
    found = matches(
        actions,
        detections,
        tious=tious,
        labels=classes_with_actions(actions),
        unknown_videos=unknown_videos,
        ties=ties,
    )
    typical = typical_actions(found)
    overlaps = _Overlaps(actions, detections, found[0].videos if found else ())
    thresholds = np.asarray(tious, dtype=np.float64)
    T = len(thresholds)
    counts = np.zeros((T, BANDS, len(Kind)), np.int64)
    ap = np.full((len(found), T), np.nan)
    ap_without = np.full((len(found), T, len(ERRORS)), np.nan)
    for place, some in enumerate(found):
        own, most = overlaps.of(some)
        if not own_class_first:
            own = np.where(own >= most, own, 0.0)
        kinds = kinds_of(some.hit >= 0, some.excused, own=own, most=most, tious=thresholds)
        kinds = kinds[:, : BANDS * some.actions]
        band = np.arange(kinds.shape[1]) // some.actions
        for kind in Kind:
            t, d = np.nonzero(kinds == kind)
            np.add.at(counts[:, :, kind], (t, band[d]), 1)
        hit, alarm = kinds == Kind.TRUE_POSITIVE, kinds > Kind.TRUE_POSITIVE
        ap[place] = normalised_ap(hit, alarm, actions=some.actions, typical=typical)
        for column, error in enumerate(ERRORS):
            ap_without[place, :, column] = normalised_ap(
                hit, alarm & (kinds != error), actions=some.actions, typical=typical
            )
    if not found:
        return ErrorProfile(tuple(tious), counts, np.full(T, np.nan), np.full((T, 5), np.nan))
    mean_ap = ap.mean(axis=0)
    gains = ap_without.mean(axis=0) - mean_ap[:, None]
    return ErrorProfile(tuple(tious), counts, mean_ap, gains)


def kinds_of(
    hit: Bool[np.ndarray, "T D"],
    excused: Bool[np.ndarray, "T D"],
    *,
    own: Float64[np.ndarray, " D"],
    most: Float64[np.ndarray, " D"],
    tious: Float64[np.ndarray, " T"],
) -> Int64[np.ndarray, "T D"]:
    """The `Kind` of each detection, or `EXCUSED`; of several that fit, the first below.

    Args:
        hit, excused: what `metrics.matching` says.
        own, most: largest tIoU with an action of its class, and with any.
    """
    limit = tious[:, None]
    cases = (
        (excused, EXCUSED),
        (hit, Kind.TRUE_POSITIVE),
        (own >= limit, Kind.DOUBLE_DETECTION),
        (most >= limit, Kind.WRONG_LABEL),
        (np.broadcast_to(own >= NEARBY, hit.shape), Kind.LOCALIZATION),
        (np.broadcast_to(most >= NEARBY, hit.shape), Kind.CONFUSION),
    )
    return np.select(
        [case for case, _ in cases], [int(kind) for _, kind in cases], int(Kind.BACKGROUND)
    ).astype(np.int64)


def classes_with_actions(actions: Mapping[str, Actions]) -> list[int]:
    """Labels of the actions that count, rising."""
    return sorted({label for some in actions.values() for _, _, label in some})


def typical_actions(found: Sequence[Matches]) -> float:
    """How many actions a class has on average, N of the paper; 0 without classes."""
    return sum(some.actions for some in found) / max(len(found), 1)


def normalised_precision(
    hit: Bool[np.ndarray, "T D"], alarm: Bool[np.ndarray, "T D"], *, actions: int, typical: float
) -> Float64[np.ndarray, "T D"]:
    """Precision of a class as if it had `typical` actions: R N / (R N + F).

    R is the recall so far and F the number of false alarms so far, so that classes and groups of
    few and of many actions compare.  With N = `actions` this is ordinary precision.

    Args:
        hit: whether each detection, surest first, is a true positive.
        alarm: whether it is a false positive; one that is neither does not count.
        actions: how many there are to find, above 0.
        typical: N.

    Source: Alwassel et al., ECCV 2018, after Hoiem et al., ECCV 2012.
    """
    gained = np.cumsum(hit, axis=1) * (typical / actions)
    total = gained + np.cumsum(alarm, axis=1)
    precision = np.zeros(total.shape)
    np.divide(gained, total, out=precision, where=total > 0)
    return precision


def normalised_ap(
    hit: Bool[np.ndarray, "T D"], alarm: Bool[np.ndarray, "T D"], *, actions: int, typical: float
) -> Float64[np.ndarray, " T"]:
    """Area under the interpolated curve of normalised precision, AP_N; NaN without actions."""
    if not actions:
        return np.full(len(hit), np.nan)
    precision = normalised_precision(hit, alarm, actions=actions, typical=typical)
    best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((best_from_here * hit).sum(axis=1) / actions)


class _Overlaps:
    """The largest tIoU of every detection with actions of its class, and of any class."""

    def __init__(
        self,
        actions: Mapping[str, Actions],
        detections: Mapping[str, Detections],
        videos: Sequence[str],
    ) -> None:
        own, most, lengths = [np.zeros(0)], [np.zeros(0)], [0]
        for id in videos:
            some = detections.get(id, Detections.none())
            truth = actions.get(id, Actions.none())
            truth = truth[~truth.ignored]
            overlap = iou(some.segments_s, truth.segments_s)  # (M, N)
            same = some.labels[:, None] == truth.labels[None, :]
            own.append(np.where(same, overlap, 0.0).max(axis=1, initial=0.0))
            most.append(overlap.max(axis=1, initial=0.0))
            lengths.append(len(some))
        self._own, self._most = np.concatenate(own), np.concatenate(most)
        self._first = np.cumsum(lengths)

    def of(self, found: Matches) -> tuple[Float64[np.ndarray, " D"], Float64[np.ndarray, " D"]]:
        """With its own class and with any, in the order of `found`."""
        place = self._first[found.video] + found.position
        return self._own[place], self._most[place]
