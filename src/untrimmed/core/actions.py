"""The ground truth of one video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import ArrayLike

EVERY_CLASS = -1
"""Label of an ignored action that excuses detections of whatever class."""

SHORTEST_S = 1e-3
"""Actions below it are without length for those who leave such out."""

SAME_S = 1e-3
"""Actions of a class are one and the same if neither start nor end differs by more."""


@dataclass(frozen=True, eq=False)
class Actions:
    """Labelled segments of one video; arrays are read-only.

    Args:
        segments_s: (N, 2) start and end in seconds.
        labels: (N,) index of the class.
        ignored: (N,) true for segments that neither count nor punish, such as "Ambiguous" of
            THUMOS14; none by default.

    Raises:
        ValueError: if the lengths differ, or an end lies before its start.
    """

    segments_s: Float64[np.ndarray, "N 2"]
    labels: Int64[np.ndarray, " N"]
    ignored: Bool[np.ndarray, " N"]

    def __init__(
        self, segments_s: ArrayLike, labels: ArrayLike, ignored: ArrayLike | None = None
    ) -> None:
        segments = np.array(segments_s, dtype=np.float64).reshape(-1, 2)
        classes = np.array(labels, dtype=np.int64).reshape(-1)
        ignore = np.zeros(len(classes), bool) if ignored is None else np.array(ignored, bool)
        if not len(segments) == len(classes) == len(ignore):
            raise ValueError(
                f"{len(segments)} segments, {len(classes)} labels and {len(ignore)} flags"
            )
        if not (segments[:, 1] >= segments[:, 0]).all():
            raise ValueError("an action ends before it starts, or its times are not numbers")
        for name, array in (("segments_s", segments), ("labels", classes), ("ignored", ignore)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def none(cls) -> Actions:
        """A video in which nothing happens."""
        return cls(np.zeros((0, 2)), np.zeros(0, np.int64))

    def of_one_class(self) -> Actions:
        """The same, all with label 0; what excuses every class goes on doing so."""
        labels = np.where(self.labels == EVERY_CLASS, EVERY_CLASS, 0)
        return Actions(self.segments_s, labels, self.ignored)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Actions:
        """Some of the actions, by mask, slice or array of positions."""
        return Actions(self.segments_s[index], self.labels[index], self.ignored[index])

    def __iter__(self) -> Iterator[tuple[float, float, int]]:
        """Start, end and label of each action that counts."""
        for (start_s, end_s), label, ignored in zip(
            self.segments_s.tolist(), self.labels.tolist(), self.ignored.tolist(), strict=True
        ):
            if not ignored:
                yield start_s, end_s, label


def without_short(actions: Actions) -> Actions:
    """Without those that have no length to speak of."""
    return actions[actions.segments_s[:, 1] - actions.segments_s[:, 0] >= SHORTEST_S]


def without_repeats(actions: Actions) -> Actions:
    """Without those that repeat an earlier one that is kept."""
    kept: list[int] = []
    for place, segment_s in enumerate(actions.segments_s):
        near = np.abs(actions.segments_s[kept] - segment_s).max(axis=1, initial=0.0) <= SAME_S
        alike = (actions.labels[kept] == actions.labels[place]) & (
            actions.ignored[kept] == actions.ignored[place]
        )
        if not (near & alike).any():
            kept.append(place)
    return actions[np.array(kept, np.int64)]
