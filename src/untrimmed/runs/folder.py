"""The folder of a run: where each thing lies, and how a detector is read back from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from untrimmed.core.config import dump, load, read_yaml, to_yaml
from untrimmed.core.errors import ConfigError, UserError
from untrimmed.core.files import written_whole
from untrimmed.recipes.recipe import Recipe, from_folder


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

    def start(self, recipe: Recipe, classes: tuple[str, ...]) -> None:
        """Write what the run is about.

        A folder that already holds the same run is left as it is, to be resumed.

        Raises:
            ConfigError: if the folder holds a run of another recipe or other classes.
        """
        if self.recipe.exists():
            if dump(self.read_recipe()) != dump(recipe) or self.read_classes() != classes:
                raise ConfigError(
                    f"{self.path} holds a run of another recipe; give --run another folder,"
                    " or delete this one"
                )
            return
        with written_whole(self.classes) as path:
            path.write_text(json.dumps(list(classes), ensure_ascii=False), encoding="utf-8")
        with written_whole(self.recipe) as path:
            path.write_text(to_yaml(recipe), encoding="utf-8")

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
        """Names of the classes, by label."""
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
