"""A table of actions, one per line, as a spreadsheet or Apple's CreateML writes it.

    video,label,start,end
    v1.mp4,wave,1.2,3.4
    v1.mp4,pour,0:05.1,0:08

The first line names the columns, in any order; those that are not named below are passed by.

| column     | holds                                                                   |
| ---------- | ----------------------------------------------------------------------- |
| video      | id, or the name of a video file, of which the id is the part before the ending |
| label      | name of the class; empty in the line of a video in which nothing happens |
| start, end | seconds, `MM:SS.ss` or `HH:MM:SS.ss`                                     |
| score      | of a detection                                                          |
| split      | of the video; none if there is no such column                           |
| duration   | of the video, like `start`                                              |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Fault, Video
from untrimmed.core.detections import Detections
from untrimmed.sources.table import Row, read_rows, write_rows

ACTION_COLUMNS = ("video", "label", "start", "end")
DETECTION_COLUMNS = (*ACTION_COLUMNS, "score")

_MEDIA = re.compile(r"\.(mp4|mkv|webm|avi|mov|m4v|mpe?g|m?2?ts|flv)", re.IGNORECASE)


def read(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of a file.

    Args:
        classes: names by label; all labels that occur, sorted, if not given.
        durations_s: by video, for a file without the column.  A video whose duration nobody
            says is taken to last until its last action ends: enough for scores, which do not
            depend on it.

    Raises:
        FormatError: if the file is no such table, a time is none, a label is not among the
            classes, or lines differ on the split or duration of a video.

    An action that ends before it starts is left out, and among the `faults` of the result.
    """
    rows = read_rows(path, ACTION_COLUMNS)
    if classes is None:
        classes = sorted({row.cells["label"] for row in rows} - {""})
    labels = {name: label for label, name in enumerate(classes)}
    videos: dict[str, Video] = {}
    faults: list[Fault] = []
    for id, some in _by_video(rows).items():
        stated = [row for row in some if row.cells["label"]]
        backwards = {row.line: fault for row in stated if (fault := row.backwards(id))}
        possible = [row for row in stated if row.line not in backwards]
        videos[id] = _video(id, some, possible, labels, durations_s or {})
        faults += backwards.values()
    return Annotations(tuple(classes), videos, tuple(faults))


def write(annotations: Annotations, path: Path) -> None:
    """A file that `read` gives back, except for frame rates and classes without actions.

    Raises:
        ValueError: if an action is ignored, or a name would be read as another; the JSON of
            `formats.activitynet` can hold both.
    """
    lines: list[tuple[object, ...]] = [(*ACTION_COLUMNS, "split", "duration")]
    for id, video in annotations.videos.items():
        if video.actions.ignored.any():
            raise ValueError(f"video {id}: a CSV file cannot say that an action is ignored")
        about = (video.split, video.duration_s)
        lines += [
            (_checked_id(id), _class(label, annotations.classes), start_s, end_s, *about)
            for start_s, end_s, label in video.actions
        ] or [(_checked_id(id), "", "", "", *about)]
    write_rows(lines, path)


def read_detections(path: Path, classes: Sequence[str]) -> dict[str, Detections]:
    """Detections by video, in the order of the file.

    Args:
        classes: names by label, those of the ground truth.

    Raises:
        FormatError: if the file is no such table, a time or score is none, a detection ends
            before it starts, or a label is not among the classes.
    """
    labels = {name: label for label, name in enumerate(classes)}
    found = {}
    for id, some in _by_video(read_rows(path, DETECTION_COLUMNS)).items():
        own = [row for row in some if row.cells["label"]]
        found[id] = Detections(
            [row.segment_s() for row in own],
            [row.label(labels) for row in own],
            [row.number("score") for row in own],
        )
    return found


def write_detections(
    detections: Mapping[str, Detections], classes: Sequence[str], path: Path
) -> None:
    """A file that `read_detections` gives back.

    Raises:
        ValueError: if a name would be read as another.
    """
    write_rows(detection_lines(detections, classes), path)


def detection_lines(
    detections: Mapping[str, Detections], classes: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    """The lines of such a file, for whoever wants no file; errors are those of it."""
    yield DETECTION_COLUMNS
    for id, found in detections.items():
        if not len(found):
            yield _checked_id(id), "", "", "", ""
        for (start_s, end_s), label, score in zip(
            found.segments_s, found.labels, found.scores, strict=True
        ):
            yield (
                _checked_id(id),
                _class(int(label), classes),
                float(start_s),
                float(end_s),
                float(score),
            )


def _by_video(rows: Iterable[Row]) -> dict[str, list[Row]]:
    videos: dict[str, list[Row]] = {}
    for row in rows:
        if not row.cells["video"]:
            raise row.wrong("a line without a video")
        if not row.cells["label"] and (row.cells["start"] or row.cells["end"]):
            raise row.wrong("a line with times and without a label")
        videos.setdefault(_id(row.cells["video"]), []).append(row)
    return videos


def _video(
    id: str,
    rows: Sequence[Row],
    stating: Sequence[Row],
    labels: Mapping[str, int],
    durations_s: Mapping[str, float],
) -> Video:
    """A video, of those of its lines that state an action."""
    actions = Actions([row.segment_s() for row in stating], [row.label(labels) for row in stating])
    split, duration = _agreed(rows, "split"), _agreed(rows, "duration")
    if duration is not None:
        duration_s = duration.seconds("duration")
    elif id in durations_s:
        duration_s = durations_s[id]
    else:
        duration_s = float(actions.segments_s.max(initial=0.0))
    if not duration_s > 0:
        raise rows[0].wrong(f"the video {id} has no duration above 0 s; add a column `duration`")
    return Video(
        id=id,
        duration_s=duration_s,
        actions=actions,
        split="" if split is None else split.cells["split"],
    )


def _agreed(rows: Iterable[Row], column: str) -> Row | None:
    """A line that fills a column about the video, as all do that fill it."""
    filled = [row for row in rows if row.cells.get(column)]
    for row in filled:
        if row.cells[column] != filled[0].cells[column]:
            raise row.wrong(
                f"{column} {row.cells[column]!r}, but line {filled[0].line} says"
                f" {filled[0].cells[column]!r} of the same video"
            )
    return filled[0] if filled else None


def _id(name: str) -> str:
    """The id that a file name stands for."""
    path = PurePosixPath(name)
    return path.stem if _MEDIA.fullmatch(path.suffix) else name


def _checked_id(id: str) -> str:
    if not id or _id(id.strip()) != id:
        raise ValueError(f"a CSV file cannot hold the video id {id!r}")
    return id


def _class(label: int, classes: Sequence[str]) -> str:
    if not 0 <= label < len(classes):
        raise ValueError(f"the label {label} is none of {len(classes)} classes")
    name = classes[label]
    if not name or name.strip() != name:
        raise ValueError(f"a CSV file cannot hold the class name {name!r}")
    return name
