"""The networks of a recipe: built, moved to a device, with the weights that belong to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any, cast

import torch
from torch import nn

from untrimmed.core.errors import ConfigError
from untrimmed.data.windows import WindowShape
from untrimmed.nn.detector import Detector
from untrimmed.nn.protocols import Encoder
from untrimmed.nn.video_class import Unclassified, VideoClassHead
from untrimmed.recipes.data import VideoData
from untrimmed.recipes.recipe import Recipe


def device_here() -> torch.device:
    """The first GPU if there is one that PyTorch can use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def own_classes(recipe: Recipe, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Names of what a detector finds by itself, by label; of whatever class, it has but one.

    Args:
        classes: of the annotations.
    """
    return ("action",) if recipe.data.one_class else classes


def build_detector(
    recipe: Recipe, *, classes: int, channels: Sequence[int] | None = None
) -> Detector:
    """The untrained detector of a recipe, drawn from its seed.

    Args:
        classes: of the annotations; a detector of one class has but one.
        channels: width of each set of features, where the recipe does not state them.

    Raises:
        ConfigError: if a part of the model refuses its settings, clips and encoder do not fit, or
            the widths of features are not known.
    """
    data, model = recipe.data, recipe.model
    told_apart = 1 if data.one_class else classes
    if isinstance(data, VideoData):
        encoder = build_encoder(recipe)
        shape = window_shape(data, stride=cast(Encoder, encoder).stride)
        _check_clips(encoder, data)
        torch.manual_seed(recipe.seed)
        with _as_settings(model):
            return cast(Detector, model.build(told_apart, cells=shape.cells))
    if channels is None:
        channels = [each.channels for each in data.features if each.channels is not None]
        if len(channels) != len(data.features):
            raise ConfigError(
                "nothing says how wide they are; state channels", path="data.features"
            )
    torch.manual_seed(recipe.seed)
    with _as_settings(model):
        return cast(Detector, model.build(told_apart, cells=data.cells, channels=channels))


def build_encoder(recipe: Recipe) -> nn.Module:
    """The untrained encoder of a recipe of videos, drawn from its seed.

    Raises:
        ConfigError: if it refuses its settings.
    """
    torch.manual_seed(recipe.seed)
    with _as_settings(recipe.model):
        return cast(nn.Module, recipe.model.encoder.build())


def classes_itself(detector: Detector) -> bool:
    """Whether it has a classifier of whole videos, beside a head that finds actions of no class."""
    return isinstance(detector.head, VideoClassHead)


def unclassified(detector: Detector) -> Detector:
    """The same network, its classifier of videos unheard; as it is if it has none."""
    head = detector.head
    if not isinstance(head, VideoClassHead):
        return detector
    same = Detector(
        detector.encoder,
        detector.temporal,
        Unclassified(head),
        clips_at_once=detector.clips_at_once,
    )
    return same.train(detector.training)


def window_shape(data: VideoData, *, stride: int) -> WindowShape:
    """The windows of a recipe, for an encoder of that stride.

    Raises:
        ConfigError: if a clip is not a whole number of strides.
    """
    windows = data.windows
    if windows.clip_frames % stride:
        raise ConfigError(
            f"{windows.clip_frames} frames are not a whole number of strides of {stride},"
            " as the encoder has them",
            path="data.windows.clip_frames",
        )
    return WindowShape(
        clip_frames=windows.clip_frames,
        clips=windows.clips,
        stride=stride,
        shifted=windows.shifted,
    )


def _check_clips(encoder: nn.Module, data: VideoData) -> None:
    """Refuse clips that the encoder refuses, before any is decoded; the encoder is used up.

    Without numbers, on the device `meta`, a look at a clip costs next to nothing.
    """
    height, width = data.augment.crop or data.size
    frames = data.windows.clip_frames
    without_numbers = encoder.to("meta").eval()
    clips = torch.empty(1, 3, frames, height, width, dtype=torch.uint8, device="meta")
    try:
        with torch.inference_mode():
            without_numbers(clips)
    except ValueError as error:
        raise ConfigError(
            f"clips of {frames} frames of {height} x {width} pixels do not suit it: {error}",
            path="model.encoder",
        ) from error
    except RuntimeError:
        # Not every operation is known there.  What is wrong will be raised when there are numbers.
        return


@contextmanager
def _as_settings(model: Any) -> Iterator[None]:
    """What a part refuses while the model is built is a setting that the user can change."""
    try:
        yield
    except ValueError as error:
        message, path = str(error), _refusing(error, model)
        if isinstance(error, ConfigError) and error.path:
            message, path = message.removeprefix(f"{error.path}: "), f"{path}.{error.path}"
        raise ConfigError(message, path=path) from error


def _refusing(error: Exception, model: Any) -> str:
    """The setting of the part in whose module an error was raised."""
    modules = {frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__)}
    for part in ("encoder", "head"):
        if type(getattr(model, part, None)).__module__ in modules:
            return f"model.{part}"
    return "model"
