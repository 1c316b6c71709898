"""The least score that is worth looking at: found on the validation split, kept with the run.

It gives the largest F1 of all classes together (`metrics.operating_points`).  Whoever scores on
the test split must not choose there, so no other split writes it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from untrimmed.core.actions import Actions
from untrimmed.core.config import load
from untrimmed.core.detections import Detections
from untrimmed.core.files import written_whole
from untrimmed.metrics.operating_points import best_threshold, operating_point
from untrimmed.sources.json_tree import read_json

TIOU = 0.5
"""Overlap from which a detection is a hit, here."""

UNKNOWN = 0.3
"""What is taken for a run without a validation split."""

FILE = "threshold.json"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A least score, and how good it was where it was chosen.

    Args:
        score: detections of this score or more are shown.
        f1: of all classes together, in [0, 1].
        tiou: overlap from which a detection was a hit.
        split: on which it was chosen.
    """

    score: float
    f1: float
    tiou: float
    split: str

    def __str__(self) -> str:
        return (
            f"{self.score:.3g}, which gave the best F1 on the {self.split} split"
            f" ({100 * self.f1:.1f} % at tIoU {self.tiou:g})"
        )


def chosen(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    classes: tuple[str, ...],
    split: str,
) -> Threshold | None:
    """The threshold of the largest F1; None if no detection is a hit."""
    score = best_threshold(actions, detections, tiou=TIOU, classes=len(classes))
    if not math.isfinite(score):
        return None
    point = operating_point(actions, detections, tiou=TIOU, classes=classes, least_score=score)
    return Threshold(score=score, f1=point.overall.f1, tiou=TIOU, split=split)


def keep(threshold: Threshold | None, folder: Path) -> None:
    """Write it into the folder of a run; None takes away an older one, of other weights."""
    path = folder / FILE
    if threshold is None:
        path.unlink(missing_ok=True)
        return
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(asdict(threshold)) + "\n", encoding="utf-8")


def kept(folder: Path) -> Threshold | None:
    """The threshold of a run; None if it has none.

    Raises:
        UserError: if the file is damaged.
    """
    path = folder / FILE
    return load(Threshold, read_json(path).raw, source=str(path)) if path.exists() else None
