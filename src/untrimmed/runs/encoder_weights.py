"""Start an encoder from public weights, or from a file of its own; every name and shape must fit.

The authors' names become ours by the function `rename` of the encoder's module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from untrimmed.core.errors import ConfigError, UserError
from untrimmed.recipes.weights import EncoderWeights
from untrimmed.runs.weight_files import read_weights
from untrimmed.runs.weights import weights_file
from untrimmed.train.state import check_weights

Rename = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class LoadReport:
    """What became of a file of weights.

    Args:
        file: it.
        matched: entries of the encoder that it filled.
        left_out: entries of the file that the encoder does not have, such as a classifier.
        fresh: entries of the encoder that keep their first values.
    """

    file: Path
    matched: tuple[str, ...]
    left_out: tuple[str, ...]
    fresh: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{len(self.matched)} entries filled from {self.file.name}"]
        for what, names in {"left out": self.left_out, "with first values": self.fresh}.items():
            if names:
                more = f" and {len(names) - 4} more" if len(names) > 4 else ""
                parts.append(f"{what}: {', '.join(names[:4])}{more}")
        return "; ".join(parts)


def start_from(encoder: nn.Module, weights: EncoderWeights) -> LoadReport:
    """Fill the encoder of a recipe with the weights that it asks for.

    Raises:
        UserError: if the file is not here or does not fit.
        ConfigError: if `fresh` speaks of nothing in the encoder.
    """
    return load_public(encoder, weights_file(weights), fresh=weights.fresh)


def load_public(encoder: nn.Module, file: Path, *, fresh: Sequence[str] = ()) -> LoadReport:
    """Fill an encoder from a file, with its authors' names or with ours.

    Args:
        encoder: keeps its devices and dtypes; unchanged if anything is raised.
        fresh: how the names of those entries begin that the file need not have.

    Raises:
        UserError: if the file cannot be read, or its names and shapes are not those of the
            encoder; the message lists them.
        ConfigError: if no entry of the encoder begins with one of `fresh`.
    """
    own = encoder.state_dict()
    for beginning in fresh:
        if not any(name.startswith(beginning) for name in own):
            raise ConfigError(f"nothing in the encoder begins with {beginning}", path="fresh")
    state, _ = read_weights(file)
    if state.keys() <= own.keys():
        renamed, left_out = dict(state), tuple[str, ...]()
    else:
        renamed, left_out = _renamed(state, encoder, file)
    kept = {
        name: value
        for name, value in own.items()
        if name not in renamed and name.startswith(tuple(fresh))
    }
    check_weights(encoder, renamed | kept, file)
    encoder.load_state_dict(renamed | kept)
    return LoadReport(file, tuple(sorted(renamed)), left_out, tuple(sorted(kept)))


def _renamed(
    state: Mapping[str, Tensor], encoder: nn.Module, file: Path
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Weights under our names, and what has none."""
    module = type(encoder).__module__
    rename: Rename | None = getattr(sys.modules[module], "rename", None)
    if rename is None:
        raise UserError(f"{file}: {module} knows no weights but its own: it has no rename")
    try:
        renamed = rename(state)
    except ValueError as error:
        raise UserError(f"{file}: {error}") from error
    left_out = (key for key, value in state.items() if _is_left_out(rename, key, value))
    return renamed, tuple(sorted(left_out))


def _is_left_out(rename: Rename, key: str, value: Tensor) -> bool:
    """Whether nothing becomes of an entry that is known; what is only known in company is used."""
    try:
        return not rename({key: value})
    except ValueError:
        return False
