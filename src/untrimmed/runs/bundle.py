"""A trained detector as a folder to share, as `detect` and `evaluate` take it and the Hub shows it.

It is laid out like the folder of a run.  What only training needs stays behind, and so does every
path of the machine it was trained on.

Source: the conventions of the Hugging Face Hub: `config.json`, `model.safetensors`, a model card.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from untrimmed import __version__
from untrimmed.core.config import dump, load
from untrimmed.core.errors import UserError
from untrimmed.core.files import folder_written_whole
from untrimmed.recipes.data import FeatureData
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs import thresholds
from untrimmed.runs.dataset import read_annotations
from untrimmed.runs.downloads import checksum
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.model_card import model_card
from untrimmed.runs.networks import own_classes
from untrimmed.sources.check import Fingerprint, fingerprints
from untrimmed.sources.feature_grid import completed
from untrimmed.sources.json_tree import read_json

CONFIG, DATA, CARD = "config.json", "data.json", "README.md"


@dataclass(frozen=True)
class Bundled:
    """The files of a bundle."""

    files: tuple[Path, ...]


def bundle(folder: RunFolder, output: Path, *, license: str | None = None) -> Bundled:
    """Write the bundle of a trained run: weights, recipe, classes, scores, data, a model card.

    Args:
        output: a folder that is not there yet, or a bundle, which is replaced.
        license: of the weights, as the Hub calls it; unsaid if not given.

    Raises:
        UserError: if the run is not trained, or the folder holds something else.
    """
    made = RunFolder(output)
    if output.exists() and any(output.iterdir()) and not made.bundled.exists():
        raise UserError(f"{output} holds something that is no bundle; name another folder")
    recipe, classes, weights = folder.read_recipe(), folder.read_classes(), folder.weights
    data = _data_of(recipe)
    scores = [_without_reasons(path) for path in sorted(folder.path.glob("scores-*.json"))]
    model = type(recipe.model).__module__.rpartition(".")[2]
    portable = without_places(recipe)
    with folder_written_whole(output) as path:
        new = RunFolder(path)
        shutil.copyfile(weights, new.bundled)
        new.start(portable, classes)
        thresholds.keep(thresholds.kept(folder.path), path)
        for split in scores:
            _write(new.scores(split["split"]), split)
        if data is not None:
            _write(path / DATA, data)
        names = own_classes(recipe, classes)
        _write(path / CONFIG, _config(portable, names, model=model))
        card = model_card(
            output.name, portable, names, model=model, scores=scores, data=data, license=license
        )
        (path / CARD).write_text(card, encoding="utf-8")
    return Bundled(tuple(sorted(output.iterdir())))


def without_places(recipe: Recipe) -> Recipe:
    """A recipe with the names of files and folders alone, beside which it is then looked for.

    What the sidecars of features say of their grid is written into it, for these stay behind.
    """
    if isinstance(recipe.data, FeatureData):
        data = recipe.data
        recipe = replace(recipe, data=replace(data, grid=completed(data.grid, data.features)))
    return load(Recipe, _named(dump(recipe)))


def _named(value: Any) -> Any:
    """Plain settings, every absolute path in them shortened to its name."""
    match value:
        case dict():
            return {key: _named(each) for key, each in value.items()}
        case list():
            return [_named(each) for each in value]
        case str() if PurePosixPath(value).is_absolute():
            return PurePosixPath(value).name
        case str() if PureWindowsPath(value).is_absolute():
            return PureWindowsPath(value).name
    return value


def _config(recipe: Recipe, classes: tuple[str, ...], *, model: str) -> dict[str, Any]:
    return {
        "library_name": "untrimmed",
        "untrimmed_version": __version__,
        "model_type": model,
        "id2label": {str(label): name for label, name in enumerate(classes)},
        "label2id": {name: label for label, name in enumerate(classes)},
        "model": dump(recipe.model),
    }


def _data_of(recipe: Recipe) -> dict[str, Any] | None:
    """What the annotations held, and their checksum; of a bundle that has no data, what it says."""
    file = recipe.data.annotations
    if not file.exists():
        beside = file.with_name(DATA)
        return dict(read_json(beside).raw) if beside.exists() else None
    splits = fingerprints(read_annotations(recipe.data))
    return {
        "annotations": file.name,
        "sha256": checksum(file) if file.is_file() else None,
        "splits": {name: _plain(facts) for name, facts in splits.items()},
    }


def _plain(facts: Fingerprint) -> dict[str, Any]:
    """What a split holds; lengths of nothing are null."""
    plain = asdict(facts)
    for holder in (plain, *plain["classes"]):
        for name in ("lengths_s", "durations_s"):
            if name in holder:
                quantiles = holder[name]._asdict().items()
                holder[name] = {key: None if x != x else x for key, x in quantiles}
    return plain


def _without_reasons(path: Path) -> dict[str, Any]:
    """Scores of a split; of the videos that failed only which, for reasons hold paths."""
    scores = dict(read_json(path).raw)
    if isinstance(scores.get("failed"), Mapping):
        scores["failed"] = dict.fromkeys(scores["failed"], "could not be read")
    return scores


def _write(path: Path, value: Mapping[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
