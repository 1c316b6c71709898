"""What is in a data set, and what is wrong with it, before anything is trained on it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import MediaError, UserError
from untrimmed.data.torch_file import READERS
from untrimmed.recipes.data import Download, FeatureData, Splits, VideoData
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import read_annotations
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.weights import weights_file
from untrimmed.sources.check import Fingerprint, Problem, VideoFacts, fingerprints, problems
from untrimmed.sources.feature_grid import completed
from untrimmed.sources.features import FeatureStore
from untrimmed.sources.grid_fit import misfit
from untrimmed.sources.media import find
from untrimmed.sources.video_index import index

SHOWN = 20
"""Problems of a kind that are written out; more are counted."""


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Args:
        splits: numbers of each split.
        problems: what is wrong, the grave first.
    """

    splits: Mapping[str, Fingerprint]
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        """Problems that cost a video, an action or a class, or make scores wrong."""
        return sum(problem.severity == "error" for problem in self.problems)

    @property
    def text(self) -> str:
        """Everything, for a terminal."""
        return "\n".join([*split_lines(self.splits), "", *problem_lines(self.problems)])


def inspect(recipe: Recipe) -> Job[Inspection]:
    """Read the annotations of a recipe and look for its weights and the file of each video.

    Raises:
        UserError: if the annotations cannot be read, or the folder of files is missing; that the
            weights to start from are missing is then said, too.
    """
    missing = _weights(recipe)
    try:
        annotations, found = yield from _looked_at(recipe)
    except UserError as error:
        if not missing:
            raise
        raise UserError("\n".join([str(error), *(each.message for each in missing)])) from error
    found = sorted((*missing, *found), key=_gravity)
    return Inspection(fingerprints(annotations), tuple(found))


def _weights(recipe: Recipe) -> list[Problem]:
    """That the file which the encoder starts from is not here, if so."""
    if recipe.encoder_weights is None:
        return []
    try:
        weights_file(recipe.encoder_weights)
    except UserError as error:
        return [Problem("no weights", "", f"encoder_weights: {error}", "error")]
    return []


def _looked_at(recipe: Recipe) -> Job[tuple[Annotations, list[Problem]]]:
    """The annotations of a recipe, and what is wrong with them and the files they are of."""
    annotations = read_annotations(recipe.data)
    splits = recipe.data.splits
    if isinstance(recipe.data, VideoData):
        media = yield from video_facts(annotations, recipe.data.media)
        return annotations, list(wrong_with(annotations, media, splits))
    others = yield from _features(annotations, recipe.data)
    return annotations, [*others, *wrong_with(annotations, None, splits)]


def video_facts(annotations: Annotations, folder: Path) -> Job[dict[str, VideoFacts | str]]:
    """What the file of each video in a folder says, or what is wrong with it."""
    files = find(folder, annotations.videos)
    media: dict[str, VideoFacts | str] = {}
    for number, id in enumerate(annotations.videos, start=1):
        if id in files:
            try:
                facts = index(files[id])
                media[id] = VideoFacts(
                    duration_s=facts.duration_s, fps=facts.fps, size=(facts.height, facts.width)
                )
            except MediaError as error:
                media[id] = str(error)
        yield Progress("open the videos", number, len(annotations.videos))
    return media


def _features(annotations: Annotations, data: FeatureData) -> Job[list[Problem]]:
    """What is wrong with the features of each video, their grid, and their archives."""
    found: list[Problem] = []
    rows: dict[str, int] = {}
    store = FeatureStore.open(data.features, videos=annotations.videos, readers=READERS)
    for number, id in enumerate(annotations.videos, start=1):
        try:
            rows[id] = store.rows(id)
        except MediaError as error:
            found.append(Problem("no features", id, str(error), "error"))
        yield Progress("look at the features", number, len(annotations.videos))
    grid = completed(data.grid, data.features)
    wrong = misfit(grid, list(annotations.videos.values()), rows)
    if wrong is not None:
        found.append(Problem("grid", "", f"data.grid: {wrong}", "error"))
    for number, archive in enumerate(data.downloads, start=1):
        problem = _download(archive)
        if problem is not None:
            found.append(problem)
        yield Progress("check the downloads", number, len(data.downloads))
    return found


def _download(archive: Download) -> Problem | None:
    """An archive that is there and is not what its publishers made; a missing one is no problem."""
    if not archive.file.exists():
        return None
    with archive.file.open("rb") as content:
        md5 = hashlib.file_digest(content, "md5").hexdigest()
    if md5 == archive.md5:
        return None
    message = f"{archive.file}: its md5 is {md5}, published is {archive.md5}; download it again"
    return Problem("download", "", message, "error")


def _gravity(problem: Problem) -> str:
    return problem.severity


def wrong_with(
    annotations: Annotations,
    media: Mapping[str, VideoFacts | str] | None,
    splits: Splits,
    *,
    videos: Collection[str] | None = None,
) -> tuple[Problem, ...]:
    """Everything that is wrong with a data set that is used in these splits, the grave first.

    Args:
        videos: ids of those that are used; all if not given.
    """
    needed = [splits.train, splits.test, *filter(None, [splits.validation])]
    found = problems(annotations, media, training=splits.train, splits=needed, videos=videos)
    return tuple(sorted(found, key=_gravity))


def split_lines(splits: Mapping[str, Fingerprint]) -> Iterator[str]:
    """What each split holds, and each class in it."""
    for name, facts in splits.items():
        yield (
            f"{name or 'no split'}: {facts.videos} videos, {facts.hours:.2f} h,"
            f" {facts.actions} actions, {100 * facts.covered:.0f} % of the time,"
            f" {100 * facts.overlap:.0f} % of that overlapping"
        )
        for one in facts.classes:
            lengths = one.lengths_s
            yield (
                f"  {one.name:24} {one.actions:6}  {lengths.least:8.2f} s to {lengths.most:.2f} s,"
                f" half of them below {lengths.median:.2f} s"
            )


def problem_lines(found: tuple[Problem, ...]) -> Iterator[str]:
    """Each problem, up to `SHOWN` of a kind."""
    if not found:
        yield "nothing wrong was found"
    shown: Counter[str] = Counter()
    for problem in found:
        shown[problem.kind] += 1
        if shown[problem.kind] <= SHOWN:
            where = f"{problem.video}: " if problem.video else ""
            yield f"{problem.severity}: {where}{problem.message}"
    for kind, count in shown.items():
        if count > SHOWN:
            yield f"... and {count - SHOWN} more of the kind: {kind}"
