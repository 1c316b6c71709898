"""The steps of a training: taken, scored and saved on the way.

What they start from is made in `runs.training`.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

import torch

from untrimmed.core.annotations import Video
from untrimmed.core.errors import UserError
from untrimmed.data.sampling import batch_keys, steps_of
from untrimmed.nn.detector import Detector
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import Lessons, OpenData, readable, split_of
from untrimmed.runs.evaluation import detect_all, score, threshold
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.interruption import Interruption
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.thresholds import keep
from untrimmed.runs.unread import Unread
from untrimmed.train.distributed import Processes
from untrimmed.train.journal import Journal
from untrimmed.train.loop import Step, fit
from untrimmed.train.state import State, save_weights


@dataclass
class Training:
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


def steps_in(recipe: Recipe, videos: int, processes: Processes) -> int:
    """How many steps a training on so many videos takes.

    Raises:
        UserError: if it is none, or its batches do not divide among the processes.
    """
    config = recipe.train
    steps = steps_of(videos, batch=config.batch, epochs=config.epochs)
    if steps == 0:
        raise UserError(
            f"{videos} readable training videos and {config.epochs} epochs make no batch of"
            f" {config.batch}; lower train.batch or raise train.epochs"
        )
    processes.share(range(config.batch))
    return steps


def fitted(training: Training, lessons: Lessons) -> Job[None]:
    """Train from where the folder's state stands to the end.

    The state is saved after each validation and at the end, whenever `train.save_minutes` have
    passed, and where ctrl C or SIGTERM ends it; not before a step learnt from its batch.

    Raises:
        UserError: if no batch of the whole training could be read.
        KeyboardInterrupt: if ctrl C came; once everything is saved, if that was in a step.
        SystemExit: the same, if SIGTERM came to a command.
    """
    recipe, config, detector = training.recipe, training.recipe.train, training.detector
    count, processes, state = len(training.videos), training.processes, training.state
    steps = steps_in(recipe, count, processes)
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
    interruption = Interruption(processes)
    unread = Unread("windows", is_learnt=state.step > 0)  # for nothing else is saved
    detector.train()
    saved_step, saved_at = state.step, time.monotonic()
    with interruption.held(), ExitStack() as stack:
        journal = None
        if processes.is_first:
            journal = stack.enter_context(Journal(training.folder.journal, last_step=state.step))
        batches = lessons.batches([list(processes.share(batch)) for batch in keys])
        taken = fit(
            interruption.batches(batches),
            lesson=lessons,
            optimizer=state.optimizer,
            factor=lambda number: config.schedule.factor(number, steps=steps, epochs=config.epochs),
            first_step=state.step,
            clip_norm=config.clip_norm,
            processes=processes,
        )
        for step in taken:
            state.step = step.number
            unread.note(step)
            training.data.failed.update(dict(step.failed))
            if state.averaged is not None:
                state.averaged.update(detector)
            if journal is not None:
                journal.write(step)
            yield Progress("train", step.number, steps, _facts(step, training))
            is_due = step.number % validated_every == 0 or step.number == steps
            is_looked_at = is_due and unread.is_learnt
            with interruption.let_go():
                yield from lessons.renew(step.number)
                if is_looked_at:
                    yield from _validated(training)
                    detector.train()
            # No process goes on before the first does, so that nobody writes what it copies.
            is_late = time.monotonic() - saved_at >= 60 * config.save_minutes
            if is_looked_at or (is_late and unread.is_learnt):
                _save(training, lessons)
                saved_step, saved_at = step.number, time.monotonic()
        if interruption.agreed() and saved_step < state.step and unread.is_learnt:
            _save(training, lessons)
        processes.gathered(None)  # it is saved, so that each may end
    interruption.end()
    unread.refuse(steps=steps, batch=config.batch)


def _validated(training: Training) -> Job[None]:
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


def _save(training: Training, lessons: Lessons) -> None:
    """Write the state, and the memory that belongs to it, so that no stop can part the two."""
    step = training.state.step
    if training.processes.is_first:
        lessons.save(step)
        training.state.save(training.folder.state)
        lessons.clean(step)


def _facts(step: Step, training: Training) -> dict[str, float | str]:
    facts: dict[str, float | str] = {"loss": step.loss}
    if step.clips:
        facts["clips/s"] = step.clips / max(step.seconds + step.waited_s, 1e-9)
    if step.age is not None:
        facts["age"] = step.age
    if training.state.best is not None:
        facts["best mAP"] = 100 * training.state.best
    return facts
