"""The networks of a recipe: built, moved to a device, with the weights that belong to them."""

from __future__ import annotations

from pathlib import Path

import torch

from untrimmed.data.windows import WindowShape
from untrimmed.nn.detector import Detector
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import window_shape
from untrimmed.train.state import load_weights


def device_here() -> torch.device:
    """The first GPU if there is one that PyTorch can use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build_detector(recipe: Recipe, *, classes: int) -> tuple[Detector, WindowShape]:
    """The untrained detector of a recipe, drawn from its seed, and the windows it sees.

    Raises:
        ConfigError: if clips and encoder do not fit.
    """
    torch.manual_seed(recipe.seed)
    stride = recipe.model.encoder.build().stride
    shape = window_shape(recipe.data, stride=stride)
    torch.manual_seed(recipe.seed)
    return recipe.model.build(classes=classes, cells=shape.cells), shape


def load_detector(
    recipe: Recipe, weights: Path, *, classes: int, device: torch.device
) -> tuple[Detector, WindowShape]:
    """The detector of a recipe with trained weights, in evaluation, on `device`.

    Raises:
        UserError: if the weights do not fit the recipe.
    """
    detector, shape = build_detector(recipe, classes=classes)
    load_weights(detector, weights)
    return detector.to(device).eval(), shape
