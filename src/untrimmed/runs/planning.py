"""From a folder and an annotation file to a recipe that fits them.

Reads the annotations, looks at the file of every video, parts the videos if nobody has, and writes
what `recipes.feature_plan` or `recipes.video_plan` chooses.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.config import dump
from untrimmed.core.errors import UserError
from untrimmed.core.files import written_whole
from untrimmed.recipes.commented import Tree, to_commented_yaml
from untrimmed.recipes.data import Splits
from untrimmed.recipes.effort import Effort
from untrimmed.recipes.feature_plan import feature_plan
from untrimmed.recipes.recipe import read_recipe
from untrimmed.recipes.survey import Machine, survey
from untrimmed.recipes.video_plan import video_plan
from untrimmed.recipes.weights import PUBLIC
from untrimmed.runs.dataset import split_of
from untrimmed.runs.inspection import problem_lines, split_lines
from untrimmed.runs.media_survey import (
    Looked,
    holds_videos,
    look_at_features,
    look_at_videos,
)
from untrimmed.runs.partition import Partition, notes_on_classes, partition
from untrimmed.runs.progress import Job
from untrimmed.runs.reading import read_any
from untrimmed.runs.trial import within
from untrimmed.runs.weights import cache_folder
from untrimmed.sources.check import Fingerprint, Problem, fingerprints, problems


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A recipe, and what it was made for.

    Args:
        recipe: the file that was written.
        splits_file: where the parts of the data set were written; None if it had some.
        splits: numbers of each split.
        problems: what is wrong with the data set, the grave first.
        notes: what else is worth knowing, a sentence each.
    """

    recipe: Path
    splits_file: Path | None
    splits: Mapping[str, Fingerprint]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def errors(self) -> int:
        """Problems that cost a video, an action or a class, or make scores wrong."""
        return sum(problem.severity == "error" for problem in self.problems)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a user says beside the two paths; nothing of it is needed.

    Args:
        format: of the annotations; found by trying if not given.
        format_settings: what the format must be told.
        grid: of features: `fps`, `clip_frames`, `step_frames`; found from the lengths of the
            videos if neither is given nor in a sidecar.
        splits_file, fold: the parts of the data set, as `recipes.data.Splits` has them.
        groups: a regular expression that finds in the id of a video what must stay together.
    """

    format: str | None = None
    format_settings: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, float] = field(default_factory=dict)
    splits_file: Path | None = None
    fold: str | None = None
    groups: str | None = None


def machine_here() -> Machine:
    """What this machine has, and which public weights are in its cache."""
    gpu_gib = None
    if torch.cuda.is_available():
        gpu_gib = torch.cuda.get_device_properties(0).total_memory / 2**30
    here = [name for name, each in PUBLIC.items() if (cache_folder() / each.file).exists()]
    return Machine(cores=os.cpu_count() or 1, gpu_gib=gpu_gib, weights=tuple(here))


def plan(
    media: Path,
    annotations: Path,
    output: Path,
    *,
    told: Told | None = None,
    machine: Machine | None = None,
    minutes: float | None = None,
    replace_old: bool = False,
) -> Job[Planned]:
    """Write the recipe for a folder of videos or features and its annotations.

    The same files and machine give the same recipe, but for what `minutes` leave room for.

    Args:
        media: a folder of videos, a folder of features, or an archive of features.
        output: the recipe; the parts of the data set, if there are none, are written beside it.
        machine: that the recipe is for; this one if not given.
        minutes: in which the training has to end on this machine, which is timed for it; as long
            as the data ask for if not given.
        replace_old: write over what is there.

    Raises:
        UserError: if the files cannot be read, do not belong together, or are too few.
    """
    told, machine = told or Told(), machine or machine_here()
    if output.exists() and not replace_old:
        raise UserError(f"{output} is there already: name another, or say --overwrite")
    if not media.exists():
        raise UserError(f"{media}: there is no such folder, nor an archive of features")
    read = read_any(annotations, format=told.format, settings=told.format_settings)
    if holds_videos(media):
        looked = yield from look_at_videos(read, media)
    else:
        looked = yield from look_at_features(read, media, grid=told.grid)

    parts = partition(
        looked.annotations,
        looked.readable,
        given=told.splits_file,
        fold=told.fold,
        groups=told.groups,
        new=output.with_name(f"{output.stem}.splits.json"),
    )
    videos = {id: parts.annotations.videos[id] for id in looked.readable}
    usable = replace(parts.annotations, videos=videos)
    training = split_of(usable, parts.splits.train, setting="splits")
    tree_for = _trees(looked, training, parts.splits, machine, output)
    effort = Effort()
    if minutes is not None:
        output.parent.mkdir(parents=True, exist_ok=True)  # paths are relative to it
        held_out = parts.splits.validation
        effort = yield from within(
            minutes,
            tree_for,
            folder=output.absolute().parent,
            training=training,
            validation={} if held_out is None else _part(usable, held_out),
        )
    tree = tree_for(effort)
    _write(tree, parts, output, head=_head(media, annotations, output, machine))
    return Planned(
        recipe=output,
        splits_file=parts.splits.file if parts.written is not None else None,
        splits=fingerprints(usable),
        problems=_wrong(parts.annotations, looked, parts.splits),
        notes=(
            *looked.notes,
            *parts.notes,
            *notes_on_classes(training),
            *filter(None, [effort.why.strip()]),
        ),
    )


def _write(tree: Tree, parts: Partition, output: Path, *, head: str) -> None:
    """Write the recipe, and before it the file that it names; what it says is held to be right."""
    if parts.written is not None:
        assert parts.splits.file is not None
        with written_whole(parts.splits.file) as temporary:
            temporary.write_text(json.dumps(parts.written, indent=1) + "\n", encoding="utf-8")
    with written_whole(output) as temporary:
        temporary.write_text(to_commented_yaml(tree, head=head), encoding="utf-8")
    read_recipe(output)


def described(planned: Planned) -> str:
    """What was found, for a terminal."""
    return "\n".join(
        [
            *split_lines(planned.splits),
            "",
            *problem_lines(planned.problems),
            *(f"note: {note}" for note in planned.notes),
        ]
    )


def as_plain(planned: Planned) -> dict[str, Any]:
    """The same as JSON can hold it; what is not a number is null."""
    plain: dict[str, Any] = _plain(
        {
            "recipe": str(planned.recipe),
            "splits_file": None if planned.splits_file is None else str(planned.splits_file),
            "splits": {name: asdict(facts) for name, facts in planned.splits.items()},
            "problems": [asdict(problem) for problem in planned.problems],
            "notes": planned.notes,
        }
    )
    return plain


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _part(usable: Annotations, name: str) -> Mapping[str, Video]:
    return split_of(usable, name, setting="splits").videos


def _trees(
    looked: Looked, training: Annotations, splits: Splits, machine: Machine, output: Path
) -> Callable[[Effort], Tree]:
    """Gives the settings, with their reasons, for an effort."""
    try:
        found = survey(training)
    except ValueError as error:
        raise UserError(f"{looked.path}: {error}") from error
    folder = output.absolute().parent
    written = dump(splits)
    if splits.file is not None:
        written["file"] = _from(folder, splits.file)
    data: dict[str, Any] = {"annotations": _from(folder, looked.path), "format": looked.format}
    if looked.format_settings:
        data["format_settings"] = dict(looked.format_settings)
    usual = dump(Splits())
    data["splits"] = {
        name: value
        for name, value in written.items()
        if value != usual[name] or name in ("train", "validation", "test")
    }
    if looked.rows is not None:
        files = tuple(
            replace(each, path=Path(_from(folder, each.path))) for each in looked.rows.files
        )
        rows = replace(looked.rows, files=files)
        return lambda effort: feature_plan(found, rows, machine, data=data, effort=effort)
    videos = looked.videos
    assert videos is not None
    data["media"] = _from(folder, looked.media)
    return lambda effort: video_plan(found, videos, machine, data=data, effort=effort)


def _from(folder: Path, path: Path) -> str:
    """A path as the recipe in a folder states it: relative if it is near."""
    relative = Path(os.path.relpath(path.absolute(), folder))
    return str(path.absolute() if relative.parts[:3] == ("..",) * 3 else relative)


def _wrong(annotations: Annotations, looked: Looked, splits: Splits) -> tuple[Problem, ...]:
    needed = [splits.train, splits.test, *filter(None, [splits.validation])]
    found = [
        *looked.problems,
        *problems(annotations, looked.facts, training=splits.train, splits=needed),
    ]
    return tuple(sorted(found, key=lambda problem: problem.severity))


def _head(media: Path, annotations: Path, output: Path, machine: Machine) -> str:
    gpu = "no GPU" if machine.gpu_gib is None else f"a GPU of {machine.gpu_gib:.0f} GiB"
    return (
        f"For {media.name} and {annotations.name}, by `untrimmed plan`, on {machine.cores} cores"
        f" and {gpu}.\n"
        f"Next: untrimmed train {output.name}"
    )
