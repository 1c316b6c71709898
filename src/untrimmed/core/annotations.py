"""A data set: its classes, its videos, and what happens in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from untrimmed.core.actions import Actions
from untrimmed.core.errors import FormatError


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
class Fault:
    """An action that a file states and that cannot be: it is left out, the others are read.

    Args:
        video: its id.
        message: what is wrong, with file and place, for people.
    """

    video: str
    message: str

    @classmethod
    def backwards(
        cls, video: str, start_s: float, end_s: float, *, file: Path, place: int | str | None
    ) -> Fault:
        """That of an action which ends before it starts."""
        message = f"it ends at {end_s} s, before it starts at {start_s} s; it is left out"
        return cls(video, str(FormatError(message, file=file, place=place)))


@dataclass(frozen=True)
class Annotations:
    """Classes by index and videos by id.

    Args:
        classes: names; the position is the label.
        videos: by id, in the order of the file.
        faults: of the file, each an action that is not in `videos`.
    """

    classes: tuple[str, ...]
    videos: Mapping[str, Video]
    faults: tuple[Fault, ...] = ()

    def split(self, name: str) -> Annotations:
        """The videos of one split and their faults, with the classes of all."""
        chosen = {id: video for id, video in self.videos.items() if video.split == name}
        faults = tuple(fault for fault in self.faults if fault.video in chosen)
        return Annotations(self.classes, chosen, faults)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in order of appearance."""
        return tuple(dict.fromkeys(video.split for video in self.videos.values()))

    @property
    def actions(self) -> dict[str, Actions]:
        """Ground truth by video, as the metrics take it."""
        return {id: video.actions for id, video in self.videos.items()}
