"""The tables of EPIC-Kitchens-100: `EPIC_100_train.csv` and `EPIC_100_validation.csv`.

    narration_id,participant_id,video_id,...,start_timestamp,stop_timestamp,start_frame,...
    P01_11_0,P01,P01_11,...,00:00:00.00,00:00:01.89,1,...,take plate,take,0,plate,2,['plate'],[2]

A line is one action: a verb and a noun, each with the number of its class.  The words in the line
are those of the narrator; the names of the classes are in tables of their own.  Three tables are
read if they lie beside, as they do where the data set is published:

| file                        | gives                                                        |
| --------------------------- | ------------------------------------------------------------ |
| `EPIC_100_verb_classes.csv` | names of the verbs (`id`, `key`)                             |
| `EPIC_100_noun_classes.csv` | names of the nouns; `EPIC_100_noun_classes_v2.csv` if not there |
| `EPIC_100_video_info.csv`   | durations and frame rates of the videos                      |

Times are read from the timestamps, not the frames, which are of another rate in some copies.  Of
several nouns the first counts.

Source: Damen et al., Rescaling Egocentric Vision, IJCV 2022, and the published tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from untrimmed.core.annotations import Annotations
from untrimmed.sources.named_actions import NamedAction, NamedVideo, data_set, tables_of
from untrimmed.sources.table import Row, read_rows, table_of, write_rows
from untrimmed.sources.written_actions import (
    by_split,
    class_name,
    decimal,
    named,
    word,
    write_beside,
)

Label = Literal["verb", "noun", "action"]

SPLITS = {"EPIC_100_train.csv": "train", "EPIC_100_validation.csv": "validation"}
CLASS_LISTS = {
    "verb": ("EPIC_100_verb_classes.csv",),
    "noun": ("EPIC_100_noun_classes.csv", "EPIC_100_noun_classes_v2.csv"),
}
VIDEO_INFO = "EPIC_100_video_info.csv"

_COLUMNS = (
    "narration_id",
    "participant_id",
    "video_id",
    "start_timestamp",
    "stop_timestamp",
    "narration",
)

_CLASS = re.compile(r"\d{1,4}", re.ASCII)


def read(
    path: Path,
    *,
    label: Label = "verb",
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of a table, or of both tables of a folder.

    Args:
        label: what an action is of: its verb, its noun, or both, as in "take plate".
        classes: names by label, which is the number of the verb or noun; if not given those of
            the table beside, or the numbers themselves if there is none.  With "action" the
            pairs that occur, in the order of their numbers, if not given.
        durations_s: by video, where `EPIC_100_video_info.csv` does not say them.  A video whose
            duration nobody says is taken to last until its last action ends.

    Raises:
        FormatError: if a file is no such table, a time or number is none, a class is not among
            the classes, or a video is in both tables.
    """
    folder = path if path.is_dir() else path.parent
    kinds = ("verb", "noun") if label == "action" else (label,)
    needed = ["video_id", "start_timestamp", "stop_timestamp", *(f"{k}_class" for k in kinds)]
    tables = {file: read_rows(file, needed) for file in tables_of(path, SPLITS)}
    rows = [row for some in tables.values() for row in some]
    names = {
        kind: classes if classes is not None and kind == label else _names(folder, kind, rows)
        for kind in kinds
    }
    if classes is None and label == "action":
        classes = _pairs(rows, names)
    elif classes is None:
        classes = names[label]
    return data_set(_videos(tables, names, _info(folder)), classes=classes, durations_s=durations_s)


def export(
    annotations: Annotations, path: Path, *, label: Literal["verb", "noun"] = "verb"
) -> None:
    """The tables of a folder, or one table where the path ends in `.csv`, and what lies beside.

    Times are rounded to milliseconds.  Videos without actions are not kept, nor splits in one
    table; columns that nothing is known of are left out.

    Args:
        label: whether the classes are verbs or nouns.

    Raises:
        ValueError: if an action is ignored or starts before 0, a video of a folder is in another
            split than train and validation, a name cannot be held, or other classes or durations
            are beside.
    """
    classes = annotations.classes
    number = {class_name(place, classes): place for place in range(len(classes))}
    tables: dict[Path, list[tuple[object, ...]]] = {}
    for file, videos in by_split(annotations, path, SPLITS, format="EPIC-Kitchens").items():
        lines = tables[file] = [(*_COLUMNS, label, f"{label}_class")]
        for video in videos:
            about = video.id.partition("_")[0], word(video.id, format="EPIC-Kitchens")
            spans = named(video, classes, format="EPIC-Kitchens")
            lines += [
                (f"{video.id}_{place}", *about, *map(_clock, times), name, name, number[name])
                for place, (*times, name) in enumerate(spans)
            ]
    folder = path.parent if path.suffix.lower() == ".csv" else path
    keys = [("id", "key"), *((place, name) for name, place in number.items())]
    write_beside(table_of(keys), folder / CLASS_LISTS[label][0])
    write_beside(table_of(_about(annotations)), folder / VIDEO_INFO)
    for file, lines in tables.items():
        write_rows(lines, file)


def _about(annotations: Annotations) -> Iterator[tuple[str, str, str]]:
    """The table of durations and rates, as `_info` reads it."""
    yield "video_id", "duration", "fps"
    for video in annotations.videos.values():
        fps = "" if video.fps is None else decimal(video.fps)
        yield video.id, decimal(video.duration_s), fps


class _Info(NamedTuple):
    """Of a video."""

    duration_s: float
    fps: float | None


def _names(folder: Path, kind: str, rows: Iterable[Row]) -> list[str]:
    """Of the verbs or nouns, by number; the numbers themselves if no table names them."""
    file = next((folder / name for name in CLASS_LISTS[kind] if (folder / name).is_file()), None)
    if file is None:
        return [
            str(number) for number in range(max((_number(r, kind) for r in rows), default=-1) + 1)
        ]
    names: list[str] = []
    for row in read_rows(file, ["id", "key"]):
        name = row.cells["key"]
        if row.cells["id"] != str(len(names)) or not name or name in names:
            raise row.wrong(f"wanted the id {len(names)} with a key of its own")
        names.append(name)
    return names


def _pairs(rows: Iterable[Row], names: Mapping[str, Sequence[str]]) -> list[str]:
    """Names of the actions that occur, in the order of their verbs and then nouns."""
    found = {(_number(row, "verb"), _number(row, "noun")): _name(row, names) for row in rows}
    return list(dict.fromkeys(name for _, name in sorted(found.items())))


def _number(row: Row, kind: str) -> int:
    text = row.cells[f"{kind}_class"]
    if not _CLASS.fullmatch(text):
        raise row.wrong(f"{kind}_class should be the number of a class, got {text!r}")
    return int(text)


def _info(folder: Path) -> dict[str, _Info]:
    file = folder / VIDEO_INFO
    if not file.is_file():
        return {}
    info = {}
    for row in read_rows(file, ["video_id", "duration", "fps"]):
        duration_s = row.number("duration")
        fps = row.number("fps") if row.cells["fps"] else None
        if not (duration_s > 0 and (fps is None or fps > 0)):
            raise row.wrong("wanted a duration and a frame rate above 0")
        info[row.cells["video_id"]] = _Info(duration_s, fps)
    return info


def _videos(
    tables: Mapping[Path, Iterable[Row]],
    names: Mapping[str, Sequence[str]],
    info: Mapping[str, _Info],
) -> Iterator[NamedVideo]:
    for file, rows in tables.items():
        actions: dict[str, list[NamedAction]] = {}
        for row in rows:
            id = row.cells["video_id"]
            if not id:
                raise row.wrong("a line without a video_id")
            start_s, end_s = row.seconds("start_timestamp"), row.seconds("stop_timestamp")
            action = NamedAction(start_s, end_s, _name(row, names), row.line)
            actions.setdefault(id, []).append(action)
        for id, own in actions.items():
            facts = info.get(id)
            yield NamedVideo(
                id=id,
                file=file,
                place=own[0].place or 1,
                actions=own,
                duration_s=None if facts is None else facts.duration_s,
                split=SPLITS.get(file.name, ""),
                fps=None if facts is None else facts.fps,
            )


def _clock(time_s: float) -> str:
    time_ms = round(time_s * 1000)
    if time_ms < 0:
        raise ValueError(f"EPIC-Kitchens has no time {time_s} s, before the video starts")
    minutes, time_ms = divmod(time_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{time_ms / 1000:06.3f}"


def _name(row: Row, names: Mapping[str, Sequence[str]]) -> str:
    words = []
    for kind, known in names.items():
        number = _number(row, kind)
        if number >= len(known):
            raise row.wrong(f"the {kind} {number} is none of the {len(known)} that have a name")
        words.append(known[number])
    return " ".join(words)
