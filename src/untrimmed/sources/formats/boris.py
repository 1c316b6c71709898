"""Aggregated events of BORIS, the logger of behaviour, as CSV or TSV.

    Observation id,Media file,Total length,FPS,Subject,Behavior,Behavior type,Start (s),Stop (s)
    o1,/d/v1.mp4,10.000,30.00,No focal subject,wave,STATE,1.200,3.400

Columns are found by name, for they differ between versions.  Point events have no length and are
passed by: they are no actions.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import FormatError
from untrimmed.sources.named_actions import NamedAction, NamedVideo, data_set, video_id
from untrimmed.sources.table import write_rows
from untrimmed.sources.text import text_of
from untrimmed.sources.written_actions import decimal, named

_NUMBER = re.compile(r"-?\d{1,12}(\.\d*)?", re.ASCII)

# What newer and older versions call a column; the first that is there counts.
_OBSERVATION = ("observation id",)
_MEDIA = ("media file name", "media file")
_DURATION = ("media duration (s)", "total length")
_RATE = ("fps (frame/s)", "fps")
_BEHAVIOR = ("behavior",)
_KIND = ("behavior type",)
_START = ("start (s)",)
_STOP = ("stop (s)",)
_NEEDED = (_OBSERVATION, _MEDIA, _BEHAVIOR, _KIND, _START, _STOP)


_WRITTEN = (
    "Observation id",
    "Media file name",
    "Media duration (s)",
    "FPS (frame/s)",
    "Behavior",
    "Behavior type",
    "Start (s)",
    "Stop (s)",
    "Duration (s)",
)


@dataclass(frozen=True)
class _Row:
    """One line; the cells by the name of their column in small letters, without outer blanks."""

    cells: Mapping[str, str]
    file: Path
    line: int

    def cell(self, names: Sequence[str]) -> str:
        return next((self.cells[name] for name in names if name in self.cells), "")

    def number(self, names: Sequence[str]) -> float:
        text = self.cell(names)
        if not _NUMBER.fullmatch(text):
            raise self.wrong(f"{names[0]} should be a number, got {text[:40]!r}")
        return float(text)

    def above_zero(self, names: Sequence[str]) -> float | None:
        """A number that may be missing."""
        if self.cell(names) in ("", "NA"):
            return None
        number = self.number(names)
        if number <= 0:
            raise self.wrong(f"{names[0]} should be above 0, got {number}")
        return number

    def wrong(self, message: str) -> FormatError:
        return FormatError(message, file=self.file, place=self.line)


def read(
    path: Path,
    *,
    observation: str | None = None,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of a file.

    Args:
        observation: id of the one that counts, if one video was observed several times.
        classes: names by label; all behaviours that occur as states, sorted, if not given.
        durations_s: by video, where the file does not say them.

    Raises:
        FormatError: if the file is no such table, a video has several observations and none is
            chosen, an observation has several media files, or a state has no start or stop.
    """
    rows: dict[str, list[_Row]] = {}
    for row in _rows(path):
        if observation is None or row.cell(_OBSERVATION) == observation:
            rows.setdefault(_video(row), []).append(row)
    videos = (_named(id, some, path) for id, some in rows.items())
    return data_set(videos, classes=classes, durations_s=durations_s)


def export(annotations: Annotations, path: Path) -> None:
    """A table of all actions as states, one observation for each video.

    Splits are not kept, nor videos without actions.

    Raises:
        ValueError: if an action is ignored, or a name cannot be held.
    """
    lines: list[tuple[object, ...]] = [_WRITTEN]
    for id, video in annotations.videos.items():
        if not id or ";" in id or video_id(f"{id}.mp4") != id:
            raise ValueError(f"BORIS cannot hold the video id {id!r}")
        rate = "NA" if video.fps is None else decimal(video.fps)
        about = (id, f"{id}.mp4", decimal(video.duration_s), rate)
        lines += [
            (*about, name, "STATE", decimal(start_s), decimal(end_s), decimal(end_s - start_s))
            for start_s, end_s, name in named(video, annotations.classes, format="BORIS")
        ]
    write_rows(lines, path)


def _named(id: str, rows: Sequence[_Row], path: Path) -> NamedVideo:
    first = rows[0]
    for row in rows:
        if row.cell(_OBSERVATION) != first.cell(_OBSERVATION):
            names = f"{first.cell(_OBSERVATION)!r} and {row.cell(_OBSERVATION)!r}"
            raise row.wrong(f"the video {id!r} was observed as {names}; give `observation`")
    actions = [
        NamedAction(row.number(_START), row.number(_STOP), row.cell(_BEHAVIOR), row.line)
        for row in rows
        if row.cell(_KIND).upper() == "STATE"
    ]
    return NamedVideo(
        id=id,
        file=path,
        place=first.line,
        actions=actions,
        duration_s=first.above_zero(_DURATION),
        fps=first.above_zero(_RATE),
    )


def _video(row: _Row) -> str:
    media = row.cell(_MEDIA)
    if not media or ";" in media:
        raise row.wrong(f"wanted one media file, got {media[:80]!r}")
    return video_id(media)


def _rows(path: Path) -> Iterator[_Row]:
    """The lines below the header that are not blank."""
    text = text_of(path)
    divider = "\t" if "\t" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=divider)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        missing = [names[0] for names in _NEEDED if not set(names) & set(columns)]
        if missing:
            raise FormatError(
                f"no aggregated events of BORIS: the first line lacks {', '.join(missing)}",
                file=path,
                place=1,
            )
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                message = f"wanted {len(columns)} cells as in the first line, got {len(cells)}"
                raise FormatError(message, file=path, place=reader.line_num)
            stripped = (cell.strip() for cell in cells)
            yield _Row(dict(zip(columns, stripped, strict=True)), path, reader.line_num)
    except csv.Error as error:
        raise FormatError(f"no CSV: {error}", file=path, place=reader.line_num) from error
