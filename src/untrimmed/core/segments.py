"""Segments of time: one for people, (N, 2) arrays of start and end for algorithms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray


@dataclass(frozen=True, order=True)
class Segment:
    """From `start_s` to `end_s`, in seconds; an end before the start is refused."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not self.end_s >= self.start_s:
            raise ValueError(f"a segment from {self.start_s} s to {self.end_s} s ends too early")

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


def iou(a: Float64[np.ndarray, "N 2"], b: Float64[np.ndarray, "M 2"]) -> Float64[np.ndarray, "N M"]:
    """Intersection over union of every segment of `a` with every one of `b`, in [0, 1].

    Two segments without length have 0, also with themselves.
    """
    start = np.maximum(a[:, None, 0], b[None, :, 0])
    end = np.minimum(a[:, None, 1], b[None, :, 1])
    intersection = np.clip(end - start, 0.0, None)
    union = (a[:, 1] - a[:, 0])[:, None] + (b[:, 1] - b[:, 0])[None, :] - intersection
    shares: NDArray[np.float64] = np.zeros_like(union)
    np.divide(intersection, union, out=shares, where=union > 0)
    return shares
