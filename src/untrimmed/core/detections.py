"""What was found in one video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class Detections:
    """Scored, labelled segments of one video; arrays are read-only.

    Args:
        segments_s: (N, 2) start and end in seconds.
        labels: (N,) index of the class.
        scores: (N,) in any range, higher is surer.

    Raises:
        ValueError: if the lengths differ, an end lies before its start, or a value is not finite.
    """

    segments_s: Float64[np.ndarray, "N 2"]
    labels: Int64[np.ndarray, " N"]
    scores: Float64[np.ndarray, " N"]

    def __init__(self, segments_s: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> None:
        segments = np.array(segments_s, dtype=np.float64).reshape(-1, 2)
        classes = np.array(labels, dtype=np.int64).reshape(-1)
        values = np.array(scores, dtype=np.float64).reshape(-1)
        if not len(segments) == len(classes) == len(values):
            raise ValueError(
                f"{len(segments)} segments, {len(classes)} labels and {len(values)} scores"
            )
        if not (np.isfinite(segments).all() and np.isfinite(values).all()):
            raise ValueError("a detection whose times or score are not finite")
        if not (segments[:, 1] >= segments[:, 0]).all():
            raise ValueError("a detection ends before it starts")
        for name, array in (("segments_s", segments), ("labels", classes), ("scores", values)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def none(cls) -> Detections:
        """A video in which nothing was found."""
        return cls(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Detections:
        """Some of the detections, by mask, slice or array of positions."""
        return Detections(self.segments_s[index], self.labels[index], self.scores[index])

    def by_score(self) -> Detections:
        """The same, surest first; equal scores keep their order."""
        return self[np.argsort(-self.scores, kind="stable")]

    def clipped(self, duration_s: float) -> Detections:
        """Cut to the video, [0, duration_s]; what is left without length is dropped."""
        segments = np.clip(self.segments_s, 0.0, duration_s)
        kept = segments[:, 1] > segments[:, 0]
        return Detections(segments[kept], self.labels[kept], self.scores[kept])
