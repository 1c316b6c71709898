"""The whole way on a small data set: draw it, train on it, score, and detect in a new video."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from untrimmed.core.files import written_whole
from untrimmed.demo.dataset import ANNOTATIONS, VIDEOS, drawn_videos, write_demo_data
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.detection import detect
from untrimmed.runs.evaluation import Evaluation, evaluate
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.preparing import prepare_all
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.training import train

UNSEEN_SEED = 1_000_003
"""Added to the seed of the data set for the video that is in no split."""


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Args:
        evaluation: of the test split.
        run: folder of the trained run; `report` is its page.
        unseen: a video of no split; `found` is the folder of what was found in it.
    """

    evaluation: Evaluation
    run: Path
    report: Path
    unseen: Path
    found: Path


def make_data(folder: Path, *, seed: int) -> Job[Path]:
    """Write the demo data set, unless it is there, and a recipe for it; give the recipe."""
    recipe = folder / "recipe.yaml"
    total = sum(VIDEOS.values())
    if not (folder / ANNOTATIONS).exists():
        for done in drawn_videos(folder, seed=seed):
            yield Progress("draw the videos", done, total)
    if not recipe.exists():
        preset = resources.files("untrimmed.demo") / "recipe.yaml"
        with written_whole(recipe) as path:
            path.write_text(preset.read_text(encoding="utf-8"), encoding="utf-8")
    return recipe


def demo(folder: Path, *, seed: int) -> Job[Demo]:
    """Everything, in `folder`; what is there already is not done again."""
    path = yield from make_data(folder / "data", seed=seed)
    recipe = read_recipe(path, settings=[f"seed={seed}"])
    run = RunFolder(folder / "run")
    yield from prepare_all(recipe, kind="frames")
    yield from train(recipe, run)
    evaluation = yield from evaluate(run)
    unseen = folder / "unseen.mp4"
    if not unseen.exists():
        write_demo_data(folder / "unseen", seed=seed + UNSEEN_SEED, videos={"testing": 1})
        next((folder / "unseen" / "videos").glob("*.mp4")).replace(unseen)
        shutil.rmtree(folder / "unseen")
    found = folder / "found"
    yield from detect(run, [unseen], output=found)
    return Demo(evaluation, run.path, run.report, unseen, found)
