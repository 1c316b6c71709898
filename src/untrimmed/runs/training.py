"""Train the detector of a recipe, from the encoder's first clip to the best weights.

Stages: open the data, form the encoder if the recipe asks for it, fill the memory, train.  A run
that was stopped goes on where it was last saved, exactly.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import UserError
from untrimmed.data.collate import batches
from untrimmed.data.dataset import TrainingWindows
from untrimmed.data.sampling import batch_keys, steps_of
from untrimmed.data.windows import WindowShape
from untrimmed.detect.features import encode_video
from untrimmed.nn.detector import Detector
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import OpenData, open_data, split_of
from untrimmed.runs.evaluation import detect_all, score
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.inspection import wrong_with
from untrimmed.runs.networks import build_detector, device_here
from untrimmed.runs.pretraining import pretrain
from untrimmed.runs.progress import Job, Progress
from untrimmed.sources.bank import FeatureBank
from untrimmed.sources.check import Problem, VideoFacts
from untrimmed.train.ema import Averaged
from untrimmed.train.journal import Journal
from untrimmed.train.loop import Step, fit
from untrimmed.train.memory import fill
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
    shape: WindowShape
    device: torch.device
    state: State
    generator: torch.Generator
    bank: FeatureBank | None = None

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
    splits = recipe.data.splits
    names = [splits.train, *([splits.validation] if splits.validation else [])]
    data = open_data(recipe.data, splits=names)
    wrong = _wrong_annotations(recipe, data)
    facts: dict[str, float | str] = (
        {"problems": f"{len(wrong)}, listed at the end"} if wrong else {}
    )
    yield Progress("open the data", len(data.media.files), len(data.media.files), facts)
    folder.start(recipe, data.annotations.classes)

    if recipe.pretrain is not None and encoder_weights is None and not folder.encoder.exists():
        accuracy = yield from pretrain(recipe, folder, data=data)
        yield Progress("encoder formed", 1, 1, {"accuracy": accuracy})

    videos = data.readable(split_of(data.annotations, splits.train, setting="data.splits.train"))
    device = device_here()
    detector, shape = build_detector(recipe, classes=len(data.annotations.classes))
    weights = encoder_weights or (folder.encoder if folder.encoder.exists() else None)
    if weights is not None:
        load_weights(detector.get_submodule("encoder"), weights)
    detector.to(device)
    generator = torch.Generator().manual_seed(recipe.seed)
    state = _state(recipe, detector, generator)
    if folder.state.exists():
        state.load(folder.state)
    training = _Training(recipe, folder, data, videos, detector, shape, device, state, generator)
    yield from _remembered(training)
    yield from _fitted(training)
    return Trained(training.state.best, data.failed, wrong)


def _wrong_annotations(recipe: Recipe, data: OpenData) -> tuple[Problem, ...]:
    """Grave faults of the videos that can be read; the others are listed as such."""
    opened = {id: data.media(id) for id in data.media.files if id not in data.failed}
    facts = {id: VideoFacts(each.duration_s, each.fps, each.size) for id, each in opened.items()}
    used = Annotations(
        data.annotations.classes,
        {id: video for id, video in data.annotations.videos.items() if id in facts},
    )
    found = wrong_with(used, facts, replace(recipe.data.splits, test=recipe.data.splits.train))
    return tuple(problem for problem in found if problem.severity == "error")


def _state(recipe: Recipe, detector: Detector, generator: torch.Generator) -> State:
    """The state of a training that has not begun."""
    torch.manual_seed(recipe.seed)
    decay = recipe.train.ema
    return State(
        model=detector,
        optimizer=optimizer_for(detector, recipe.train.optimizer),
        averaged=None if decay is None else Averaged(detector, decay=decay),
        generators={"augmentation": generator},
    )


def _remembered(training: _Training) -> Job[None]:
    """Open the memory: the one that was saved, or a new one filled by the encoder as it is."""
    memory, folder, encoder = (
        training.recipe.data.memory,
        training.folder,
        training.detector.encoder,
    )
    if memory is None or encoder is None:
        return
    if training.state.step:
        saved = folder.bank_saved(training.state.step)
        shutil.rmtree(folder.bank, ignore_errors=True)
        FeatureBank.open(saved, writable=False).copy_to(folder.bank)
        training.bank = FeatureBank.open(folder.bank, writable=True)
        return
    shutil.rmtree(folder.bank, ignore_errors=True)
    data, shape = training.data, training.shape
    cells = {video.id: shape.cells_of(data.media(video.id).count) for video in training.videos}
    training.bank = FeatureBank.create(
        folder.bank, cells, channels=encoder.channels, dtype=memory.dtype
    )
    training.detector.eval()
    for number, video in enumerate(training.videos, start=1):
        pieces = encode_video(
            encoder,
            data.media(video.id),
            clip_frames=shape.clip_frames,
            crop=training.recipe.data.augment.crop,
            device=training.device,
            bf16=training.recipe.train.bf16,
        )
        fill(training.bank, video.id, pieces)
        yield Progress("fill the memory", number, len(training.videos))


def _fitted(training: _Training) -> Job[None]:
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
    windows = TrainingWindows(
        training.videos,
        training.data.media,
        shape=training.shape,
        keep=recipe.data.memory.keep if recipe.data.memory else 1.0,
        redraws=recipe.data.redraws,
        seed=recipe.seed,
    )
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
    with Journal(training.folder.journal, last_step=state.step) as journal:
        for step in fit(
            detector.train(),
            batches(windows, keys, workers=recipe.data.workers),
            optimizer=state.optimizer,
            factor=lambda number: config.schedule.factor(number, steps=steps),
            bank=training.bank,
            augmentation=recipe.data.augment,
            generator=training.generator,
            first_step=state.step,
            clip_norm=config.clip_norm,
            head_only_steps=config.head_only_steps,
            bf16=config.bf16,
            device=training.device,
        ):
            state.step = step.number
            training.data.failed.update(dict(step.failed))
            if state.averaged is not None:
                state.averaged.update(detector)
            journal.write(step)
            yield Progress("train", step.number, steps, _facts(step, training))
            if step.number % validated_every == 0 or step.number == steps:
                yield from _validated(training)
                detector.train()


def _validated(training: _Training) -> Job[None]:
    """Score the validation split, keep the best weights, and save the state."""
    recipe, data, folder, state = training.recipe, training.data, training.folder, training.state
    model = training.averaged_or_own.eval()
    metadata = {"step": str(state.step)}
    save_weights(model, folder.last, metadata=metadata)
    if recipe.data.splits.validation is not None:
        truth = split_of(
            data.annotations, recipe.data.splits.validation, setting="data.splits.validation"
        )
        found = yield from detect_all(
            model,
            data,
            data.readable(truth),
            recipe=recipe,
            shape=training.shape,
            device=training.device,
        )
        average = score(recipe, truth, found).average
        if state.best is None or not average <= state.best:  # also when there was no number yet
            state.best = average
            save_weights(model, folder.best, metadata={**metadata, "average_mAP": str(average)})
        yield Progress("validate", 1, 1, {"average mAP": 100 * average, "best": 100 * state.best})
    _save(training)


def _save(training: _Training) -> None:
    """Write the state, and the memory that belongs to it, so that no stop can part the two."""
    folder, step = training.folder, training.state.step
    saved = folder.bank_saved(step)
    if training.bank is not None:
        training.bank.copy_to(saved)
    training.state.save(folder.state)
    for old in folder.path.glob(folder.bank_saved("*").name):
        if old != saved:
            shutil.rmtree(old)


def _facts(step: Step, training: _Training) -> dict[str, float | str]:
    facts: dict[str, float | str] = {"loss": step.loss}
    if step.clips:
        facts["clips/s"] = step.clips / max(step.seconds + step.waited_s, 1e-9)
    if step.age is not None:
        facts["age"] = step.age
    if training.state.best is not None:
        facts["best mAP"] = 100 * training.state.best
    return facts
