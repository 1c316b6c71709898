"""Tables in CSV whose first line names the columns, with a place for every complaint."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from untrimmed.core.annotations import Fault
from untrimmed.core.errors import FormatError
from untrimmed.core.files import written_whole
from untrimmed.sources.text import text_of

_SECONDS = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,6}):(\d\d?(?:\.\d*)?)", re.ASCII)


@dataclass(frozen=True)
class Row:
    """One line of a table; the cells by the name of their column, without outer blanks.

    Its methods raise FormatError, naming file and line, where a cell does not hold what is asked.
    """

    cells: Mapping[str, str]
    file: Path
    line: int

    def backwards(self, video: str) -> Fault | None:
        """What is wrong with an action that ends before it starts; None of others."""
        start_s, end_s = self.seconds("start"), self.seconds("end")
        if end_s >= start_s:
            return None
        return Fault.backwards(video, start_s, end_s, file=self.file, place=self.line)

    def segment_s(self) -> tuple[float, float]:
        start_s, end_s = self.seconds("start"), self.seconds("end")
        if end_s < start_s:
            raise self.wrong(f"it ends at {end_s} s, before it starts at {start_s} s")
        return start_s, end_s

    def seconds(self, column: str) -> float:
        text = self.cells[column]
        clock = _CLOCK.fullmatch(text)
        if clock is None:
            return self.number(column, "seconds, MM:SS.ss or HH:MM:SS.ss")
        hours, minutes, seconds = int(clock[1] or 0), int(clock[2]), float(clock[3])
        if seconds >= 60 or (clock[1] and minutes >= 60):
            raise self.wrong(f"{column} {text!r} has 60 seconds or minutes in one place")
        return hours * 3600 + minutes * 60 + seconds

    def number(self, column: str, wanted: str = "a number") -> float:
        text = self.cells[column]
        if not _SECONDS.fullmatch(text) or not math.isfinite(float(text)):
            raise self.wrong(f"{column} should be {wanted}, got {text!r}")
        return float(text)

    def label(self, labels: Mapping[str, int]) -> int:
        name = self.cells["label"]
        if name not in labels:
            raise self.wrong(f"{name!r} is none of the {len(labels)} classes of the data set")
        return labels[name]

    def wrong(self, message: str) -> FormatError:
        return FormatError(message, file=self.file, place=self.line)


def read_rows(path: Path, needed: Iterable[str]) -> list[Row]:
    """The lines below the header that are not blank.

    Args:
        needed: columns that there must be, in lower case; others are read too.

    Raises:
        FormatError: if the file cannot be read, is no such table, or lacks a column.
    """
    text = text_of(path)
    lines = _lines(
        csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True), path
    )
    number, header = next(lines, (1, []))
    columns = [name.lower() for name in header]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise FormatError(
            f"wanted a first line with {', '.join(missing)}, got {', '.join(header) or 'none'}",
            file=path,
            place=number,
        )
    if len(set(columns)) < len(columns):
        raise FormatError("two columns have the same name", file=path, place=number)
    rows = []
    for number, cells in lines:
        if len(cells) != len(columns):
            message = f"wanted {len(columns)} cells as in the first line, got {len(cells)}"
            raise FormatError(message, file=path, place=number)
        rows.append(Row(dict(zip(columns, cells, strict=True)), path, number))
    return rows


def write_rows(lines: Iterable[Iterable[object]], path: Path) -> None:
    """A file of `table_of`, written line by line."""
    with (
        written_whole(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows(lines)


def table_of(lines: Iterable[Iterable[object]]) -> str:
    """CSV of some lines, the first of which names the columns."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()


def _lines(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and stripped cells of every line that is not blank."""
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise FormatError(f"no CSV: {error}", file=path, place=reader.line_num) from error
