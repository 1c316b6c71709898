"""How long a training will take: its first steps, taken on a few of its videos and timed."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.config import load
from untrimmed.data.sampling import steps_of
from untrimmed.recipes.commented import Tree, settings
from untrimmed.recipes.data import Splits
from untrimmed.recipes.effort import LEAST_SHARE, Effort, Pace, Work
from untrimmed.recipes.recipe import Recipe, from_folder
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.training import train
from untrimmed.sources.formats import activitynet

STEPS = 6
"""That are timed, of each kind, behind a few that are not."""

_UNTIMED = 2  # in which memory is first taken, and kernels are chosen
_VIDEOS, _HELD_OUT = 4, 2
_WORTH = 1.2  # times as fast a smaller network must be
_SPLITS = Splits(train="training", validation="validation", test="training")


def within(
    minutes: float,
    plan: Callable[[Effort], Tree],
    *,
    folder: Path,
    training: Annotations,
    validation: Mapping[str, Video],
) -> Job[Effort]:
    """What a training of so many minutes may ask for.

    Fewer steps come first, down to half of them; then a smaller network or smaller frames, where
    they are so much faster that it is worth it; then fewer steps still.

    Args:
        plan: the settings of a recipe for an effort.
        folder: of the recipe, for its paths.
        training: videos that are trained on.
        validation: those that are scored on the way; may be none.
    """

    def tried(effort: Effort) -> Job[_Tried]:
        recipe = from_folder(load(Recipe, settings(plan(effort))), folder)
        work = _work(recipe, len(training.videos), looked_at=bool(validation))
        pace = yield from timed(recipe, training, validation)
        share = max(pace.share(work, seconds=60 * minutes), 1 / recipe.train.epochs)
        return _Tried(effort, work, pace, share)

    chosen = yield from tried(Effort())
    while chosen.share < LEAST_SHARE:
        effort = Effort(smaller=chosen.effort.smaller + 1)
        if settings(plan(effort)) == settings(plan(chosen.effort)):
            break  # there is none
        other = yield from tried(effort)
        if other.pace.time_s(other.work) * _WORTH > chosen.pace.time_s(chosen.work):
            break
        chosen = other
    return replace(chosen.effort, share=chosen.share, why=_why(minutes, chosen))


def timed(recipe: Recipe, training: Annotations, validation: Mapping[str, Video]) -> Job[Pace]:
    """Train a few steps on a few videos, and say what each part takes.

    Reading, memory and scoring are those of the training itself; only what is written goes to a
    folder that is let go of.  Where other processes want the same cores, it measures that too.

    Raises:
        UserError: if the training cannot begin.
    """
    some = _typical(training.videos.values(), _VIDEOS)
    held_out = _typical(validation.values(), _HELD_OUT)
    with tempfile.TemporaryDirectory() as name:
        short = _shortened(recipe, Path(name) / "annotations.json", len(some), bool(held_out))
        videos = {
            **{each.id: replace(each, split="training") for each in some},
            **{each.id: replace(each, split="validation") for each in held_out},
        }
        activitynet.write(Annotations(training.classes, videos), short.data.annotations)
        seconds: dict[str, list[float]] = defaultdict(list)
        before_s = time.perf_counter()
        for news in train(short, RunFolder(Path(name) / "run")):
            seconds[news.stage].append(time.perf_counter() - before_s)
            yield Progress("time some steps", news.done, news.total, {"": news.stage})
            before_s = time.perf_counter()
    looked_s = sum(sum(seconds[stage]) for stage in ("detect", "validate"))
    return Pace(
        forming_s=_median(seconds["form the encoder"]),
        step_s=_median(seconds["train"]),
        fill_s=_scaled(sum(seconds["fill the memory"]), some, training.videos.values()),
        look_s=_scaled(looked_s, held_out, validation.values()),
    )


class _Tried(NamedTuple):
    effort: Effort
    work: Work
    pace: Pace
    share: float  # of the steps; an epoch at least


def _shortened(recipe: Recipe, annotations: Path, videos: int, is_scored: bool) -> Recipe:
    """The same recipe for a moment, on the videos of another file."""
    data = replace(
        recipe.data,
        annotations=annotations,
        format="activitynet",
        format_settings={},
        splits=_SPLITS if is_scored else replace(_SPLITS, validation=None),
    )
    steps = _UNTIMED + STEPS
    epochs = math.ceil(steps * recipe.train.batch / videos)
    return replace(
        recipe,
        data=data,
        pretrain=None if recipe.pretrain is None else replace(recipe.pretrain, steps=steps),
        train=replace(recipe.train, epochs=epochs, validate_every=epochs, head_only_steps=0),
    )


def _work(recipe: Recipe, videos: int, *, looked_at: bool) -> Work:
    config = recipe.train
    return Work(
        forming=0 if recipe.pretrain is None else recipe.pretrain.steps,
        steps=steps_of(videos, batch=config.batch, epochs=config.epochs),
        looks=math.ceil(config.epochs / config.validate_every) if looked_at else 0,
    )


def _typical(videos: Iterable[Video], count: int) -> list[Video]:
    """A few videos, from short to long."""
    by_length = sorted(videos, key=lambda video: (video.duration_s, video.id))
    count = min(count, len(by_length))
    return [by_length[(2 * n + 1) * len(by_length) // (2 * count)] for n in range(count)]


def _median(seconds: list[float]) -> float:
    return statistics.median(seconds[_UNTIMED:] or seconds or [0.0])


def _scaled(seconds: float, some: Iterable[Video], of_all: Iterable[Video]) -> float:
    """What all take, if some take so long."""
    some_s, all_s = (sum(video.duration_s for video in videos) for videos in (some, of_all))
    return seconds * all_s / some_s if some_s else 0.0


def _why(minutes: float, tried: _Tried) -> str:
    _, work, pace, share = tried
    whole, own = (pace.time_s(work, share=each) / 60 for each in (1.0, share))
    parts = [f"{pace.step_s:.2g} s a step"]
    if work.forming:
        parts.append(f"{pace.forming_s:.2g} s one that forms the encoder")
    told = (
        f" By {STEPS} steps that were timed here ({', '.join(parts)}) all of it takes {whole:.0f}"
        f" min of the {minutes:g} there are"
    )
    if share < 1:
        told += f", so {100 * share:.0f} % of the steps are taken, {own:.2g} min"
    if own > minutes:
        told += "; that is one epoch, and still too long"
    return told + ". Such an estimate may be wrong by half."
