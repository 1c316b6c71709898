"""Where the detections of a file go wrong: DETAD's analysis, as a page."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from untrimmed import __version__
from untrimmed.core.annotations import Fault
from untrimmed.core.errors import UserError
from untrimmed.metrics.errors import error_profile
from untrimmed.metrics.sensitivity import (
    false_negatives,
    plausible,
    quantile_characteristics,
    sensitivity,
)
from untrimmed.report.analysis import Analysis, write_analysis
from untrimmed.runs.scoring import read_pair


def analyse_files(
    annotations: Path,
    detections: Path,
    *,
    output: Path,
    format: str | None = None,
    split: str | None = None,
    tious: tuple[float, ...],
) -> tuple[Analysis, tuple[Fault, ...]]:
    """Write the page of a file of detections, and give what it shows.

    Beside it are the actions that the annotations state and that cannot be: they are left out.

    Buckets of length, coverage and number of actions hold a fifth of the data each.

    Args:
        format, split: as in `runs.scoring.score_files`.

    Raises:
        UserError: if a file cannot be read, or there is no action.
    """
    truth, found = read_pair(annotations, detections, format=format, split=split)
    videos = dict(truth.videos)
    actions = plausible(videos)
    if not any(len(some) for some in actions.values()):
        raise UserError(f"{annotations}: there is no action to analyse")
    buckets = quantile_characteristics(videos)
    analysis = Analysis(
        title=f"Errors of {detections.name}",
        profile=error_profile(actions, found, tious=tious),
        sensitivity=sensitivity(videos, found, tious=tious, characteristics=buckets),
        missed=false_negatives(videos, found, tious=tious, characteristics=buckets),
        facts={
            "annotations": annotations.name,
            "detections": detections.name,
            "videos": str(len(videos)),
            "analysis": "as in DETAD (Alwassel et al., ECCV 2018)",
            "date": date.today().isoformat(),
            "untrimmed": __version__,
        },
    )
    write_analysis(analysis, output)
    return analysis, truth.faults
