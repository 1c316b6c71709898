"""Train the detector of a recipe, from the encoder's first clip to the best weights.

Stages: open the data, form the encoder if the recipe asks for it, open the lessons (for videos,
with their memory), train.  A run that was stopped goes on where it was last saved, exactly.  With
several processes (`train.distributed`) the first alone writes, and all detect what is scored.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from untrimmed.core.annotations import Video
from untrimmed.core.errors import UserError
from untrimmed.data.sampling import batch_keys, steps_of
from untrimmed.nn.detector import Detector
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import Lessons, OpenData, Stage, readable, split_of
from untrimmed.runs.encoder_weights import start_from
from untrimmed.runs.evaluation import detect_all, score, threshold
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.inspection import wrong_with
from untrimmed.runs.networks import device_here
from untrimmed.runs.opening import open_data
from untrimmed.runs.pretraining import pretrain
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.thresholds import keep
from untrimmed.runs.video_data import OpenVideos
from untrimmed.sources.check import Problem
from untrimmed.train.distributed import Processes, joined
from untrimmed.train.ema import Averaged
from untrimmed.train.journal import Journal
from untrimmed.train.loop import Step, fit
from untrimmed.train.optimizer import optimizer_for
from untrimmed.train.state import State, load_weights, save_weights


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Args:
        best_map: best average mAP on the validation split, in [0, 1]; None without one.
        failed: what is wrong with each video that could not be read.
        problems: what is wrong with the annotations.
    """

    best_map: float | None
    failed: dict[str, str]
    problems: tuple[Problem, ...]


@dataclass
class _Training:
    """What the stages of one training share."""

    recipe: Recipe
    folder: RunFolder
    data: OpenData
    videos: list[Video]
    detector: Detector
    device: torch.device
    state: State
    processes: Processes

    @property
    def averaged_or_own(self) -> Detector:
        """The weights that are scored and kept."""
        averaged = self.state.averaged
        return self.detector if averaged is None else averaged.module  # type: ignore[return-value]


def train(
    recipe: Recipe, folder: RunFolder, *, encoder_weights: Path | None = None
) -> Job[Trained]:
    """Train as the recipe says, into the folder; resume what is there.

    Args:
        encoder_weights: start from these instead of forming the encoder.

    Raises:
        UserError: if the data cannot be read, or the folder holds another run.
    """
    with joined() as processes:
        return (yield from _trained(recipe, folder, encoder_weights, processes))


def _trained(
    recipe: Recipe, folder: RunFolder, encoder_weights: Path | None, processes: Processes
) -> Job[Trained]:
    splits = recipe.data.splits
    names = [splits.train, *([splits.validation] if splits.validation else [])]
    data = open_data(recipe, splits=names)
    wrong = _wrong_annotations(recipe, data)
    facts: dict[str, float | str] = (
        {"problems": f"{len(wrong)}, listed at the end"} if wrong else {}
    )
    yield Progress("open the data", 1, 1, facts)
    if processes.is_first:
        folder.start(recipe, data.annotations.classes)
        yield from _encoder(recipe, folder, data, encoder_weights)
    processes.gathered(None)  # the folder is begun

    train_split = split_of(data.annotations, splits.train, setting="data.splits.train")
    device = device_here()
    detector = data.build()
    weights = encoder_weights or (folder.encoder if folder.encoder.exists() else None)
    if weights is not None:
        load_weights(detector.get_submodule("encoder"), weights)
    detector.to(device)
    generator = torch.Generator().manual_seed(recipe.seed)
    state = _state(recipe, detector, generator)
    if folder.state.exists():
        state.load(folder.state)
    processes.seed_apart(recipe.seed, state.step)
    videos = readable(data, train_split)
    training = _Training(recipe, folder, data, videos, detector, device, state, processes)
    stage = Stage(folder, state.step, generator, device, processes)
    lessons = yield from data.lessons(detector, videos, at=stage)
    yield from _fitted(training, lessons)
    return Trained(training.state.best, data.failed, wrong)


def _encoder(
    recipe: Recipe, folder: RunFolder, data: OpenData, encoder_weights: Path | None
) -> Job[None]:
    """Write the encoder to start from into the folder, unless it is there or not asked for."""
    if recipe.pretrain is not None and encoder_weights is None and not folder.encoder.exists():
        videos_alone = data if isinstance(data, OpenVideos) else None
        accuracy = yield from pretrain(recipe, folder, data=videos_alone)
        yield Progress("encoder formed", 1, 1, {"accuracy": accuracy})

    start = recipe.encoder_weights if recipe.pretrain is None else None
    if start is not None and encoder_weights is None and not folder.encoder.exists():
        torch.manual_seed(recipe.seed)
        encoder = recipe.model.encoder.build()
        report = start_from(encoder, start)
        save_weights(encoder, folder.encoder, metadata={"from": report.file.name})
        yield Progress("encoder filled", 1, 1, {"": str(report)})


def _wrong_annotations(recipe: Recipe, data: OpenData) -> tuple[Problem, ...]:
    """Grave faults of the videos that can be read; the others are listed as such."""
    facts = data.facts()
    videos = data.annotations.videos
    used = {
        id: video
        for id, video in videos.items()
        if (id in facts if facts is not None else id not in data.failed)
    }
    splits = replace(recipe.data.splits, test=recipe.data.splits.train)
    found = wrong_with(replace(data.annotations, videos=used), facts, splits)
    return tuple(problem for problem in found if problem.severity == "error")


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


def _fitted(training: _Training, lessons: Lessons) -> Job[None]:
    """Train from where the folder's state stands to the end, validating and saving on the way."""
    recipe, config, detector = training.recipe, training.recipe.train, training.detector
    count = len(training.videos)
    steps = steps_of(count, batch=config.batch, epochs=config.epochs)
    if steps == 0:
        raise UserError(
            f"{count} readable training videos and {config.epochs} epochs make no batch of"
            f" {config.batch}; lower train.batch or raise train.epochs"
        )
    state = training.state
    keys = list(
        batch_keys(
            count,
            batch=config.batch,
            epochs=config.epochs,
            seed=recipe.seed,
            first_step=state.step,
        )
    )
    validated_every = max(1, steps_of(count, batch=config.batch, epochs=config.validate_every))
    processes = training.processes
    processes.share(range(config.batch))  # refused here, before anything is read
    detector.train()
    with ExitStack() as stack:
        journal = None
        if processes.is_first:
            journal = stack.enter_context(Journal(training.folder.journal, last_step=state.step))
        for step in fit(
            lessons.batches([list(processes.share(batch)) for batch in keys]),
            lesson=lessons,
            optimizer=state.optimizer,
            factor=lambda number: config.schedule.factor(number, steps=steps, epochs=config.epochs),
            first_step=state.step,
            clip_norm=config.clip_norm,
            processes=processes,
        ):
            state.step = step.number
            training.data.failed.update(dict(step.failed))
            if state.averaged is not None:
                state.averaged.update(detector)
            if journal is not None:
                journal.write(step)
            yield Progress("train", step.number, steps, _facts(step, training))
            yield from lessons.renew(step.number)
            if step.number % validated_every == 0 or step.number == steps:
                yield from _validated(training)
                _save(training, lessons)
                detector.train()


def _validated(training: _Training) -> Job[None]:
    """Write the weights, score the validation split if there is one, and keep the best.

    With the best goes the threshold at which their detections are worth looking at.
    """
    recipe, data, folder, state = training.recipe, training.data, training.folder, training.state
    model, processes = training.averaged_or_own.eval(), training.processes
    metadata = {"step": str(state.step)}
    if processes.is_first:
        save_weights(model, folder.last, metadata=metadata)
    if recipe.data.splits.validation is None:
        return
    truth = split_of(
        data.annotations, recipe.data.splits.validation, setting="data.splits.validation"
    )
    own = readable(data, truth)[processes.number :: processes.count]
    found = yield from detect_all(model, data, own, recipe=recipe, device=training.device)
    parts = processes.gathered((found, data.failed))
    for _, failed in parts:
        data.failed.update(failed)
    found = {id: detections for part, _ in parts for id, detections in part.items()}
    average = score(recipe, truth, found).average
    if processes.is_first:
        with Journal(folder.validation_journal, last_step=state.step - 1) as journal:
            journal.write({"number": state.step, "average_mAP": average})
    if state.best is None or not average <= state.best:  # also when there was no number yet
        state.best = average
        if processes.is_first:
            save_weights(model, folder.best, metadata={**metadata, "average_mAP": str(average)})
            split = recipe.data.splits.validation
            keep(threshold(recipe, truth, found, split=split), folder.path)
    yield Progress("validate", 1, 1, {"average mAP": 100 * average, "best": 100 * state.best})


def _save(training: _Training, lessons: Lessons) -> None:
    """Write the state, and the memory that belongs to it, so that no stop can part the two."""
    step = training.state.step
    if training.processes.is_first:
        lessons.save(step)
        training.state.save(training.folder.state)
        lessons.clean(step)


def _facts(step: Step, training: _Training) -> dict[str, float | str]:
    facts: dict[str, float | str] = {"loss": step.loss}
    if step.clips:
        facts["clips/s"] = step.clips / max(step.seconds + step.waited_s, 1e-9)
    if step.age is not None:
        facts["age"] = step.age
    if training.state.best is not None:
        facts["best mAP"] = 100 * training.state.best
    return facts
