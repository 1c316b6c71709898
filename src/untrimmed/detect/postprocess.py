"""From candidates in cells to detections in seconds.

The only place where results leave cells; `data.targets` is its counterpart.

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

from untrimmed.core.detections import Detections
from untrimmed.core.grid import TimeGrid
from untrimmed.nn.ops.nms import Kept, nms, non_maximum_weighting, soft_nms
from untrimmed.tensors import Candidates


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """How many detections of the same action become one.

    Args:
        method: "nmw", non-maximum weighting, averages neighbours by score and overlap (the
            paper's, on THUMOS14); "nms" drops them; "soft_nms" lowers their scores (gaussian).
        iou: overlap from which two are neighbours; not used by "soft_nms".
        sigma: of "soft_nms"; larger lowers less.
        least_score: scores at or below are no detections.
        most: detections kept of a video.
    """

    method: Literal["nmw", "nms", "soft_nms"] = "nmw"
    iou: float = 0.5
    sigma: float = 0.5
    least_score: float = 0.005
    most: int = 1200


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
    """Candidates of all windows of a video, joined, suppressed class by class, surest first.

    A candidate may become a detection of several classes.  Nothing found gives none.

    Source: TALLFormer's code pools the windows before suppression, sec. 4.2.
    """
    if not windows:
        return Detections.none()
    segments = torch.from_numpy(np.concatenate([window.segments_s for window in windows]))
    scores = torch.from_numpy(np.concatenate([window.scores for window in windows])).double()
    kept = _suppressed(segments, scores, config)
    return (
        Detections(kept.segments.numpy(), kept.labels.numpy(), kept.scores.numpy())
        .clipped(duration_s)
        .by_score()
    )


def _suppressed(segments: Tensor, scores: Tensor, config: Suppression) -> Kept:
    threshold, limit = config.least_score, config.most
    match config.method:
        case "nmw":
            return non_maximum_weighting(
                segments, scores, iou=config.iou, threshold=threshold, limit=limit
            )
        case "nms":
            return nms(segments, scores, iou=config.iou, threshold=threshold, limit=limit)
        case "soft_nms":
            return soft_nms(segments, scores, sigma=config.sigma, threshold=threshold, limit=limit)
