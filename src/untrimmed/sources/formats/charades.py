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
from untrimmed.sources.named_actions import NamedAction, NamedVideo, data_set, text_of
from untrimmed.sources.table import Row, read_rows

SPLITS = {"Charades_v1_train.csv": "train", "Charades_v1_test.csv": "test"}
CLASS_LIST = "Charades_v1_classes.txt"

_CLASS = re.compile(r"(c\d{3})\s+(\S.*)", re.ASCII)
_ACTION = re.compile(r"(\S+)\s+(\d+(?:\.\d*)?)\s+(\d+(?:\.\d*)?)", re.ASCII)


def read(path: Path, *, classes: Sequence[str] | None = None) -> Annotations:
    """Annotations of a table, or of both tables of a folder.

    Args:
        classes: names by label; if not given those of the text beside, in its order, or the codes
            that occur, sorted, if there is none.

    Raises:
        FormatError: if a file is no such table, an action is not a code and two times, ends before
            it starts or is of no known class, or a video has no length above 0 or stands twice.
    """
    tables = {file: read_rows(file, ["id", "actions", "length"]) for file in _files(path)}
    names = _names((path if path.is_dir() else path.parent) / CLASS_LIST)
    if classes is None and names:
        classes = list(names.values())
    videos = (_video(row, names) for rows in tables.values() for row in rows)
    return data_set(videos, classes=classes)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [path / name for name in SPLITS if (path / name).is_file()]
    if not files:
        raise FormatError(f"there is no {' and no '.join(SPLITS)} in this folder", file=path)
    return files


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
