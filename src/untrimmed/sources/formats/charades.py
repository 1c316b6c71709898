"""The tables of Charades: `Charades_v1_train.csv` and `Charades_v1_test.csv`.

    id,subject,scene,...,actions,length
    46GP8,HR43,Kitchen,...,c092 11.90 21.20;c147 0.00 12.60,24.83

A line is one video; its actions stand in one cell, each with the code of its class and its start
and end in seconds.  The names of the classes are in a text beside, `Charades_v1_classes.txt`:

    c000 Holding some clothes

Source: Sigurdsson et al., Hollywood in Homes, ECCV 2016, and the published files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import FormatError
from untrimmed.sources.named_actions import NamedAction, NamedVideo, data_set, tables_of
from untrimmed.sources.table import Row, read_rows, write_rows
from untrimmed.sources.text import text_of
from untrimmed.sources.written_actions import (
    by_split,
    class_name,
    decimal,
    named,
    write_beside,
)

SPLITS = {"Charades_v1_train.csv": "train", "Charades_v1_test.csv": "test"}
CLASS_LIST = "Charades_v1_classes.txt"

_COLUMNS = ("id", "actions", "length")
_CODES = 1000

_CLASS = re.compile(r"(c\d{3})\s+(\S.*)", re.ASCII)
_ACTION = re.compile(r"(\S+)\s+(\d+(?:\.\d*)?)\s+(\d+(?:\.\d*)?)", re.ASCII)


def read(path: Path, *, classes: Sequence[str] | None = None) -> Annotations:
    """Annotations of a table, or of both tables of a folder.

    Args:
        classes: names by label; if not given those of the text beside, in its order, or the codes
            that occur, sorted, if there is none.

    Raises:
        FormatError: if a file is no such table, an action is not a code and two times or is of
            no known class, or a video has no length above 0 or stands twice.
    """
    tables = {file: read_rows(file, _COLUMNS) for file in tables_of(path, SPLITS)}
    names = _names((path if path.is_dir() else path.parent) / CLASS_LIST)
    if classes is None and names:
        classes = list(names.values())
    videos = (_video(row, names) for rows in tables.values() for row in rows)
    return data_set(videos, classes=classes)


def export(annotations: Annotations, path: Path) -> None:
    """The tables of a folder, or one table where the path ends in `.csv`, and the classes beside.

    Rates are not kept, nor splits in one table; columns that nothing is known of are left out.

    Raises:
        ValueError: if an action is ignored or starts before 0, a video of a folder is in another
            split than train and test, there are more classes than codes, a name cannot be held, or
            other classes are beside.
    """
    if len(annotations.classes) > _CODES:
        raise ValueError(f"Charades has codes for {_CODES} classes, not {len(annotations.classes)}")
    names = [class_name(label, annotations.classes) for label in range(len(annotations.classes))]
    codes = {name: f"c{label:03}" for label, name in enumerate(names)}
    tables: dict[Path, list[tuple[object, ...]]] = {}
    for file, videos in by_split(annotations, path, SPLITS, format="Charades").items():
        lines = tables[file] = [_COLUMNS]
        for video in videos:
            actions = [
                f"{codes[name]} {_time(start_s)} {_time(end_s)}"
                for start_s, end_s, name in named(video, annotations.classes, format="Charades")
            ]
            if not video.id or video.id.strip() != video.id:
                raise ValueError(f"Charades cannot hold the video id {video.id!r}")
            lines.append((video.id, ";".join(actions), decimal(video.duration_s)))
    listed = "".join(f"{code} {name}\n" for name, code in codes.items())
    write_beside(listed, (path.parent if path.suffix.lower() == ".csv" else path) / CLASS_LIST)
    for file, lines in tables.items():
        write_rows(lines, file)


def _time(time_s: float) -> str:
    if time_s < 0:
        raise ValueError(f"Charades has no time {time_s} s, before the video starts")
    return decimal(abs(time_s))  # -0.0 is 0


def _names(file: Path) -> dict[str, str]:
    """Of the classes, by code; empty if there is no such file."""
    names: dict[str, str] = {}
    if not file.is_file():
        return names
    for number, line in enumerate(text_of(file).split("\n"), start=1):
        match = _CLASS.fullmatch(line.strip())
        if match and match[1] not in names and match[2] not in names.values():
            names[match[1]] = match[2]
        elif line.strip():
            raise FormatError(
                f"wanted a new code and a new name, as in 'c000 Pouring', got {line!r}",
                file=file,
                place=number,
            )
    return names


def _video(row: Row, names: Mapping[str, str]) -> NamedVideo:
    if not row.cells["id"]:
        raise row.wrong("a line without an id")
    return NamedVideo(
        id=row.cells["id"],
        file=row.file,
        place=row.line,
        actions=list(_actions(row, names)),
        duration_s=row.number("length"),
        split=SPLITS.get(row.file.name, ""),
    )


def _actions(row: Row, names: Mapping[str, str]) -> Iterable[NamedAction]:
    for text in filter(None, map(str.strip, row.cells["actions"].split(";"))):
        match = _ACTION.fullmatch(text)
        if match is None:
            raise row.wrong(f"wanted a code, a start and an end in seconds, got {text!r}")
        code = match[1]
        if names and code not in names:
            raise row.wrong(f"{code!r} is not among the {len(names)} classes of {CLASS_LIST}")
        yield NamedAction(float(match[2]), float(match[3]), names.get(code, code), row.line)
