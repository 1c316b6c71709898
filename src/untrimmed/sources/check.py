"""What is in a data set, and what is wrong with it: said before hours of training, not after.

Pure functions of annotations and of facts about the video files; this module opens no file.  The
readers of `sources.formats` refuse what they cannot understand and leave out what cannot be, which
is listed here; everything else that cannot be right is found here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64

from untrimmed.core.actions import SAME_S, Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.sources.twins import twins

TOLERANCE_S = 0.5
"""Times that differ by no more are the same: players, containers and annotators round."""

Kind = Literal[
    "ends before it starts",
    "past end",
    "before start",
    "no length",
    "duplicate",
    "class without actions",
    "class without training",
    "no file",
    "broken file",
    "no readable file",
    "other duration",
    "in two splits",
    "empty split",
    "no features",
    "no weights",
    "grid",
    "download",
]


class Quantiles(NamedTuple):
    """Of some lengths in seconds: the least, the 5th percentile, ..., the largest.

    All are NaN if there are no lengths.
    """

    least: float
    p05: float
    p25: float
    median: float
    p75: float
    p95: float
    most: float


@dataclass(frozen=True)
class ClassFacts:
    """One class: how many actions it has, and how long they are."""

    name: str
    actions: int
    lengths_s: Quantiles


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What some videos hold; ignored actions are left out.

    Args:
        videos: how many.
        hours: of video.
        actions: how many.
        classes: by label, those without actions too.
        lengths_s: of the actions.
        durations_s: of the videos.
        covered: share of the time in which something happens, in [0, 1].
        overlap: share of that in which more than one thing happens, in [0, 1].
    """

    videos: int
    hours: float
    actions: int
    classes: tuple[ClassFacts, ...]
    lengths_s: Quantiles
    durations_s: Quantiles
    covered: float
    overlap: float


@dataclass(frozen=True)
class VideoFacts:
    """What a video file says of itself: seconds, frames per second, height and width."""

    duration_s: float
    fps: float
    size: tuple[int, int]


@dataclass(frozen=True)
class Problem:
    """Something wrong with a data set.

    Args:
        kind: what, for counting and sorting.
        video: its id; empty if the data set as a whole is meant.
        message: what and where, for people.
        severity: an error costs a video, an action or a class, or makes scores wrong; a warning
            costs nothing yet.
    """

    kind: Kind
    video: str
    message: str
    severity: Literal["error", "warning"]


def fingerprint(annotations: Annotations) -> Fingerprint:
    """What all videos together hold; `fingerprints` tells the splits apart."""
    videos = list(annotations.videos.values())
    counted = [video.actions[~video.actions.ignored] for video in videos]
    labels = np.concatenate([some.labels for some in counted] or [np.zeros(0, np.int64)])
    lengths_s = np.concatenate([_lengths(some) for some in counted] or [np.zeros(0)])
    durations_s = np.array([video.duration_s for video in videos])
    total_s = float(durations_s.sum())
    busy_s = np.array([_busy(some, d) for some, d in zip(counted, durations_s, strict=True)])
    covered_s, overlap_s = busy_s.reshape(-1, 2).sum(axis=0).tolist()
    return Fingerprint(
        videos=len(videos),
        hours=total_s / 3600,
        actions=len(labels),
        classes=tuple(
            ClassFacts(name, int((labels == label).sum()), _quantiles(lengths_s[labels == label]))
            for label, name in enumerate(annotations.classes)
        ),
        lengths_s=_quantiles(lengths_s),
        durations_s=_quantiles(durations_s),
        covered=covered_s / total_s if total_s else 0.0,
        overlap=overlap_s / covered_s if covered_s else 0.0,
    )


def fingerprints(annotations: Annotations) -> dict[str, Fingerprint]:
    """What each split holds, by its name, in order of appearance."""
    return {split: fingerprint(annotations.split(split)) for split in annotations.splits}


def problems(
    annotations: Annotations,
    media: Mapping[str, VideoFacts | str] | None,
    *,
    training: str | None = None,
    splits: Collection[str] = (),
    videos: Collection[str] | None = None,
) -> list[Problem]:
    """Everything that is wrong, first about the data set, then video by video.

    Args:
        media: by video, what its file says of itself, or why it cannot be read; a video without
            an entry has no file.  None if nobody looked: then files are not spoken of.  Actions
            are held against the duration of the file where it is known.
        training: the split that is trained on, in any case of its letters; if given, every class
            must occur in it.
        splits: names of the splits that are needed, in any case of their letters.  No recording
            may be trained on in one and scored in another, nor be in any two if none is named.
        videos: ids of those that are used, where not all are: only their files and actions are
            looked at, and only they are trained on.  Classes and splits are those of all videos.
    """
    used = annotations.videos.keys() if videos is None else videos
    found = [
        *(
            Problem("ends before it starts", f.video, f.message, "error")
            for f in annotations.faults
        ),
        *_split_problems(annotations, splits),
        *(
            Problem(
                "in two splits", t.video.id, t.message, "error" if t.is_trained_on else "warning"
            )
            for t in twins(annotations, training=training, splits=splits, used=used)
        ),
        *_class_problems(annotations, training, used),
    ]
    if media is not None and annotations.videos:
        readable = [id for id in annotations.videos if isinstance(media.get(id), VideoFacts)]
        if not readable:
            message = f"none of the {len(annotations.videos)} videos has a file that can be read"
            found.append(Problem("no readable file", "", message, "error"))
    for video in annotations.videos.values():
        if video.id not in used:
            continue
        entry = None if media is None else media.get(video.id)
        if media is not None:
            found += _media_problems(video, entry)
        duration_s = entry.duration_s if isinstance(entry, VideoFacts) else video.duration_s
        found += _action_problems(video, duration_s, annotations.classes)
    return found


def _split_problems(annotations: Annotations, splits: Collection[str]) -> Iterator[Problem]:
    there = Counter(video.split.casefold() for video in annotations.videos.values())
    for split in splits:
        if not there[split.casefold()]:
            names = ", ".join(filter(None, annotations.splits)) or "none"
            message = f"the split {split} has no videos; there are the splits: {names}"
            yield Problem("empty split", "", message, "error")


def _class_problems(
    annotations: Annotations, training: str | None, used: Collection[str]
) -> Iterator[Problem]:
    def labels(videos: Iterable[Video]) -> set[int]:
        counted = (video.actions[~video.actions.ignored] for video in videos)
        return {label for actions in counted for _, _, label in actions}

    everywhere = labels(annotations.videos.values())
    for label, name in enumerate(annotations.classes):
        if label not in everywhere:
            message = f"{name} happens in no video; take it out of the classes, or add videos of it"
            yield Problem("class without actions", "", message, "error")
    if training is None:
        return
    trained = [v for v in annotations.videos.values() if v.split.casefold() == training.casefold()]
    there, learnt = labels(trained), labels(video for video in trained if video.id in used)
    for label in sorted(everywhere - learnt):
        name = annotations.classes[label]
        message = f"{name} happens, but in no video of the split {training}; add some there"
        if label in there:
            message = f"{name} happens in {training} only in videos that cannot be read"
        yield Problem("class without training", "", message, "error")


def _media_problems(video: Video, entry: VideoFacts | str | None) -> Iterator[Problem]:
    if entry is None:
        yield Problem("no file", video.id, "there is no file of this video", "error")
    elif isinstance(entry, str):
        yield Problem("broken file", video.id, entry, "error")
    elif abs(entry.duration_s - video.duration_s) > max(TOLERANCE_S, 0.01 * video.duration_s):
        message = (
            f"the file lasts {entry.duration_s:.2f} s, but by the annotations it is"
            f" {video.duration_s:.2f} s: is it another cut?"
        )
        yield Problem("other duration", video.id, message, "warning")


def _action_problems(
    video: Video, duration_s: float, classes: tuple[str, ...]
) -> Iterator[Problem]:
    actions = video.actions[~video.actions.ignored]
    for number, (start_s, end_s, label) in enumerate(actions):
        what = f"{classes[label]} from {start_s:.2f} s to {end_s:.2f} s"
        if end_s > duration_s + TOLERANCE_S:
            message = (
                f"{what}, but the video ends at {duration_s:.2f} s; correct the action, or give"
                " the whole video"
            )
            yield Problem("past end", video.id, message, "error")
        if start_s < -TOLERANCE_S:
            message = f"{what} starts before the video does"
            yield Problem("before start", video.id, message, "error" if end_s <= 0 else "warning")
        if end_s <= start_s:
            message = f"{what} has no length: it can be neither learnt nor hit"
            yield Problem("no length", video.id, message, "error")
        earlier = actions.segments_s[:number][actions.labels[:number] == label]
        if (np.abs(earlier - (start_s, end_s)).max(axis=1, initial=0.0) <= SAME_S).any():
            message = f"{what} is there twice: a detector must find it twice"
            yield Problem("duplicate", video.id, message, "warning")


def _lengths(actions: Actions) -> Float64[np.ndarray, " N"]:
    return np.asarray(actions.segments_s[:, 1] - actions.segments_s[:, 0])


def _quantiles(lengths_s: Float64[np.ndarray, " N"]) -> Quantiles:
    if not len(lengths_s):
        return Quantiles(*[float("nan")] * 7)
    return Quantiles(*np.quantile(lengths_s, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]).tolist())


def _busy(actions: Actions, duration_s: float) -> tuple[float, float]:
    """Seconds of a video in which something happens, and in which more than one thing does."""
    segments_s = np.clip(actions.segments_s, 0.0, duration_s)
    times_s = segments_s.T.ravel()  # (2N,), starts before ends
    change = np.repeat([1, -1], len(segments_s))
    order = np.argsort(times_s, kind="stable")
    at_once = np.cumsum(change[order])[:-1]
    gaps_s = np.diff(times_s[order])
    return float(gaps_s[at_once >= 1].sum()), float(gaps_s[at_once >= 2].sum())
