"""Where detections go wrong, those of a file or of a run: DETAD's analysis, as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from untrimmed import __version__
from untrimmed.core.annotations import Annotations, Fault
from untrimmed.core.detections import Detections
from untrimmed.core.errors import UserError
from untrimmed.metrics.errors import error_profile
from untrimmed.metrics.sensitivity import (
    false_negatives,
    plausible,
    quantile_characteristics,
    sensitivity,
)
from untrimmed.report.analysis import Analysis, write_analysis
from untrimmed.runs.scoring import read_detections, read_pair
from untrimmed.runs.seen_files import split_of_run


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

    Args:
        format, split: as in `runs.scoring.score_files`.

    Raises:
        UserError: if a file cannot be read, or there is no action.
    """
    truth, found = read_pair(annotations, detections, format=format, split=split)
    facts = {"annotations": annotations.name, "detections": detections.name}
    analysis = _analysis(truth, found, tious=tious, source=annotations, facts=facts)
    write_analysis(analysis, output)
    return analysis, truth.faults


def analyse_run(
    run: Path, *, output: Path, split: str | None = None, tious: tuple[float, ...]
) -> tuple[Analysis, tuple[Fault, ...]]:
    """The same for what `untrimmed evaluate` found in a split of a run.

    Args:
        split: that was evaluated; the test split if not given, or else that for validation.

    Raises:
        UserError: if the run was not evaluated, or there is no action.
    """
    # These import torch, which files do not need.
    from untrimmed.runs.dataset import read_annotations, split_of
    from untrimmed.runs.evaluation import told_apart
    from untrimmed.runs.folder import RunFolder

    folder = RunFolder(run)
    recipe = folder.read_recipe()
    split, file = split_of_run(folder, split, recipe.data.splits)
    if file is None:
        raise UserError(
            f"{run} has no detections of the split {split}: run"
            f" `untrimmed evaluate {run} --split {split}` first"
        )
    truth = split_of(read_annotations(recipe.data), split, setting="--split")
    classes = told_apart(recipe, truth.classes)
    if classes != truth.classes:
        videos = {
            id: replace(video, actions=video.actions.of_one_class())
            for id, video in truth.videos.items()
        }
        truth = Annotations(classes, videos, truth.faults)
    facts = {"run": folder.path.name, "split": split}
    found = read_detections(file, classes)
    analysis = _analysis(truth, found, tious=tious, source=file, facts=facts)
    write_analysis(analysis, output)
    return analysis, truth.faults


def _analysis(
    truth: Annotations,
    found: Mapping[str, Detections],
    *,
    tious: tuple[float, ...],
    source: Path,
    facts: Mapping[str, str],
) -> Analysis:
    """Buckets of length, coverage and number of actions hold a fifth of the data each."""
    videos = dict(truth.videos)
    actions = plausible(videos)
    if not any(len(some) for some in actions.values()):
        raise UserError(f"{source}: there is no action to analyse")
    buckets = quantile_characteristics(videos)
    return Analysis(
        title=f"Errors of {facts.get('run') or facts['detections']}",
        profile=error_profile(actions, found, tious=tious),
        sensitivity=sensitivity(videos, found, tious=tious, characteristics=buckets),
        missed=false_negatives(videos, found, tious=tious, characteristics=buckets),
        facts={
            **facts,
            "videos": str(len(videos)),
            "analysis": "as in DETAD (Alwassel et al., ECCV 2018)",
            "date": date.today().isoformat(),
            "untrimmed": __version__,
        },
    )
