"""A data set: its classes, its videos, and what happens in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from untrimmed.core.actions import Actions


@dataclass(frozen=True, kw_only=True)
class Video:
    """One recording.

    Args:
        id: its name in the annotations, usually the file's name without its ending.
        duration_s: its length in seconds, above 0.
        actions: what happens in it.
        split: the part of the data set it belongs to, as in "train" or "test"; empty if none.
        fps: frames per second as the annotations state it; None where they do not.
    """

    id: str
    duration_s: float
    actions: Actions = field(default_factory=Actions.none)
    split: str = ""
    fps: float | None = None


@dataclass(frozen=True)
class Annotations:
    """Classes by index and videos by id.

    Args:
        classes: names; the position is the label.
        videos: by id, in the order of the file.
    """

    classes: tuple[str, ...]
    videos: Mapping[str, Video]

    def split(self, name: str) -> Annotations:
        """The videos of one split, with the classes of all."""
        chosen = {id: video for id, video in self.videos.items() if video.split == name}
        return Annotations(self.classes, chosen)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in order of appearance."""
        return tuple(dict.fromkeys(video.split for video in self.videos.values()))

    @property
    def actions(self) -> dict[str, Actions]:
        """Ground truth by video, as the metrics take it."""
        return {id: video.actions for id, video in self.videos.items()}
