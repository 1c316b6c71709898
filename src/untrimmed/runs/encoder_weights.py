"""Start an encoder from public weights, or from a file of its own; every name and shape must fit.

The authors' names become ours by the function `rename` of the encoder's module.  What training
codes put in front of all names, such as `module.`, is taken off and reported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from untrimmed.core.config import Choice
from untrimmed.core.errors import ConfigError, UserError
from untrimmed.nn.names.unknown import UnknownNamesError, listed
from untrimmed.recipes.weights import EncoderWeights, public_weights
from untrimmed.runs.weight_files import read_weights
from untrimmed.runs.weights import weights_file
from untrimmed.train.state import check_weights

Rename = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]

_ENCODERS = Choice("untrimmed.nn.encoders")


@dataclass(frozen=True)
class LoadReport:
    """What became of a file of weights.

    Args:
        file: it.
        matched: entries of the encoder that it filled.
        left_out: entries of the file that the encoder does not have, such as a classifier.
        fresh: entries of the encoder that keep their first values.
        before: what stood before every name in the file and was taken off; mostly nothing.
    """

    file: Path
    matched: tuple[str, ...]
    left_out: tuple[str, ...]
    fresh: tuple[str, ...]
    before: str = ""

    def __str__(self) -> str:
        parts = [f"{len(self.matched)} entries filled from {self.file.name}"]
        if self.before:
            parts.append(f"{self.before} taken off the front of every name")
        for what, names in {"left out": self.left_out, "with first values": self.fresh}.items():
            if names:
                parts.append(f"{what}: {listed(names, most=4)}")
        return "; ".join(parts)


def start_from(encoder: nn.Module, weights: EncoderWeights) -> LoadReport:
    """Fill the encoder of a recipe with the weights that it asks for.

    Raises:
        UserError: if the file is not here or does not fit.
        ConfigError: if `fresh` speaks of nothing in the encoder, or public weights are of another
            encoder, whether or not they are here.
    """
    check_public(encoder, weights)
    return load_public(encoder, weights_file(weights), fresh=weights.fresh)


def check_public(encoder: nn.Module, weights: EncoderWeights) -> None:
    """Refuse public weights of another encoder, for which no file is needed.

    An encoder from elsewhere has a `rename` of its own, and only the file will tell.

    Raises:
        ConfigError: if names and shapes are others than those of the encoder that they are for.
    """
    module = type(encoder).__module__
    if weights.name is None or not module.startswith(f"{_ENCODERS.package}."):
        return
    public = public_weights(weights.name)
    settings = yaml.safe_load(public.encoder)
    kind = settings.pop("name")
    fault = f"the encoder is {module.rpartition('.')[2]}"
    if module == f"{_ENCODERS.package}.{kind}":
        with torch.device("meta"):
            meant = _ENCODERS.config(kind)(**settings).build().state_dict()
        own = encoder.state_dict()
        meant |= _kept(own, meant, weights.fresh)
        apart = sorted(name for name in own | meant if _shape(own, name) != _shape(meant, name))
        if not apart:
            return
        fault = f"the encoder is another in {len(apart)} entries, such as {apart[0]}"
    raise ConfigError(
        f"{weights.name} are weights of {public.encoder}, but {fault}", path="encoder_weights.name"
    )


def _shape(state: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    """None if there is no such entry."""
    return tuple(state[name].shape) if name in state else None


def load_public(encoder: nn.Module, file: Path, *, fresh: Sequence[str] = ()) -> LoadReport:
    """Fill an encoder from a file, with its authors' names or with ours.

    Args:
        encoder: keeps its devices and dtypes; unchanged if anything is raised.
        fresh: how the names of those entries begin that the file need not have.

    Raises:
        UserError: if the file cannot be read, or its names and shapes are not those of the
            encoder; the message lists the first of them.
        ConfigError: if no entry of the encoder begins with one of `fresh`.
    """
    own = encoder.state_dict()
    for beginning in fresh:
        if not any(name.startswith(beginning) for name in own):
            raise ConfigError(
                f"nothing in the encoder begins with {beginning}", path="encoder_weights.fresh"
            )
    state, _ = read_weights(file)
    found = _understood(state, encoder, file)
    kept = _kept(own, found.renamed, fresh)
    check_weights(encoder, found.renamed | kept, file)
    encoder.load_state_dict(found.renamed | kept)
    return LoadReport(
        file, tuple(sorted(found.renamed)), found.left_out, tuple(sorted(kept)), found.before
    )


def _kept(
    own: Mapping[str, Tensor], renamed: Mapping[str, Tensor], fresh: Sequence[str]
) -> dict[str, Tensor]:
    """What a file need not have and has not."""
    return {
        name: value
        for name, value in own.items()
        if name not in renamed and name.startswith(tuple(fresh))
    }


@dataclass(frozen=True)
class _Understood:
    """Weights of a file under our names.

    Args:
        left_out: names in the file of what has none here.
        before: what was taken off every name.
    """

    renamed: dict[str, Tensor]
    left_out: tuple[str, ...]
    before: str


def _understood(state: Mapping[str, Tensor], encoder: nn.Module, file: Path) -> _Understood:
    """Weights under our names, whatever stands before all of them; the least that must go goes."""
    own = encoder.state_dict().keys()
    rename = _rename(type(encoder).__module__)
    refusals: list[ValueError] = []
    for before in _beginnings(state):
        bare = {name.removeprefix(before): value for name, value in state.items()}
        if 2 * len(bare.keys() & own) > len(bare):  # ours, even if some fit badly
            return _Understood(bare, (), before)
        if rename is None:
            continue
        try:
            renamed = rename(bare)
        except ValueError as error:
            refusals.append(error)
            continue
        if renamed.keys() & own:
            left_out = sorted(before + name for name in bare if _is_left_out(rename, name, bare))
            return _Understood(renamed, tuple(left_out), before)
    if rename is None:
        module = type(encoder).__module__
        raise UserError(f"{file}: {module} knows no weights but its own: it has no rename")
    # With every beginning something was unknown; the fewest names say best what it is.
    refused = min(refusals, key=_unknown, default=None)
    looks = _looks_like(state, but=type(encoder).__module__)
    said = str(refused or "none of its entries is one of this encoder")
    raise UserError(f"{file}: {said}{looks}") from refused


def _beginnings(state: Mapping[str, Tensor]) -> Iterator[str]:
    """What stands before every name, up to a dot: nothing, then more and more."""
    yield ""
    parts = [name.split(".")[:-1] for name in state]
    common = takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))
    before = ""
    for level in common:
        before += f"{level[0]}."
        yield before


def _rename(module: str) -> Rename | None:
    """What a module makes of its authors' names, if it knows any."""
    return getattr(sys.modules[module], "rename", None)


def _unknown(error: ValueError) -> float:
    """How many names a refusal is about, where it says so."""
    return len(error.names) if isinstance(error, UnknownNamesError) else float("inf")


def _looks_like(state: Mapping[str, Tensor], *, but: str) -> str:
    """Of which other encoder of this package weights are, for a message; nothing if of none."""
    for name in _ENCODERS.names():
        rename = getattr(_ENCODERS.module(name), "rename", None)
        if (
            rename is None
            or but == f"{_ENCODERS.package}.{name}"
            or _accepts(rename, {"?": torch.empty(0)})
        ):
            continue
        for before in _beginnings(state):
            bare = {key.removeprefix(before): value for key, value in state.items()}
            if _accepts(rename, bare):
                return f"; it looks like weights of {{name: {name}}}"
    return ""


def _accepts(rename: Rename, state: Mapping[str, Tensor]) -> bool:
    """Whether all entries are known, and something becomes of them."""
    try:
        return bool(rename(state))
    except ValueError:
        return False


def _is_left_out(rename: Rename, name: str, state: Mapping[str, Tensor]) -> bool:
    """Whether nothing becomes of an entry that is known; what is only known in company is used."""
    try:
        return not rename({name: state[name]})
    except ValueError:
        return False
