"""Actions as annotation tools keep them, by name, and the `Annotations` that they make.

What the readers of tools' files share: how a media file stands for a video, which classes and
durations hold if the file says none, and what is refused everywhere.  How a tool writes a time
is the business of its own module in `sources.formats`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
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
        duration_s: in seconds; None if the file does not say it.
        split: of the data set; empty if none.
        fps: frames per second; None if the file does not say it.
    """

    id: str
    file: Path
    actions: Sequence[NamedAction]
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
            none of the classes, times that are not finite, or an end before its start.
    """
    some = list(videos)
    if classes is None:
        classes = sorted({action.name for video in some for action in video.actions})
    labels = {name: label for label, name in enumerate(classes)}
    made: dict[str, Video] = {}
    for video in some:
        if video.id in made:
            raise FormatError(f"the video {video.id!r} is annotated twice", file=video.file)
        made[video.id] = _video(video, labels, durations_s or {})
    return Annotations(tuple(classes), made)


def video_id(media: str) -> str:
    """The id that a media file stands for: its name without folders and ending."""
    name = media.replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    path = PurePosixPath(name)
    return path.stem if _MEDIA.fullmatch(path.suffix) else name


def class_name(label: int, classes: Sequence[str]) -> str:
    """The name of a label.

    Raises:
        ValueError: if there is no such class, or its name is empty or has blanks around it, which
            tools drop.
    """
    if not 0 <= label < len(classes):
        raise ValueError(f"the label {label} is none of {len(classes)} classes")
    name = classes[label]
    if not name or name.strip() != name or _breaks(name):
        raise ValueError(f"annotation tools cannot hold the class name {name!r}")
    return name


def file_of(id: str, folder: Path, suffix: str) -> Path:
    """Where the annotations of one video belong, for tools with one file per video.

    Raises:
        ValueError: if the id is no name of a file.
    """
    if not id or "/" in id or "\\" in id or _breaks(id) or id in (".", ".."):
        raise ValueError(f"the video id {id!r} is no name of a file")
    return folder / f"{id}{suffix}"


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


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        FormatError: if there is none.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot be read as text: {error}", file=path) from error


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


def _breaks(name: str) -> bool:
    """Whether a name holds an end of line, a control or half a character."""
    return any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)


def _video(video: NamedVideo, labels: Mapping[str, int], durations_s: Mapping[str, float]) -> Video:
    for action in video.actions:
        _check(action, labels, video.file)
    actions = Actions(
        [(action.start_s, action.end_s) for action in video.actions],
        [labels[action.name] for action in video.actions],
    )
    duration_s = video.duration_s
    if duration_s is None:
        duration_s = durations_s.get(video.id, float(actions.segments_s.max(initial=0.0)))
    if not 0 < duration_s < math.inf:
        raise FormatError(
            f"the video {video.id!r} has no duration above 0 s; give it in `durations_s`",
            file=video.file,
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
    elif end_s < start_s:
        message = f"it ends at {end_s} s, before it starts at {start_s} s; correct or delete it"
    else:
        return
    raise FormatError(message, file=file, place=place)
