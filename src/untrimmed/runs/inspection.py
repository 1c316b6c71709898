"""What is in a data set, and what is wrong with it, before anything is trained on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import MediaError
from untrimmed.recipes.recipe import Recipe, Splits
from untrimmed.runs.dataset import read_annotations
from untrimmed.runs.progress import Job, Progress
from untrimmed.sources.check import Fingerprint, Problem, VideoFacts, fingerprints, problems
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
        return "\n".join([*_splits(self.splits), "", *_problems(self.problems)])


def inspect(recipe: Recipe) -> Job[Inspection]:
    """Read the annotations of a recipe and open each of its videos.

    Raises:
        UserError: if the annotations cannot be read, or the folder of videos is missing.
    """
    annotations = read_annotations(recipe.data)
    files = find(recipe.data.media, annotations.videos)
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
    found = wrong_with(annotations, media, recipe.data.splits)
    return Inspection(fingerprints(annotations), found)


def wrong_with(
    annotations: Annotations, media: Mapping[str, VideoFacts | str] | None, splits: Splits
) -> tuple[Problem, ...]:
    """Everything that is wrong with a data set that is used in these splits, the grave first."""
    needed = [splits.train, splits.test, *filter(None, [splits.validation])]
    found = problems(annotations, media, training=splits.train, splits=needed)
    return tuple(sorted(found, key=lambda problem: problem.severity))


def _splits(splits: Mapping[str, Fingerprint]) -> Iterator[str]:
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


def _problems(found: tuple[Problem, ...]) -> Iterator[str]:
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
