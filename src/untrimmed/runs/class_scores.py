"""Scores of whole videos by a classifier of others, as a recipe names their file.

Where detections get their classes from them is in `runs.evaluation`.

Shapes: K classes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import ConfigError
from untrimmed.detect.classify import read_class_scores
from untrimmed.recipes.recipe import Recipe


def class_scores_of(
    recipe: Recipe, annotations: Annotations
) -> dict[str, Float64[np.ndarray, " K"]]:
    """Class scores by video, in the order of the annotations' classes; none if it names no file.

    Raises:
        ConfigError: if they are of other classes, or a detection is to get more of them than
            there are.
        FormatError: if they cannot be read.
    """
    given = recipe.class_scores
    if given is None:
        return {}
    count = len(annotations.classes)
    scores = read_class_scores(given.file, classes=annotations.classes)
    found = len(next(iter(scores.values()), range(count)))
    if found != count:
        raise ConfigError(
            f"scores of {found} classes, but annotations of {count}", path="class_scores.file"
        )
    if not 1 <= given.classes <= count:
        raise ConfigError(
            f"wanted 1 to {count}, as many as there are classes, got {given.classes}",
            path="class_scores.classes",
        )
    return scores


def check_class_scores(recipe: Recipe, split: Annotations, *, name: str) -> None:
    """Refuse a file of class scores by which a split could not be scored.

    A split of which some videos have scores is scored on these.

    Args:
        name: of the split, for the message.

    Raises:
        ConfigError: if they are of other classes, or no video of the split has any.
        FormatError: if they cannot be read.
    """
    scores = class_scores_of(recipe, split)
    if recipe.class_scores is not None and not scores.keys() & split.videos.keys():
        raise ConfigError(
            f"{recipe.class_scores.file} has scores of {len(scores)} videos, but of none of the"
            f" {len(split.videos)} of the split {name}, on which the training is scored",
            path="class_scores.file",
        )
