"""From candidates in cells to detections in seconds.

The only place where results leave cells; `data.targets` is its counterpart.  What a video shows as
a whole is not heard here (`detect.classify`).

Shapes: N candidates, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from untrimmed.core.bounds import above_0, at_least_0, shares_above_0
from untrimmed.core.detections import Detections
from untrimmed.core.grid import TimeGrid
from untrimmed.nn.ops.nms import Kept, nms, non_maximum_weighting, soft_nms, vote
from untrimmed.tensors import Candidates


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """How many detections of the same action become one; the defaults are TALLFormer's on THUMOS14.

    Args:
        method: "nmw", non-maximum weighting, averages neighbours by score and overlap (the
            paper's, on THUMOS14); "nms" drops them; "soft_nms" lowers their scores; "none" keeps
            every candidate as it is.
        iou: overlap from which two are neighbours, in (0, 1]; not used by the gaussian
            "soft_nms".
        decay: of "soft_nms": "gaussian" lowers a score by the factor exp(-IoU² / `sigma`),
            "linear" that of a neighbour by 1 - IoU.
        sigma: of the gaussian "soft_nms", above 0; larger lowers less.
        min_score: of "soft_nms": what falls below when lowered is dropped; of "nms": candidates
            at or below it are none either, but vote.
        class_agnostic: whether a detection also suppresses those of other classes.  By default
            classes do not see each other.
        voting: overlap, in (0, 1], from which all candidates, also suppressed ones, move a
            detection to their mean, weighted by overlap and score; class by class unless
            `class_agnostic`.  No vote if null.
        least_score: candidates of which a score is at or below it are none of that class.
        most: detections kept of a video, or of each stretch of a long one (`Pool`).

    Source: ActionFormer (Zhang et al., ECCV 2022) has "soft_nms" with a sigma of 0.5, and on
    ActivityNet, class-agnostic, of 0.75 with a vote at 0.9; AFSD (Lin et al., CVPR 2021) on
    ActivityNet class-agnostic "soft_nms" with a sigma of 0.85 and scores down to 1e-9.
    """

    method: Literal["nmw", "nms", "soft_nms", "none"] = "nmw"
    iou: float = 0.5
    decay: Literal["gaussian", "linear"] = "gaussian"
    sigma: float = 0.5
    min_score: float = 1e-3
    class_agnostic: bool = False
    voting: float | None = None
    least_score: float = 0.005
    most: int = 1200

    def __post_init__(self) -> None:
        shares_above_0(self, "iou", "voting")
        above_0(self, "sigma", "most")
        at_least_0(self, "min_score", "least_score")


class Found(NamedTuple):
    """Candidates of one window, in seconds; scores of every class."""

    segments_s: Float64[np.ndarray, "N 2"]
    scores: Float32[np.ndarray, "N K"]


def found(candidates: Candidates, grid: TimeGrid, *, least_score: float) -> Found:
    """The candidates of a single window with some class above `least_score`, in seconds.

    Raises:
        ValueError: if the candidates are of several windows.
    """
    if candidates.segments.shape[0] != 1:
        raise ValueError(f"candidates of {candidates.segments.shape[0]} windows, one was wanted")
    kept = candidates.scores[0].amax(1) > least_score
    segments = candidates.segments[0][kept].double().cpu().numpy()
    return Found(grid.to_seconds(segments), candidates.scores[0][kept].float().cpu().numpy())


def detections(windows: Sequence[Found], *, duration_s: float, config: Suppression) -> Detections:
    """Candidates of all windows of a video, joined, suppressed at once, surest first.

    A candidate may become a detection of several classes.  Nothing found gives none.

    Source: TALLFormer's code pools the windows before suppression, sec. 4.2.
    """
    return _unclipped(windows, config).clipped(duration_s).by_score()


AT_ONCE = 2**23
"""Bytes, those that suppression takes included, up to which all candidates of a video are
suppressed at once: some 100,000 scores above the least."""

_BYTES = 72  # that suppression takes for each score above the least

_LEAST_ADVANCE = 4  # windows; each settling suppresses the two windows around it again


class Pool:
    """Candidates of one video, suppressed while its windows come, so that memory has a bound.

    Up to `AT_ONCE` bytes the result is that of `detections`, exactly.  Beyond, what lies a
    window behind is settled: suppressed together with its neighbours for a window to either side,
    of which only detections whose middle lies inside are kept.  The result is still the same
    unless candidates that each suppress the next reach across a window, or `most` is less than
    what a whole video would keep.

    Args:
        at_once: bytes up to which nothing is settled.
    """

    def __init__(self, config: Suppression, *, at_once: int = AT_ONCE) -> None:
        self._config = config
        self._at_once = at_once
        self._held: list[Found] = []
        self._held_bytes = 0
        self._settled: list[Detections] = []
        self._settled_s = self._first_s = -np.inf  # up to when; since when

    def add(self, candidates: Candidates, grid: TimeGrid) -> None:
        """Take the candidates of a window, which starts no earlier than the one before.

        Raises:
            ValueError: if they are of several windows.
        """
        self._hold(found(candidates, grid, least_score=self._config.least_score))
        window_s = grid.length * grid.step_s
        if self._first_s == -np.inf:
            self._first_s = grid.first_s
        until_s = grid.first_s - window_s
        advance_s = until_s - max(self._settled_s, self._first_s)
        if self._held_bytes > self._at_once and advance_s >= _LEAST_ADVANCE * window_s:
            self._settle(until_s)
            held, self._held, self._held_bytes = self._held, [], 0
            for window in held:
                self._hold(_since(until_s - window_s, window))

    def detections(self, *, duration_s: float) -> Detections:
        """All that was found, cut to the video, surest first; the pool is of no use afterwards."""
        self._settle(np.inf)
        columns = zip(
            *((each.segments_s, each.labels, each.scores) for each in self._settled), strict=True
        )
        joined = Detections(*map(np.concatenate, columns))
        return joined.clipped(duration_s).by_score()

    def _hold(self, window: Found) -> None:
        if len(window.scores):
            likely = int(np.count_nonzero(window.scores > self._config.least_score))
            self._held_bytes += window.segments_s.nbytes + window.scores.nbytes + _BYTES * likely
            self._held.append(window)

    def _settle(self, until_s: float) -> None:
        some = _unclipped(self._held, self._config)
        middle_s = some.segments_s.mean(1)
        self._settled.append(some[(middle_s >= self._settled_s) & (middle_s < until_s)])
        self._settled_s = until_s


def _since(time_s: float, window: Found) -> Found:
    """The candidates whose middle lies at a time or later."""
    kept = window.segments_s.mean(1) >= time_s
    return Found(window.segments_s[kept], window.scores[kept])


def _unclipped(windows: Sequence[Found], config: Suppression) -> Detections:
    if not windows:
        return Detections.none()
    segments = torch.from_numpy(np.concatenate([window.segments_s for window in windows]))
    scores = torch.from_numpy(np.concatenate([window.scores for window in windows]))
    suppressed = _regardless_of_class if config.class_agnostic else _suppressed
    kept = suppressed(segments, scores, config)
    return Detections(kept.segments.numpy(), kept.labels.numpy(), kept.scores.numpy())


def _regardless_of_class(
    segments: Float64[Tensor, "N 2"], scores: Float32[Tensor, "N K"], config: Suppression
) -> Kept:
    """Every score of a candidate competes with those of all classes, its own others included."""
    rows, labels = (scores > config.least_score).nonzero(as_tuple=True)
    kept = _suppressed(segments[rows], scores[rows, labels], config)
    return kept._replace(labels=labels[kept.origin], origin=rows[kept.origin])


def _suppressed(
    segments: Float64[Tensor, "N 2"], scores: Float32[Tensor, "N *K"], config: Suppression
) -> Kept:
    threshold, limit = config.least_score, config.most
    match config.method:
        case "nmw":
            kept = non_maximum_weighting(
                segments, scores, iou=config.iou, threshold=threshold, limit=limit
            )
        case "nms":
            least = max(threshold, config.min_score)
            kept = nms(segments, scores, iou=config.iou, threshold=least, limit=limit)
        case "soft_nms":
            kept = soft_nms(
                segments,
                scores,
                method=config.decay,
                sigma=config.sigma,
                iou=config.iou,
                min_score=config.min_score,
                threshold=threshold,
                limit=limit,
            )
        case "none":
            kept = _surest(segments, scores, threshold=threshold, limit=limit)
    if config.voting is None:
        return kept
    return vote(kept, segments, scores, iou=config.voting, threshold=threshold)


def _surest(
    segments: Float64[Tensor, "N 2"],
    scores: Float32[Tensor, "N *K"],
    *,
    threshold: float,
    limit: int,
) -> Kept:
    """Every candidate of every class, in the order that suppression has: by score, class, row."""
    by_class = (scores if scores.ndim == 2 else scores[:, None]).T  # (K, N)
    labels, rows = (by_class > threshold).nonzero(as_tuple=True)
    likely = by_class[labels, rows]
    order = likely.argsort(descending=True, stable=True)[:limit]
    return Kept(segments[rows[order]], likely[order], labels[order], rows[order])
