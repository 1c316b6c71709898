"""What is in a data set, and what is wrong with it, before anything is trained on it."""

from __future__ import annotations

from dataclasses import dataclass

from untrimmed.core.errors import MediaError
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import read_annotations
from untrimmed.runs.progress import Job, Progress
from untrimmed.sources.check import Fingerprint, Problem, VideoFacts, fingerprint, problems
from untrimmed.sources.media import find
from untrimmed.sources.video_index import index


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Args:
        fingerprint: numbers of the data set.
        problems: what is wrong, the grave first.
    """

    fingerprint: Fingerprint
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        """Problems that cost a video or an action, or more."""
        return sum(problem.severity == "error" for problem in self.problems)


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
                    duration_s=facts.duration_s,
                    fps=facts.fps,
                    size=(facts.height, facts.width),
                )
            except MediaError as error:
                media[id] = str(error)
        yield Progress("open the videos", number, len(annotations.videos))
    found = sorted(problems(annotations, media), key=lambda problem: problem.severity)
    return Inspection(fingerprint(annotations), tuple(found))
