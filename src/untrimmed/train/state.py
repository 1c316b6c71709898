"""What is written to disk of a training: its whole state, to go on, and weights, to use.

A run that is stopped and resumed goes on exactly as if it had not been: on a CPU bit for bit.
The state is read by the same version of the code on the same recipe; weights are for everyone, in
safetensors, and load only where every name and shape fits.  Nothing is ever unpickled.

The feature bank is not part of it (`sources.bank`), nor are settings: those stand in the recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from untrimmed.core.errors import UnlikeError, UserError
from untrimmed.core.files import written_whole
from untrimmed.train.ema import Averaged

FORMAT = 1
"""Raised when what a state file holds changes."""


@dataclass(kw_only=True)
class State:
    """Everything that a training changes.

    The generators of PyTorch on CPU and GPUs, from which dropout draws, belong to it without being
    named.  With a sampler that is a function of the step, as `data.sampling`, the step is also its
    position.

    Args:
        model: with its buffers.
        averaged: None where no average is kept.
        generators: further sources of chance, by name; numpy's of its default kind.
        step: number of steps done.
        best: highest validation score so far; None before the first.
    """

    model: nn.Module
    optimizer: Optimizer
    averaged: Averaged | None = None
    generators: Mapping[str, torch.Generator | np.random.Generator] = field(default_factory=dict)
    step: int = 0
    best: float | None = None

    def save(self, path: Path) -> None:
        """Write everything to one file, whole or not at all."""
        state = {
            "format": FORMAT,
            "step": self.step,
            "best": self.best,
            "model": self.model.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generators": {name: _position(each) for name, each in self.generators.items()},
            "cpu": torch.get_rng_state(),
            "gpus": torch.cuda.get_rng_state_all(),
        }
        with written_whole(path) as temporary:
            torch.save(state, temporary)

    def load(self, path: Path) -> None:
        """Take everything from a file that `save` wrote.

        Rates and other settings of the optimizer stay as they were built from the recipe; what it
        gathered (momentum and the like) is taken.

        Raises:
            UserError: if the file cannot be read, or belongs to another training; nothing is
            changed then.
        """
        state = _read(path)
        if (state["averaged"] is None) != (self.averaged is None):
            has = "no averaged weights" if state["averaged"] is None else "averaged weights"
            raise UserError(f"{path}: it holds {has}, unlike this training")
        if state["generators"].keys() != self.generators.keys():
            raise UserError(
                f"{path}: wanted generators {sorted(self.generators)},"
                f" got {sorted(state['generators'])}"
            )
        check_weights(self.model, state["model"], path)
        self._load_optimizer(state["optimizer"], path)
        self.model.load_state_dict(state["model"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        for name, generator in self.generators.items():
            _move(generator, state["generators"][name])
        torch.set_rng_state(state["cpu"])
        if len(state["gpus"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["gpus"])
        self.step, self.best = state["step"], state["best"]

    def _load_optimizer(self, saved: dict[str, Any], path: Path) -> None:
        groups = self.optimizer.param_groups
        settings = [{key: group[key] for key in group if key != "params"} for group in groups]
        try:
            self.optimizer.load_state_dict(saved)
        except ValueError as error:
            raise UserError(f"{path}: it belongs to another optimizer: {error}") from error
        # The rate of the last step would else be the base of those to come.
        for group, own in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(own)


def save_weights(
    module: nn.Module, path: Path, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write parameters and buffers of a module as safetensors, under their own names.

    Args:
        metadata: text that is kept beside them.
    """
    # Copies, for a tensor that has two names must not be written as one.
    tensors = {
        name: value.detach().to("cpu", copy=True).contiguous()
        for name, value in module.state_dict().items()
    }
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata=dict(metadata or {}))


def load_weights(module: nn.Module, path: Path) -> dict[str, str]:
    """Fill a module from a file that `save_weights` wrote; the module keeps its devices and dtypes.

    Returns:
        The metadata.

    Raises:
        UserError: if the file cannot be read, or its names and shapes are not those of the module;
            the message lists them, and the module is unchanged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata: dict[str, str] = file.metadata() or {}
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a whole safetensors file: {error}") from error
    check_weights(module, tensors, path)
    module.load_state_dict(tensors)
    return metadata


def _read(path: Path) -> dict[str, Any]:
    """What `State.save` wrote."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except (RuntimeError, UnpicklingError, EOFError, OSError) as error:
        raise UserError(f"{path}: not the whole state of a training") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path}: not a state that this version of untrimmed has written")
    return state


def _position(generator: torch.Generator | np.random.Generator) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    return dict(generator.bit_generator.state)


def _move(generator: torch.Generator | np.random.Generator, position: Any) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(position)
    else:
        generator.bit_generator.state = position


def check_weights(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that do not fit a module.

    Args:
        path: where they come from, for the message.

    Raises:
        UnlikeError: naming all that is missing, unexpected or of another shape.
    """
    own = module.state_dict()
    report = [
        _listed("missing", own.keys() - tensors.keys()),
        _listed("unexpected", tensors.keys() - own.keys()),
        _listed(
            "of another shape",
            (
                f"{name} {tuple(tensors[name].shape)}, wanted {tuple(own[name].shape)}"
                for name in own.keys() & tensors.keys()
                if tensors[name].shape != own[name].shape
            ),
        ),
    ]
    if any(report):
        faults = "\n  ".join(filter(None, report))
        raise UnlikeError(f"{path}: these weights belong to another model\n  {faults}")


def _listed(what: str, names: Iterable[str], *, most: int = 8) -> str:
    ordered = sorted(names)
    more = f"; and {len(ordered) - most} more" if len(ordered) > most else ""
    return f"{len(ordered)} {what}: {'; '.join(ordered[:most])}{more}" if ordered else ""
