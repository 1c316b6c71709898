"""Turn the checkpoint of a paper's authors into the folder of a run.

Nothing in the file is executed: it is read as tensors and plain values alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from untrimmed.core.config import Choice
from untrimmed.core.errors import ConfigError, UserError
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import read_annotations
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.networks import build_detector
from untrimmed.runs.weight_files import read_weights
from untrimmed.train.state import check_weights, save_weights

MODELS = Choice("untrimmed.models")


@dataclass(frozen=True)
class Imported:
    """What became of a checkpoint.

    Args:
        weights: file of the run that they were written to.
        taken: which weights of the file: averaged ones, those that were trained, or all there is.
        matched: tensors that found their place.
        parameters: numbers in them.
        kept: buffers of the detector that such files do not hold; they keep their first values.
    """

    weights: Path
    taken: str
    matched: int
    parameters: int
    kept: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it, for a terminal."""
        lines = [
            f"{self.matched} of {self.matched} tensors matched by name and shape"
            f" ({self.parameters:,} numbers), taken from {self.taken}"
        ]
        if self.kept:
            lines.append(f"not in such files, left as they are: {', '.join(self.kept)}")
        return "\n".join([*lines, f"weights: {self.weights}"])


def import_weights(model: str, checkpoint: Path, recipe: Recipe, folder: RunFolder) -> Imported:
    """Write the folder of a run with the recipe and the weights of a checkpoint.

    Args:
        model: the module of `untrimmed.models` whose authors' names the checkpoint has.

    Raises:
        UserError: if the checkpoint cannot be read safely, or its names and shapes are not those
            of the recipe's detector; nothing is written then.
        ConfigError: if the recipe is of another model, or of one that reads no such files.
    """
    module = MODELS.module(model)
    if type(recipe.model).__module__ != module.__name__:
        made = type(recipe.model).__module__.rpartition(".")[2]
        raise ConfigError(f"the recipe is of {made}, the checkpoint of {model}", path="model.name")
    if not hasattr(module, "rename"):
        raise ConfigError(f"{model} knows no weights of its authors", path="model.name")
    state, taken = read_weights(checkpoint)
    try:
        renamed: dict[str, Tensor] = module.rename(state)
    except ValueError as error:
        raise UserError(f"{checkpoint}: {error}") from error
    classes = read_annotations(recipe.data).classes
    detector = build_detector(recipe, classes=len(classes))
    kept = tuple(
        sorted(name for name, _ in detector.named_buffers() if name in _left(detector, renamed))
    )
    buffers = {name: detector.get_buffer(name) for name in kept}
    check_weights(detector, renamed | buffers, checkpoint)
    detector.load_state_dict(renamed | buffers)
    folder.start(recipe, classes)
    save_weights(detector, folder.last, metadata={"made by": "untrimmed import", "from": taken})
    return Imported(
        weights=folder.last,
        taken=taken,
        matched=len(renamed),
        parameters=sum(tensor.numel() for tensor in renamed.values()),
        kept=kept,
    )


def _left(detector: torch.nn.Module, renamed: Mapping[str, Tensor]) -> set[str]:
    return detector.state_dict().keys() - renamed.keys()
