"""Train the detector of a recipe, from the encoder's first clip to the best weights.

Stages: open the data, build the networks, begin the folder, form the encoder if the recipe asks for
it, open the lessons (for videos, with their memory), train (`runs.fitting`).  A run that was
stopped goes on where it was last saved, exactly.  With several processes (`train.distributed`) the
first alone writes, and all detect what is scored.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from untrimmed.core.annotations import Video
from untrimmed.core.errors import UserError
from untrimmed.nn.detector import Detector
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import OpenData, Stage, readable, split_of
from untrimmed.runs.evaluation import check_scoring
from untrimmed.runs.fitting import Training, fitted, steps_in
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.inspection import wrong_with
from untrimmed.runs.networks import device_here
from untrimmed.runs.opening import open_data
from untrimmed.runs.pretraining import filled_encoder, pretrain
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.undoing import undone_if_it_fails
from untrimmed.runs.video_data import OpenVideos
from untrimmed.sources.check import Problem
from untrimmed.train.distributed import Processes, joined
from untrimmed.train.ema import Averaged
from untrimmed.train.optimizer import optimizer_for
from untrimmed.train.state import State, load_weights, save_weights


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Args:
        best_map: best average mAP on the validation split, in [0, 1]; None without one.
        failed: what is wrong with each video that could not be read.
        problems: what is wrong with the annotations.
        unlearnt: the classes that happen, but not in what was trained on.
    """

    best_map: float | None
    failed: dict[str, str]
    problems: tuple[Problem, ...]
    unlearnt: tuple[Problem, ...] = ()


def train(
    recipe: Recipe, folder: RunFolder, *, encoder_weights: Path | None = None
) -> Job[Trained]:
    """Train as the recipe says, into the folder; resume what is there.

    The folder is begun once all that the training starts from is there and fits together.  If it
    fails even so before the first step is done, the folder is as it was before
    (`runs.undoing`).

    Args:
        encoder_weights: start from these instead of forming the encoder.

    Raises:
        UserError: if the data or the weights cannot be read, settings do not fit each other, or
            the folder holds another run.
        KeyboardInterrupt: once the state is saved, if ctrl C came in a step.
        SystemExit: once the state is saved, if SIGTERM came in a step of a command.
    """
    with joined() as processes:
        return (yield from _trained(recipe, folder, encoder_weights, processes))


def _trained(
    recipe: Recipe, folder: RunFolder, encoder_weights: Path | None, processes: Processes
) -> Job[Trained]:
    splits = recipe.data.splits
    names = [splits.train, *([splits.validation] if splits.validation else [])]
    data = open_data(recipe, splits=names)
    wrong, unlearnt = _wrong_annotations(recipe, data)
    facts: dict[str, float | str] = (
        {"problems": f"{len(wrong)}, listed at the end"} if wrong else {}
    )
    yield Progress("open the data", 1, 1, facts)
    folder.check(recipe, data.annotations.classes)

    train_split = split_of(data.annotations, splits.train, setting="data.splits.train")
    videos = readable(data, train_split)
    steps_in(recipe, len(videos), processes)  # refused here, before anything is written
    check_scoring(recipe, data.annotations)
    detector = data.build()
    if encoder_weights is not None:
        _load_encoder(detector, encoder_weights)
    with undone_if_it_fails(folder) if processes.is_first else nullcontext():
        if processes.is_first:
            yield from _begun(recipe, folder, data, forms_encoder=encoder_weights is None)
        processes.gathered(None)  # the folder is begun
        if encoder_weights is None and folder.encoder.exists():
            _load_encoder(detector, folder.encoder)
        training, stage = _as_it_stands(recipe, folder, data, videos, detector, processes)
        lessons = yield from data.lessons(detector, videos, at=stage)
        yield from fitted(training, lessons)
    return Trained(training.state.best, data.failed, wrong, unlearnt)


def _as_it_stands(
    recipe: Recipe,
    folder: RunFolder,
    data: OpenData,
    videos: list[Video],
    detector: Detector,
    processes: Processes,
) -> tuple[Training, Stage]:
    """The training where it was last saved, or before its first step."""
    device = device_here()
    detector.to(device)
    generator = torch.Generator().manual_seed(recipe.seed)
    state = _state(recipe, detector, generator)
    if folder.state.exists():
        state.load(folder.state)
    processes.seed_apart(recipe.seed, state.step)
    stage = Stage(folder, state.step, generator, device, processes)
    return Training(recipe, folder, data, videos, detector, device, state, processes), stage


def _begun(recipe: Recipe, folder: RunFolder, data: OpenData, *, forms_encoder: bool) -> Job[None]:
    """Begin the folder, and write the encoder to start from into it if there is to be one."""
    is_wanted = forms_encoder and not folder.encoder.exists()
    if is_wanted and recipe.pretrain is not None:
        videos_alone = data if isinstance(data, OpenVideos) else None
        accuracy = yield from pretrain(recipe, folder, data=videos_alone)
        yield Progress("encoder formed", 1, 1, {"accuracy": accuracy})
    elif is_wanted and recipe.encoder_weights is not None:
        encoder, report = filled_encoder(recipe)
        folder.start(recipe, data.annotations.classes)
        save_weights(encoder, folder.encoder, metadata={"from": report.file.name})
        yield Progress("encoder filled", 1, 1, {"": str(report)})
    else:
        folder.start(recipe, data.annotations.classes)


def _load_encoder(detector: Detector, weights: Path) -> None:
    if detector.encoder is None:
        raise UserError(f"{weights}: the recipe is of features, which need no encoder")
    load_weights(detector.get_submodule("encoder"), weights)


def _wrong_annotations(
    recipe: Recipe, data: OpenData
) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Grave faults of the videos that can be read, and the classes that cannot be learnt of them.

    The videos that cannot be read are listed as such.
    """
    facts = data.facts()
    used = {
        id
        for id in data.annotations.videos
        if (id in facts if facts is not None else id not in data.failed)
    }
    found = wrong_with(data.annotations, facts, recipe.data.splits, videos=used)
    grave = [
        problem
        for problem in found
        # A test split may come later; the others are there, or they would not have been opened.
        if problem.severity == "error" and problem.kind != "empty split"
    ]
    unlearnt = tuple(problem for problem in grave if problem.kind == "class without training")
    return tuple(problem for problem in grave if problem not in unlearnt), unlearnt


def _state(recipe: Recipe, detector: Detector, generator: torch.Generator) -> State:
    """The state of a training that has not begun."""
    torch.manual_seed(recipe.seed)
    train = recipe.train
    return State(
        model=detector,
        optimizer=optimizer_for(detector, train.optimizer),
        averaged=None
        if train.ema is None
        else Averaged(detector, decay=train.ema, warm_up=train.ema_warm_up),
        generators={"augmentation": generator},
    )
