"""Actions as annotation tools keep them, by name, and the `Annotations` that they make.

What the readers of tools' files share: how a media file stands for a video, which classes and
durations hold if the file says none, and what is refused everywhere.  How a tool writes a time
is the business of its own module in `sources.formats`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Fault, Video
from untrimmed.core.errors import FormatError

_MEDIA = re.compile(
    r"\.(mp4|mkv|webm|avi|mov|m4v|mpe?g|m?2?ts|flv|wmv|ogv|wav|mp3|m4a|ogg|flac)", re.IGNORECASE
)


class NamedAction(NamedTuple):
    """An action as a file says it; `place` is its line or path there."""

    start_s: float
    end_s: float
    name: str
    place: int | str | None


@dataclass(frozen=True, kw_only=True)
class NamedVideo:
    """A video as a file says it.

    Args:
        id: its name.
        file: that says it.
        actions: in the order of the file.
        place: line or path at which the file speaks of it; the first line if it speaks of no other.
        duration_s: in seconds; None if the file does not say it.
        split: of the data set; empty if none.
        fps: frames per second; None if the file does not say it.
    """

    id: str
    file: Path
    actions: Sequence[NamedAction]
    place: int | str = 1
    duration_s: float | None = None
    split: str = ""
    fps: float | None = None


def data_set(
    videos: Iterable[NamedVideo],
    *,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """The data set that the videos make.

    Args:
        classes: names by label; all names that occur, sorted, if not given.
        durations_s: by video, where the file does not say them.  A video whose duration nobody
            says is taken to last until its last action ends.

    Raises:
        FormatError: if a video occurs twice or has no duration above 0, or an action has no name,
            none of the classes, or times that are not finite.

    An action that ends before it starts is left out, and among the `faults` of the result.
    """
    some = list(videos)
    if classes is None:
        classes = sorted({action.name for video in some for action in video.actions})
    labels = {name: label for label, name in enumerate(classes)}
    made: dict[str, Video] = {}
    faults: list[Fault] = []
    for video in some:
        if video.id in made:
            message = f"the video {video.id!r} is annotated twice"
            raise FormatError(message, file=video.file, place=video.place)
        made[video.id] = _video(video, labels, durations_s or {})
        faults += [
            Fault.backwards(
                video.id, action.start_s, action.end_s, file=video.file, place=action.place
            )
            for action in video.actions
            if action.end_s < action.start_s
        ]
    return Annotations(tuple(classes), made, tuple(faults))


def video_id(media: str) -> str:
    """The id that a media file stands for: its name without folders and ending."""
    name = media.replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    path = PurePosixPath(name)
    return path.stem if _MEDIA.fullmatch(path.suffix) else name


def files_of(path: Path, *suffixes: str) -> list[Path]:
    """The file itself, or the files of a folder with one of the endings, by name.

    Raises:
        FormatError: if the folder holds no such file.
    """
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes)
    if not files:
        raise FormatError(f"the folder holds no file *{' or *'.join(suffixes)}", file=path)
    return files


def tables_of(path: Path, names: Iterable[str]) -> list[Path]:
    """The file itself, or those files of a folder that have one of the names, in their order.

    Raises:
        FormatError: if the folder holds no such file.
    """
    if not path.is_dir():
        return [path]
    files = [path / name for name in names if (path / name).is_file()]
    if not files:
        raise FormatError(f"there is no {' and no '.join(names)} in this folder", file=path)
    return files


def frame_rate(fps: float | Mapping[str, float] | None, id: str, *, file: Path) -> float:
    """The rate at which the frames of a video are counted.

    Args:
        fps: of all videos, or by video.

    Raises:
        FormatError: if it is not given.
        ValueError: if it is not above 0.
    """
    rate = fps.get(id) if isinstance(fps, Mapping) else fps
    if rate is None:
        raise FormatError(
            f"times are counted in frames, and the file does not say how many frames of {id!r}"
            " make a second; give `fps`",
            file=file,
        )
    if not 0 < rate < math.inf:
        raise ValueError(f"a rate of {rate} frames per second is not above 0")
    return rate


def _video(video: NamedVideo, labels: Mapping[str, int], durations_s: Mapping[str, float]) -> Video:
    for action in video.actions:
        _check(action, labels, video.file)
    possible = [action for action in video.actions if action.end_s >= action.start_s]
    actions = Actions(
        [(action.start_s, action.end_s) for action in possible],
        [labels[action.name] for action in possible],
    )
    duration_s = video.duration_s
    if duration_s is None:
        duration_s = durations_s.get(video.id, float(actions.segments_s.max(initial=0.0)))
    if not 0 < duration_s < math.inf:
        raise FormatError(
            f"the video {video.id!r} has no duration above 0 s; give it in `durations_s`",
            file=video.file,
            place=video.place,
        )
    return Video(
        id=video.id, duration_s=duration_s, actions=actions, split=video.split, fps=video.fps
    )


def _check(action: NamedAction, labels: Mapping[str, int], file: Path) -> None:
    start_s, end_s, name, place = action
    if not name:
        message = "an action without a name; name it or delete it"
    elif name not in labels:
        message = f"{name!r} is none of the {len(labels)} classes of the data set"
    elif not (math.isfinite(start_s) and math.isfinite(end_s)):
        message = f"wanted finite times, got {start_s} s and {end_s} s"
    else:
        return
    raise FormatError(message, file=file, place=place)
