"""The verbs of the command as functions.

    from untrimmed import api

    api.train("demo/data/recipe.yaml", "runs/first")
    print(api.evaluate("runs/first").scores.average)
    found = api.detect("runs/first", ["match.mp4"], output="found")

Each runs to its end without a word; for progress, iterate over the job of the same name in
`untrimmed.runs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs import bundle as bundles
from untrimmed.runs import demo as demos
from untrimmed.runs import (
    detection,
    evaluation,
    exporting,
    inspection,
    planning,
    preparing,
    pretraining,
    training,
)
from untrimmed.runs.bundle import Bundled
from untrimmed.runs.demo import Demo
from untrimmed.runs.detection import Detected
from untrimmed.runs.evaluation import Evaluation
from untrimmed.runs.exporting import Exported, Form
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.hub import bundle_folder
from untrimmed.runs.inspection import Inspection
from untrimmed.runs.planning import Planned, Told
from untrimmed.runs.preparing import Kind, Prepared
from untrimmed.runs.progress import finish
from untrimmed.runs.training import Trained


def demo(folder: str | Path = "demo", *, seed: int = 0) -> Demo:
    """Draw a data set, train on it, score, and detect in a new video."""
    return finish(demos.demo(Path(folder), seed=seed))


def demo_data(folder: str | Path, *, seed: int = 0) -> Path:
    """Draw the demo data set and give its recipe."""
    return finish(demos.make_data(Path(folder), seed=seed))


def inspect(recipe: str | Path, *, settings: Sequence[str] = ()) -> Inspection:
    """What is in a data set, and what is wrong with it."""
    return finish(inspection.inspect(read_recipe(recipe, settings=settings)))


def plan(
    media: str | Path,
    annotations: str | Path,
    output: str | Path,
    *,
    told: Told | None = None,
    replace_old: bool = False,
) -> Planned:
    """Write a recipe that fits a folder of videos or features and its annotations."""
    return finish(
        planning.plan(
            Path(media), Path(annotations), Path(output), told=told, replace_old=replace_old
        )
    )


def prepare(recipe: str | Path, *, kind: Kind = "mp4", settings: Sequence[str] = ()) -> Prepared:
    """Write copies of a recipe's videos that are quick to read."""
    return finish(preparing.prepare_all(read_recipe(recipe, settings=settings), kind=kind))


def pretrain(recipe: str | Path, run: str | Path, *, settings: Sequence[str] = ()) -> float:
    """Form the encoder of a recipe; gives its accuracy on the validation split."""
    chosen = read_recipe(recipe, settings=settings)
    return finish(pretraining.pretrain(chosen, RunFolder(Path(run))))


def train(
    recipe: str | Path,
    run: str | Path,
    *,
    settings: Sequence[str] = (),
    encoder_weights: Path | None = None,
) -> Trained:
    """Train a detector as a recipe says; a run that was stopped goes on."""
    chosen = read_recipe(recipe, settings=settings)
    return finish(training.train(chosen, RunFolder(Path(run)), encoder_weights=encoder_weights))


def evaluate(
    run: str | Path, *, split: str | None = None, weights: Path | None = None
) -> Evaluation:
    """Score a trained run on a split."""
    return finish(evaluation.evaluate(RunFolder(Path(run)), split=split, weights=weights))


def detect(
    run: str | Path,
    videos: Sequence[str | Path],
    *,
    output: str | Path,
    fps: float | None = None,
    threshold: float | None = None,
    write: Sequence[str] = (),
    again: bool = False,
) -> Detected:
    """Find actions in videos, and write them into a folder.

    For detections alone, without files, see `untrimmed.Detector`.

    Args:
        run: a folder, or `hf://OWNER/NAME@REVISION` for a bundle on the Hugging Face Hub.
    """
    return finish(
        detection.detect(
            RunFolder(finish(bundle_folder(run))),
            [Path(video) for video in videos],
            output=Path(output),
            fps=fps,
            threshold=threshold,
            write=write,
            again=again,
        )
    )


def export(
    run: str | Path,
    output: str | Path,
    *,
    to: Form = "onnx",
    apart: bool = False,
    on: Sequence[str | Path] = (),
    fps: float | None = None,
) -> Exported:
    """Write the graphs of a detector for other runtimes, held against PyTorch on real videos."""
    return finish(
        exporting.export(
            RunFolder(Path(run)),
            Path(output),
            to=to,
            apart=apart,
            on=[Path(file) for file in on],
            fps=fps,
        )
    )


def bundle(run: str | Path, output: str | Path, *, license: str | None = None) -> Bundled:
    """Write a trained run as a folder to share; the command has it as `export --to bundle`."""
    return bundles.bundle(RunFolder(Path(run)), Path(output), license=license)
