"""What a data set asks of a recipe: how long its actions are, how fast, how many.

Numbers of the split that is trained on, taken from annotations and from what files say of
themselves; no file is opened here (`runs.planning`), and nothing is decided
(`recipes.feature_plan`, `recipes.video_plan`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from untrimmed.core.annotations import Annotations
from untrimmed.sources.check import Fingerprint, fingerprint
from untrimmed.sources.feature_files import FeatureFiles
from untrimmed.sources.feature_grid import FeatureGrid

_SIDED = re.compile("left|right|clockwise", re.IGNORECASE)  # also in TurnLeft; bright is no loss


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a training has at hand.

    Args:
        cores: processor cores that may be used.
        gpu_gib: memory of the first GPU; None if there is none.
        weights: public weights that are in the cache, by name.
    """

    cores: int = 1
    gpu_gib: float | None = None
    weights: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The split that is trained on.

    Args:
        facts: lengths, classes and durations; ignored actions are left out.
        short_s: nineteen of twenty actions last longer, in seconds.
        long_s: the longest action.
        busiest: actions of the video that has most.
        sided: whether a class is called left or right, which a mirror would make the other.
    """

    facts: Fingerprint
    short_s: float
    long_s: float
    busiest: int
    sided: bool


@dataclass(frozen=True, kw_only=True)
class VideoFiles:
    """What the files of videos say of themselves.

    Args:
        fps: of the median video.
        size: height and width of the median video.
    """

    fps: float
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class FeatureRows:
    """What the files of features hold.

    Args:
        files: the sets, each row a cell.
        columns: numbers of a row, of each set.
        grid: where rows lie in time; without `step_frames` they are spread over each video.
        row_s: seconds from a row to the next, in the median video.
        longest: rows of the longest video.
    """

    files: tuple[FeatureFiles, ...]
    columns: tuple[int, ...]
    grid: FeatureGrid
    row_s: float
    longest: int


def survey(training: Annotations) -> Survey:
    """The numbers of the videos that are trained on.

    Raises:
        ValueError: if nothing happens in them for any length of time.
    """
    facts = fingerprint(training)
    if not facts.lengths_s.most > 0:
        raise ValueError("no action of the training videos has a length")
    busiest = max(int((~video.actions.ignored).sum()) for video in training.videos.values())
    return Survey(
        facts=facts,
        short_s=facts.lengths_s.p05 or facts.lengths_s.median or facts.lengths_s.most,
        long_s=facts.lengths_s.most,
        busiest=busiest,
        sided=any(_SIDED.search(name) is not None for name in training.classes),
    )
