"""The folder of a run: where each thing lies, and how a detector is read back from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from untrimmed.core.config import dump, load
from untrimmed.core.errors import ConfigError, UserError
from untrimmed.core.files import written_whole
from untrimmed.core.settings_text import read_yaml, to_yaml
from untrimmed.recipes.recipe import Recipe, from_folder

_WITHOUT_EFFECT = {"data.workers", "train.save_minutes"}
"""Settings that change no result, so that a run may go on with others."""

_BEHIND_ENCODER = re.compile(
    r"train\.(?!bf16)|detect\.|model\.(?!name|encoder)|data\.memory|class_scores|protocol|tious"
)
"""Beginnings of settings that change nothing in an encoder which is formed before."""

_SHOWN = 12
"""Differences between recipes that are written out; more are counted."""


@dataclass(frozen=True)
class RunFolder:
    """Names of the files of a run.

    recipe: resolved, every default spelled out; this file alone repeats the run.
    classes: names, by label.
    encoder: weights of the formed encoder, if the recipe forms one.
    last, best: weights of the detector, averaged if the recipe averages; best by the validation
        split's average mAP.
    bundled: weights of a bundle, which has neither of these.
    state: everything that a resumed run needs, but the bank.
    bank: the live memory; `bank_saved` a copy of it.
    journal: one line of JSON per step.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def classes(self) -> Path:
        return self.path / "classes.json"

    @property
    def encoder(self) -> Path:
        return self.path / "encoder.safetensors"

    @property
    def last(self) -> Path:
        return self.path / "last.safetensors"

    @property
    def best(self) -> Path:
        return self.path / "best.safetensors"

    @property
    def bundled(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def state(self) -> Path:
        return self.path / "state.pt"

    @property
    def bank(self) -> Path:
        return self.path / "bank"

    def bank_saved(self, step: int | str) -> Path:
        """The copy of the memory that belongs to the state of that step."""
        return self.path / f"bank-{step}"

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def validation_journal(self) -> Path:
        """Scores of the validation split, one line of JSON per validation."""
        return self.path / "validation.jsonl"

    @property
    def pretraining_journal(self) -> Path:
        return self.path / "pretraining.jsonl"

    def detections(self, split: str) -> Path:
        """Detections of a split, in ActivityNet's form; the same name with .csv is a table."""
        return self.path / f"detections-{split}.json"

    def scores(self, split: str) -> Path:
        return self.path / f"scores-{split}.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def check(self, recipe: Recipe, classes: tuple[str, ...]) -> None:
        """Refuse a folder that holds another run; settings that change no result may differ.

        If there is but an encoder in it, such are all that do not change the encoder.

        Raises:
            ConfigError: naming what differs.
        """
        if not self.recipe.exists():
            return
        alone = self._holds_encoder_alone
        apart = [
            f"{name}: {values}"
            for name, values in _differences(dump(self.read_recipe()), dump(recipe))
            if name not in _WITHOUT_EFFECT and not (alone and _BEHIND_ENCODER.match(name))
        ]
        there = self.read_classes()
        if there != classes:
            apart.append(f"classes: {_listed(there, classes)} there, {_listed(classes, there)} now")
        if apart:
            more = f"\n  and {len(apart) - _SHOWN} more" if len(apart) > _SHOWN else ""
            listed = "".join(f"\n  {each}" for each in apart[:_SHOWN])
            raise ConfigError(
                f"{self.path} holds a run of another recipe; give --run another folder, or delete"
                f" this one, to train anew, or go on with the settings of {self.recipe};"
                f" these differ:{listed}{more}"
            )

    def start(self, recipe: Recipe, classes: tuple[str, ...]) -> None:
        """Write what the run is about.

        A folder that already holds the same run is left as it is, to be resumed; one with but an
        encoder is begun anew with that.

        Raises:
            ConfigError: if the folder holds a run of another recipe or other classes.
        """
        self.check(recipe, classes)
        if self.recipe.exists() and not self._holds_encoder_alone:
            return
        with written_whole(self.classes) as path:
            path.write_text(json.dumps(list(classes), ensure_ascii=False), encoding="utf-8")
        with written_whole(self.recipe) as path:
            path.write_text(to_yaml(recipe), encoding="utf-8")

    @property
    def _holds_encoder_alone(self) -> bool:
        """Whether an encoder is there, and nothing of a training."""
        others = (self.journal, self.bank, self.state, self.last, self.best, self.bundled)
        return self.encoder.exists() and not any(each.exists() for each in others)

    def read_recipe(self) -> Recipe:
        """The resolved recipe; relative paths in it, as a bundle has them, mean beside it.

        Raises:
            UserError: if this is no folder of a run.
        """
        if not self.recipe.exists():
            raise UserError(f"{self.path} is no folder of a run: it has no {self.recipe.name}")
        recipe = load(Recipe, read_yaml(self.recipe), source=str(self.recipe))
        return from_folder(recipe, self.path.absolute())

    def read_classes(self) -> tuple[str, ...]:
        """Names of the classes, by label.

        Raises:
            UserError: if this is no folder of a run.
        """
        if not self.classes.exists():
            raise UserError(f"{self.path} is no folder of a run: it has no {self.classes.name}")
        return tuple(json.loads(self.classes.read_text(encoding="utf-8")))

    @property
    def weights(self) -> Path:
        """The weights to detect with: the best if there are any, else the last; or a bundle's.

        Raises:
            UserError: if the run has none yet.
        """
        for path in (self.best, self.last, self.bundled):
            if path.exists():
                return path
        raise UserError(f"{self.path} has no weights yet: run `untrimmed train` first")


def _differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The settings of two recipes that differ, with both values in words."""
    old, new = dict(_settings(there)), dict(_settings(now))
    for name in {**old, **new}:
        values = [
            json.dumps(some[name], ensure_ascii=False) if name in some else "not set"
            for some in (old, new)
        ]
        if values[0] != values[1]:
            yield name, f"{values[0]} there, {values[1]} now"


def _settings(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting by its dotted name; parts of lists are told apart only if they are mappings."""
    inner: Iterable[tuple[Any, Any]] | None = None
    if isinstance(value, Mapping) and value:
        inner = value.items()
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        inner = enumerate(value)
    if inner is None:
        yield name, value
        return
    for key, each in inner:
        yield from _settings(each, f"{name}.{key}" if name else str(key))


def _listed(classes: tuple[str, ...], others: tuple[str, ...]) -> str:
    """How many classes there are, and the first that the others do not have there."""
    own = next(
        (name for place, name in enumerate(classes) if others[place : place + 1] != (name,)), None
    )
    return str(len(classes)) if own is None else f"{len(classes)} with {own}"
