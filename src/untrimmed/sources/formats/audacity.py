"""Label tracks of Audacity, one text file per video: start, end and label between tabs.

    1.200000	3.400000	wave

Times are seconds.  A line that begins with a backslash states the frequencies of the label above
and is passed by.  A file is named after its video, and holds no more of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import FormatError
from untrimmed.core.files import written_whole
from untrimmed.sources.named_actions import (
    NamedAction,
    NamedVideo,
    data_set,
    files_of,
)
from untrimmed.sources.text import text_of
from untrimmed.sources.written_actions import class_name, file_of

_SECONDS = re.compile(r"-?\d{1,12}(\.\d*)?", re.ASCII)


def read(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of a file, or of all `.txt` files of a folder.

    Args:
        classes: names by label; all that occur, sorted, if not given.
        durations_s: by video; a video without is taken to last until its last action ends.

    Raises:
        FormatError: if a line is no label, or has no name.
    """
    videos = (
        NamedVideo(id=file.stem, file=file, actions=list(_labels(file)))
        for file in files_of(path, ".txt")
    )
    return data_set(videos, classes=classes, durations_s=durations_s)


def export(annotations: Annotations, folder: Path) -> None:
    """Put `<id>.txt` of every video into a folder, with times in microseconds.

    Raises:
        ValueError: if an action is ignored, or a name cannot be held.
    """
    for id, video in annotations.videos.items():
        if video.actions.ignored.any():
            raise ValueError(f"video {id}: a label track cannot say that an action is ignored")
        lines = [
            f"{start_s:.6f}\t{end_s:.6f}\t{class_name(label, annotations.classes)}\n"
            for start_s, end_s, label in video.actions
        ]
        with written_whole(file_of(id, folder, ".txt")) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8", newline="\n")


def _labels(path: Path) -> Iterator[NamedAction]:
    # Not splitlines: it would also cut at characters that a label may hold.
    for number, line in enumerate(text_of(path).replace("\r\n", "\n").split("\n"), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        cells = [cell.strip() for cell in line.split("\t", 2)]
        if len(cells) != 3 or not all(map(_SECONDS.fullmatch, cells[:2])):
            message = f"wanted start, end and label between tabs, got {line[:60]!r}"
            raise FormatError(message, file=path, place=number)
        yield NamedAction(float(cells[0]), float(cells[1]), cells[2], number)
