"""What a page shows: videos, what happens in them, what was found, scores and curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.average_precision import Scores
from untrimmed.report.charts import NamedCurve
from untrimmed.report.training_curves import TrainingCurves


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoEntry:
    """One video of a report.

    Args:
        id: its name, once per report.
        duration_s: its length in seconds, above 0.
        detections: what was found in it.
        actions: what happens in it; None if nobody knows, then nothing is judged.
        media: its file; None gives a timeline without a picture.
    """

    id: str
    duration_s: float
    detections: Detections
    actions: Actions | None = None
    media: Path | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Rival:
    """What another detector found in the same videos, to be shown beside the first.

    Args:
        name: tells the two apart.
        detections: by video; one that is not there has none.
        scores, curves: as those of the report.
    """

    name: str
    detections: Mapping[str, Detections]
    scores: Scores | None = None
    curves: tuple[NamedCurve, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """What a page shows.

    Args:
        title: heads the page.
        classes: names by label.
        videos: at least one.
        scores: average precision of the same classes; none if there is no ground truth.
        curves: precision over recall, of a class each.
        facts: shown as a small table, in order: command, date, model and the like.
        name: of the detector, where there is a rival.
        rival: a second one.
        training: curves of the training.
        corrections: by video, what somebody says happens in it, where somebody has.
        added_classes: names of classes of which corrections alone are; their labels follow those of
            `classes`.

    Raises:
        ValueError: if there is no video, an id comes twice, a video has no length, a label has no
            class, or the scores are of other classes.
    """

    title: str
    classes: tuple[str, ...]
    videos: tuple[VideoEntry, ...]
    scores: Scores | None = None
    curves: tuple[NamedCurve, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    rival: Rival | None = None
    training: TrainingCurves | None = None
    corrections: Mapping[str, Actions] = field(default_factory=dict)
    added_classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.videos:
            raise ValueError("a report without videos")
        if len({video.id for video in self.videos}) < len(self.videos):
            raise ValueError("a video comes twice in the report")
        for video in self.videos:
            if not video.duration_s > 0:
                raise ValueError(f"video {video.id} lasts {video.duration_s} s")
            labels = video.detections.labels.tolist()
            if self.rival is not None and video.id in self.rival.detections:
                labels += self.rival.detections[video.id].labels.tolist()
            if video.actions is not None:
                labels += video.actions.labels[~video.actions.ignored].tolist()
            if labels and not 0 <= min(labels) <= max(labels) < len(self.classes):
                raise ValueError(
                    f"video {video.id} has labels from {min(labels)} to {max(labels)},"
                    f" but the report has {len(self.classes)} classes"
                )
        for scores in (self.scores, None if self.rival is None else self.rival.scores):
            if scores is not None and tuple(scores.classes) != self.classes:
                raise ValueError("the scores of the report are of other classes")
