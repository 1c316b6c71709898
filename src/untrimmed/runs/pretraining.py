"""Form the encoder of a recipe on clips of its training videos."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import nn

from untrimmed.core.errors import ConfigError, UserError
from untrimmed.data.labelled_clips import LabelledClips
from untrimmed.nn.protocols import Encoder
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import readable, split_of
from untrimmed.runs.encoder_weights import LoadReport, start_from
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.networks import build_encoder, device_here, window_shape
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.undoing import undone_if_it_fails
from untrimmed.runs.unread import Unread
from untrimmed.runs.video_data import OpenVideos, open_videos
from untrimmed.train.journal import Journal
from untrimmed.train.loop import Step
from untrimmed.train.optimizer import optimizer_for
from untrimmed.train.pretrain import CellClassifier, balanced_accuracy, clip_batches, form
from untrimmed.train.state import save_weights

VALIDATION_BATCHES = 20


def pretrain(recipe: Recipe, folder: RunFolder, *, data: OpenVideos | None = None) -> Job[float]:
    """Train the encoder as the recipe says and write it into the folder.

    Returns:
        Accuracy on clips of the validation split, mean over classes and background; NaN where
        the recipe has no validation split, or no action in it can be read.

    Raises:
        ConfigError: if the recipe has no `pretrain`.
        UserError: if the data cannot be read, or no action is there to cut clips from.
    """
    config = recipe.pretrain
    if config is None:
        raise ConfigError("this recipe forms no encoder: it has no such part", path="pretrain")
    splits = recipe.data.splits
    names = [splits.train, *([splits.validation] if splits.validation else [])]
    data = data or open_videos(recipe, splits=names)

    folder.check(recipe, data.annotations.classes)
    torch.manual_seed(recipe.seed)
    classes = len(data.annotations.classes)
    device = device_here()
    if recipe.encoder_weights is None:
        encoder = build_encoder(recipe)
    else:
        encoder, report = filled_encoder(recipe)
        yield Progress("encoder filled", 1, 1, {"": str(report)})
    classifier = CellClassifier(cast(Encoder, encoder), classes=classes).to(device)
    optimizer = optimizer_for(classifier, config.optimizer)
    schedule = config.schedule
    steps = config.steps
    clips = _clips(recipe, data, splits.train, stride=classifier.encoder.stride)
    if clips is None:
        raise UserError(
            f"no readable video of the split {splits.train} has an action; an encoder is formed on"
            " clips of actions: annotate some, or set pretrain to null"
        )
    batches = clip_batches(
        clips,
        steps=steps,
        batch=config.batch,
        workers=data.settings.workers,
    )
    unread = Unread("clips")
    with undone_if_it_fails(folder):
        folder.start(recipe, data.annotations.classes)
        with Journal(folder.pretraining_journal, last_step=0) as journal:
            for step in form(
                classifier.train(),
                batches,
                optimizer=optimizer,
                factor=lambda number: schedule.factor(number, steps=steps),
                augmentation=data.settings.augment,
                generator=torch.Generator().manual_seed(recipe.seed),
                bf16=recipe.train.bf16,
                device=device,
            ):
                unread.note(step)
                journal.write(step)
                yield Progress("form the encoder", step.number, steps, _facts(step, unread))
        unread.refuse(steps=steps, batch=config.batch)
        save_weights(
            classifier.get_submodule("encoder"),
            folder.encoder,
            metadata={"made by": "untrimmed pretrain"},
        )
    if splits.validation is None:
        return float("nan")
    clips = _clips(recipe, data, splits.validation, stride=classifier.encoder.stride)
    if clips is None:
        return float("nan")
    held_out = clip_batches(clips, steps=VALIDATION_BATCHES, batch=config.batch)
    return balanced_accuracy(copy.deepcopy(classifier).eval(), held_out, device=device)


def filled_encoder(recipe: Recipe) -> tuple[nn.Module, LoadReport]:
    """The encoder of a recipe of videos with the weights that it starts from.

    Raises:
        UserError: if the weights are not here or do not fit.
    """
    assert recipe.encoder_weights is not None
    encoder = build_encoder(recipe)
    return encoder, start_from(encoder, recipe.encoder_weights)


def _facts(step: Step, unread: Unread) -> dict[str, float | str]:
    facts: dict[str, float | str] = {"loss": step.loss}
    if unread.counts:
        facts["unread clips"] = str(unread.counts.total())
    return facts


def _clips(recipe: Recipe, data: OpenVideos, split: str, *, stride: int) -> LabelledClips | None:
    """Clips of a split; None if no readable video of it has an action."""
    shape = window_shape(data.settings, stride=stride)
    videos = readable(data, split_of(data.annotations, split, setting="data.splits"))
    if not any(len(video.actions) for video in videos):
        return None
    return LabelledClips(
        videos,
        data.media,
        classes=len(data.annotations.classes),
        clip_frames=shape.clip_frames,
        stride=shape.stride,
        seed=recipe.seed,
    )
