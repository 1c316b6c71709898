"""Which videos of a data set are trained on, which choose the weights, and which are scored.

The parts are those that the user names, or those of the annotations, or, where there are none,
parts that `recipes.splitting` makes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import ConfigError
from untrimmed.recipes.data import Splits
from untrimmed.recipes.splitting import group_by_name, parted, shared_groups
from untrimmed.runs.dataset import with_splits
from untrimmed.sources.json_tree import read_json

_FEW_ACTIONS = 5
_IMBALANCE = 20


@dataclass(frozen=True, kw_only=True)
class Partition:
    """The parts of a data set.

    Args:
        splits: settings of the recipe.
        annotations: with the splits that these name.
        written: the videos of each part, for the file that `splits` names; None if it is there, or
            none is needed.
        notes: what is worth knowing of it.
    """

    splits: Splits
    annotations: Annotations
    written: dict[str, tuple[str, ...]] | None
    notes: tuple[str, ...]


def partition(
    annotations: Annotations,
    usable: Sequence[str],
    *,
    given: Path | None,
    fold: str | None,
    groups: str | None,
    new: Path,
) -> Partition:
    """The parts of a data set; videos that are not usable have none in those that are made here.

    Args:
        given, fold: the parts as the user has them, as `recipes.data.Splits` takes them.
        groups: a regular expression that finds in an id what must stay together.
        new: where parts that are made here will be written.

    Raises:
        ConfigError: if there is nothing to train on or to score, or the expression is none.
        FormatError: if the file of the user cannot be read.
    """
    if given is not None:
        splits = _of_file(given, fold)
        named = with_splits(annotations, read_json(given), fold=fold)
        return Partition(splits=splits, annotations=named, written=None, notes=())
    found = _by_names([name for name in annotations.splits if name])
    try:
        group_of = group_by_name(usable, pattern=groups)
        if found is not None:
            notes = tuple(_of_given(annotations, found, group_of))
            return Partition(splits=found, annotations=annotations, written=None, notes=notes)
        alone = {id: annotations.videos[id] for id in usable}
        parts = parted(replace(annotations, videos=alone), group_of)
    except ValueError as error:
        raise ConfigError(str(error), path="--groups") from error
    part_of = {id: part for part, ids in parts.items() for id in ids}
    videos = {
        id: replace(video, split=part_of.get(id, "")) for id, video in annotations.videos.items()
    }
    validation = "validation" if "validation" in parts else None
    return Partition(
        splits=Splits(train="train", validation=validation, test="test", file=new),
        annotations=replace(annotations, videos=videos),
        written=parts,
        notes=(_how_parted(parts, len(set(group_of.values())), new),),
    )


def notes_on_classes(training: Annotations) -> Iterator[str]:
    """Classes that are rare among the videos that are trained on, or far rarer than others."""
    counts = Counter(
        training.classes[label]
        for video in training.videos.values()
        for _, _, label in video.actions
    )
    rare = [f"{name} ({count})" for name, count in counts.items() if count < _FEW_ACTIONS]
    if rare:
        yield f"too few actions to learn from, fewer than {_FEW_ACTIONS}: {', '.join(rare)}"
    (most, top), (least, bottom) = counts.most_common()[0], counts.most_common()[-1]
    if top >= _IMBALANCE * bottom:
        yield f"{most} happens {top / bottom:.0f} times as often as {least}"


def _of_file(file: Path, fold: str | None) -> Splits:
    root = read_json(file)
    names = list((root if fold is None else root.member(fold)).members())
    found = _by_names(names)
    if found is None:
        raise ConfigError(
            f"{file}: wanted parts called train and test, there are: {', '.join(names)};"
            " of several folds, --fold names one",
            path="--splits",
        )
    return replace(found, file=file, fold=fold)


def _by_names(names: Sequence[str]) -> Splits | None:
    """What is trained on, chosen by and scored, by what parts are called; None if that fails."""

    def called(*starts: str) -> str | None:
        return next((name for name in names if name.casefold().startswith(starts)), None)

    train, validation, test = called("train"), called("val", "dev"), called("test", "eval")
    if train is None:  # THUMOS14 is trained on what it calls validation
        train, validation = validation, None
    if test is None:
        test, validation = validation, None
    if train is None or test is None:
        return None
    return Splits(train=train, validation=validation, test=test)


def _of_given(annotations: Annotations, splits: Splits, group_of: dict[str, str]) -> Iterator[str]:
    if splits.validation is None:
        yield (
            f"there is no split to choose weights by: the last are kept, {splits.test} is scored"
        )
    usable = replace(annotations, videos={id: annotations.videos[id] for id in group_of})
    shared = shared_groups(usable, group_of)
    if shared:
        first = next(iter(shared))
        names = " and ".join(sorted(name or "none" for name in shared[first]))
        yield (
            f"by their names, {len(shared)} groups of videos such as {first} are in several splits"
            f" ({names}): if a group is one recording, scores will be too good"
        )


def _how_parted(parts: dict[str, tuple[str, ...]], groups: int, file: Path) -> str:
    sizes = ", ".join(f"{len(ids)} {part}" for part, ids in parts.items())
    videos = sum(map(len, parts.values()))
    together = (
        f", {groups} groups by name kept together"
        if groups < videos
        else "; if several are of one recording or person, say so by --groups"
    )
    return f"the annotations have no splits; parted into {sizes}{together} ({file})"
