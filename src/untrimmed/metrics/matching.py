"""Which detection hit which action.

The one matching of the library: average precision counts its hits, and the analysis of errors
asks about its misses.

Shapes: T thresholds, D detections of a class, G its actions, P pairs of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray

from untrimmed.core.actions import EVERY_CLASS, Actions
from untrimmed.core.detections import Detections

UnknownVideos = Literal["count", "drop"]
Ties = Literal["first", "last"]

PAIRS_AT_ONCE = 1 << 20
"""Pairs whose overlap is computed together: it bounds memory, not results."""


@dataclass(frozen=True, eq=False)
class Matches:
    """The detections of one class, surest first, and what each of them hit.

    Args:
        videos: ids; `video` counts in them.
        video: of each detection.
        position: of each detection among all those of its video.
        scores: falling.
        hit: at each threshold, the position of the action among all those of its video; -1 for
            none.
        excused: at each threshold, whether the detection hit nothing but an ignored action, so
            that it neither counts nor punishes.
        actions: how many actions of the class there are to hit.
    """

    videos: tuple[str, ...]
    video: Int64[np.ndarray, " D"]
    position: Int64[np.ndarray, " D"]
    scores: Float64[np.ndarray, " D"]
    hit: Int64[np.ndarray, "T D"]
    excused: Bool[np.ndarray, "T D"]
    actions: int


def matches(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    labels: Iterable[int],
    unknown_videos: UnknownVideos = "count",
    ties: Ties = "first",
) -> list[Matches]:
    """For each of some classes, which detection hits which action at each threshold.

    Args:
        actions: ground truth by video, ignored ones among them.
        detections: by video.
        tious: thresholds, least intersection over union of a hit, in (0, 1].
        labels: of the classes asked for.
        unknown_videos: whether detections in videos that `actions` does not have are kept, and
            hit nothing, or are dropped.
        ties: which of equal scores goes first, in the order of `detections`.

    Raises:
        ValueError: if there is no threshold, or one is not in (0, 1].
    """
    thresholds = np.asarray(tious, dtype=np.float64)
    if not thresholds.size or not ((thresholds > 0) & (thresholds <= 1)).all():
        raise ValueError(f"thresholds must be in (0, 1], got {tuple(tious)}")
    kept = {
        id: some for id, some in detections.items() if unknown_videos == "count" or id in actions
    }
    videos = tuple(dict.fromkeys([*actions, *kept]))
    truth, found = _rows(actions, videos), _rows(kept, videos)
    ignored = _joined([some.ignored for some in actions.values()], np.zeros(0, bool))
    score = _joined([some.scores for some in kept.values()], np.zeros(0))

    ranked = np.argsort(-score, kind="stable")
    if ties == "last":
        ranked = np.argsort(score, kind="stable")[::-1]
    ranked = ranked[np.argsort(found.label[ranked], kind="stable")]
    ranked_label = found.label[ranked]
    result = []
    for label in labels:
        first, end = np.searchsorted(ranked_label, [label, label + 1])
        own = truth.label == label
        chosen = ranked[first:end]
        some, counted = found.take(chosen), truth.take(own & ~ignored)
        excusing = truth.take(ignored & (own | (truth.label == EVERY_CLASS)))
        hit = _hits(some, counted, thresholds)
        excused = (hit < 0) & (_best_overlap(some, excusing) >= thresholds[:, None])
        result.append(
            Matches(
                videos=videos,
                video=some.video,
                position=some.position,
                scores=score[chosen],
                hit=np.where(hit >= 0, counted.position[hit], -1) if len(counted.video) else hit,
                excused=excused,
                actions=len(counted.video),
            )
        )
    return result


class _Rows(NamedTuple):
    """Segments of many videos, one below the other; `position` is the place in its video."""

    video: Int64[np.ndarray, " N"]
    position: Int64[np.ndarray, " N"]
    segments_s: Float64[np.ndarray, "N 2"]
    label: Int64[np.ndarray, " N"]

    def take(self, index: NDArray[Any]) -> _Rows:
        return _Rows(*(column[index] for column in self))


class _Pairs(NamedTuple):
    """Each detection with each action of its video: by detection, the most overlapping first."""

    detection: Int64[np.ndarray, " P"]
    action: Int64[np.ndarray, " P"]
    tiou: Float64[np.ndarray, " P"]


def _rows(by_video: Mapping[str, Actions | Detections], videos: Sequence[str]) -> _Rows:
    """In the order of `by_video`."""
    number = {id: place for place, id in enumerate(videos)}
    lengths = [len(some) for some in by_video.values()]
    none = np.zeros(0, np.int64)
    return _Rows(
        video=np.repeat(np.array([number[id] for id in by_video], np.int64), lengths),
        position=_joined([np.arange(length) for length in lengths], none),
        segments_s=_joined([some.segments_s for some in by_video.values()], np.zeros((0, 2))),
        label=_joined([some.labels for some in by_video.values()], none),
    )


def _joined(arrays: Sequence[NDArray[Any]], empty: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([empty, *arrays])


def _pairs(found: _Rows, truth: _Rows, *, least: float) -> _Pairs:
    """The pairs that overlap, by at least `least`; `truth` is sorted by video."""
    first = np.searchsorted(truth.video, found.video, side="left")
    count = np.searchsorted(truth.video, found.video, side="right") - first  # (D,)
    borders = np.arange(PAIRS_AT_ONCE, count.sum(), PAIRS_AT_ONCE)
    blocks = []
    for some in np.split(np.arange(len(count)), np.searchsorted(np.cumsum(count), borders)):
        detection = np.repeat(some, count[some])
        before = np.cumsum(count[some]) - count[some]
        action = np.arange(len(detection)) + np.repeat(first[some] - before, count[some])
        tiou = _tiou(found.segments_s[detection], truth.segments_s[action])
        near = (tiou > 0) & (tiou >= least)
        blocks.append((detection[near], action[near], tiou[near]))
    detection, action, tiou = (np.concatenate(column) for column in zip(*blocks, strict=True))
    order = np.lexsort((-tiou, detection))  # stable: of equal overlaps the first action
    return _Pairs(detection[order], action[order], tiou[order])


def _tiou(
    a: Float64[np.ndarray, "P 2"], b: Float64[np.ndarray, "P 2"]
) -> Float64[np.ndarray, " P"]:
    """Of each segment with its counterpart; `core.segments.iou` takes all with all."""
    shared = np.clip(np.minimum(a[:, 1], b[:, 1]) - np.maximum(a[:, 0], b[:, 0]), 0.0, None)
    union = (a[:, 1] - a[:, 0]) + (b[:, 1] - b[:, 0]) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(union), where=union > 0))


def _hits(
    found: _Rows, truth: _Rows, thresholds: Float64[np.ndarray, " T"]
) -> Int64[np.ndarray, "T D"]:
    """The row of `truth` that each detection takes, -1 for none, at each threshold.

    The surest detection takes the action it overlaps most, the next one the most overlapping of
    those left, and so on.  Computed for all at once: every detection asks for its best action;
    an action stays with the surest that asked, and the others ask for their next best.  As all
    actions prefer the surer detection, this ends with what taking turns would have given.

    Source: Gale & Shapley, American Mathematical Monthly 69 (1962), deferred acceptance.
    """
    D, G = len(found.video), len(truth.video)
    pairs = _pairs(found, truth, least=float(thresholds.min()))
    first = np.searchsorted(pairs.detection, np.arange(D))
    wishes = np.stack(
        [np.bincount(pairs.detection[pairs.tiou >= tiou], minlength=D) for tiou in thresholds]
    )  # (T, D)
    asked = np.zeros_like(wishes)
    holder = np.full((len(thresholds), G), D)  # D is nobody: less sure than all
    t, d = np.nonzero(wishes)
    while t.size:
        action = pairs.action[first[d] + asked[t, d]]
        before = holder[t, action]
        np.minimum.at(holder, (t, action), d)
        won = holder[t, action] == d
        ousted = won & (before < D)
        t = np.concatenate([t[~won], t[ousted]])
        d = np.concatenate([d[~won], before[ousted]])
        asked[t, d] += 1
        hopeful = asked[t, d] < wishes[t, d]
        t, d = t[hopeful], d[hopeful]
    hit = np.full((len(thresholds), D), -1)
    t, action = np.nonzero(holder < D)
    hit[t, holder[t, action]] = action
    return hit


def _best_overlap(found: _Rows, truth: _Rows) -> Float64[np.ndarray, " D"]:
    """The largest tIoU of each detection with any row of `truth` in its video."""
    best = np.zeros(len(found.video))
    pairs = _pairs(found, truth, least=0.0)
    np.maximum.at(best, pairs.detection, pairs.tiou)
    return best
