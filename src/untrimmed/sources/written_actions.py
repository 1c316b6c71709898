"""What the writers of other people's formats share: names they can hold, numbers, places of files.

The counterpart of `sources.named_actions`.  Whether a format can hold something is asked before a
byte is written: what it cannot hold is a ValueError that says so.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.files import written_whole


def named(video: Video, classes: Sequence[str], *, format: str) -> list[tuple[float, float, str]]:
    """Start, end and name of the actions of a video, for a format that ignores none.

    Args:
        format: its name, for the message.

    Raises:
        ValueError: if an action is ignored, or a name cannot be held.
    """
    if video.actions.ignored.any():
        raise ValueError(f"video {video.id}: {format} cannot say that an action is ignored")
    return [(start_s, end_s, class_name(label, classes)) for start_s, end_s, label in video.actions]


def class_name(label: int, classes: Sequence[str]) -> str:
    """The name of a label.

    Raises:
        ValueError: if there is no such class, or its name is none that `checked_class_name` lets
            pass: tools drop blanks around it.
    """
    if not 0 <= label < len(classes):
        raise ValueError(f"the label {label} is none of {len(classes)} classes")
    return checked_class_name(classes[label])


def checked_class_name(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: if it is empty, has blanks around it, or holds an end of line or a control.
    """
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


def by_split(
    annotations: Annotations, path: Path, names: Mapping[str, str], *, format: str
) -> dict[Path, list[Video]]:
    """The videos of each table: of one if the path ends in `.csv`, else one per split in a folder.

    Args:
        names: of the tables, to the splits they hold, in whatever case of letters.
        format: its name, for the message.

    Raises:
        ValueError: if a folder is asked for and a video is in none of the splits.
    """
    videos = list(annotations.videos.values())
    if path.suffix.lower() == ".csv":
        return {path: videos}
    for video in videos:
        if video.split.casefold() not in names.values():
            raise ValueError(
                f"video {video.id}: {format} has no split {video.split!r}; there are:"
                f" {', '.join(names.values())}; a file that ends in .csv takes all videos"
            )
    tables = {
        path / name: [video for video in videos if video.split.casefold() == split]
        for name, split in names.items()
    }
    return {file: some for file, some in tables.items() if some}


def write_beside(text: str, path: Path) -> None:
    """A file that goes with another, such as a list of classes; if it is there it must agree.

    Raises:
        ValueError: if the file is there and says something else.
    """
    if path.exists() and path.read_bytes() != text.encode():
        raise ValueError(f"there is another {path.name} in {path.parent}; write to another folder")
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def word(name: str, *, format: str) -> str:
    """A name, for a format that divides cells by blanks.

    Raises:
        ValueError: if the name is empty or has a blank in it.
    """
    if len(name.split()) != 1 or name.strip() != name:
        raise ValueError(f"{format} cannot hold the name {name!r}, for it divides at blanks")
    return name


def decimal(number: float) -> str:
    """A number without an exponent, in as many digits as tell it from its neighbours."""
    return np.format_float_positional(number, trim="-")


def _breaks(name: str) -> bool:
    """Whether a name holds an end of line, a control or half a character."""
    return any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)
