"""What was found in one video, as a table, a picture, a page, or a value of a notebook."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from untrimmed.core.detections import Detections
from untrimmed.core.errors import UserError
from untrimmed.report.html import Report, VideoEntry, write_report
from untrimmed.report.timeline import timeline_svg
from untrimmed.sources.formats import csv
from untrimmed.sources.table import table_of


@dataclass(frozen=True, eq=False)
class Found:
    """Detections of one video, surest first.

    In a notebook it shows itself as a timeline of the detections that are sure enough.

    Args:
        video: its name.
        duration_s: that it lasts, in seconds, above 0.
        classes: names, by label.
        detections: all of them.
        threshold: least score of what a timeline shows.
        media: the file, if it is one that plays.
    """

    video: str
    duration_s: float
    classes: tuple[str, ...]
    detections: Detections
    threshold: float
    media: Path | None = None

    def __len__(self) -> int:
        return len(self.detections)

    def filter(
        self, *, threshold: float | None = None, classes: Iterable[str] | None = None
    ) -> Found:
        """The same with some of the detections.

        Args:
            threshold: least score; that of the detector if not given.
            classes: names; all if not given.

        Raises:
            ValueError: if there is no such class.
        """
        least = self.threshold if threshold is None else threshold
        kept = self.detections.scores >= least
        if classes is not None:
            wanted = [classes] if isinstance(classes, str) else list(classes)
            for name in wanted:
                if name not in self.classes:
                    raise ValueError(f"no class {name!r}; there are {', '.join(self.classes)}")
            kept &= np.isin(self.detections.labels, [self.classes.index(name) for name in wanted])
        return replace(self, detections=self.detections[kept], threshold=least)

    def to_pandas(self) -> Any:
        """A pandas data frame: video, label, start and end in seconds, score.

        Raises:
            UserError: if pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise UserError(
                "a data frame needs pandas, which is not installed: pip install 'untrimmed[pandas]'"
            ) from error
        found = self.detections
        return pandas.DataFrame(
            {
                "video": [self.video] * len(found),
                "label": [self.classes[label] for label in found.labels],
                "start": found.segments_s[:, 0],
                "end": found.segments_s[:, 1],
                "score": found.scores,
            }
        )

    def to_json(self) -> str:
        """An array of `{"label", "score", "segment"}`, as ActivityNet has for each video."""
        return json.dumps(
            [
                {"label": self.classes[label], "score": score, "segment": segment}
                for segment, label, score in zip(
                    self.detections.segments_s.tolist(),
                    self.detections.labels.tolist(),
                    self.detections.scores.tolist(),
                    strict=True,
                )
            ],
            ensure_ascii=False,
            indent=1,
        )

    def to_csv(self) -> str:
        """A table as `detections.csv` has it."""
        return table_of(csv.detection_lines({self.video: self.detections}, self.classes))

    def plot(self, *, threshold: float | None = None, width: float = 960.0) -> Picture:
        """A timeline: a lane for each class, the denser the surer.

        Args:
            threshold: least score; that of the detector if not given.
            width: in pixels.
        """
        return Picture(
            timeline_svg(
                self.detections,
                classes=self.classes,
                duration_s=self.duration_s,
                threshold=self.threshold if threshold is None else threshold,
                width=width,
            )
        )

    def save_html(self, path: str | Path) -> None:
        """Write a page with a player, if the video is at hand, and a timeline."""
        entry = VideoEntry(
            id=self.video,
            duration_s=self.duration_s,
            detections=self.detections,
            media=self.media,
        )
        write_report(Report(title=self.video, classes=self.classes, videos=(entry,)), Path(path))

    def _repr_svg_(self) -> str:
        return self.plot().svg

    def _repr_html_(self) -> str:
        return self.plot().svg

    def __repr__(self) -> str:
        sure = int((self.detections.scores >= self.threshold).sum())
        return (
            f"Found({self.video!r}, {self.duration_s:.1f} s: {len(self)} detections,"
            f" {sure} of {self.threshold:.3g} or more)"
        )


@dataclass(frozen=True)
class Picture:
    """A drawing; a notebook shows it.

    Args:
        svg: the drawing itself.
    """

    svg: str

    def save(self, path: str | Path) -> None:
        """Write it as an SVG file."""
        Path(path).write_text(self.svg, encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg
