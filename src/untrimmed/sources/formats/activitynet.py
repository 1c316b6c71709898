"""The JSON of ActivityNet, which HACS, FineAction and most conversions share.

    {"version": "VERSION 1.3", "taxonomy": [],
     "database": {"v1": {"duration": 10.0, "subset": "training",
                         "annotations": [{"label": "wave", "segment": [1.2, 3.4]}]}}}

Detections are in the form of its challenge:

    {"version": "VERSION 1.3", "external_data": {},
     "results": {"v1": [{"label": "wave", "score": 0.91, "segment": [1.0, 3.5]}]}}

Three fields are ours, and others pass them by: `classes`, the names in the order of their labels,
beside `database`; `fps` of a video, which ActionFormer's files have too; `ignored` of an
annotation that neither counts nor punishes, whose label is null if it is of no class.

An action that ends before it starts is left out, and among the `faults` of the result.  What else
cannot be right, such as an action behind the end of its video, is read as it stands:
`sources.check` finds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from untrimmed.core.actions import EVERY_CLASS, Actions
from untrimmed.core.annotations import Annotations, Fault, Video
from untrimmed.core.detections import Detections
from untrimmed.core.files import written_whole
from untrimmed.sources.json_tree import Value, read_json

VERSION = "VERSION 1.3"


def read(
    path: Path, *, classes: Sequence[str] | None = None, durations_needed: bool = True
) -> Annotations:
    """Annotations of a file.

    Args:
        durations_needed: if not, a video without a duration lasts until its last action ends,
            which is enough for scoring.
        classes: names by label; if not given those of `classes` in the file, or else the leaves
            of its `taxonomy`, or else all labels that occur; the last two sorted by name.

    Raises:
        FormatError: if the file is no such JSON, a video stands twice in it or has no duration
            above 0, a time is not a finite number, or a label is not among the classes.
    """
    root = read_json(path)
    videos = root.member("database").members()
    annotations = {id: _elements(video.optional("annotations")) for id, video in videos.items()}
    if classes is None:
        classes = _classes(root, [one for some in annotations.values() for one in some])
    labels = {name: label for label, name in enumerate(classes)}
    made: dict[str, Video] = {}
    faults: list[Fault] = []
    for id, value in videos.items():
        backwards = _backwards(id, annotations[id])
        rows = [row for number, row in enumerate(annotations[id]) if number not in backwards]
        made[id] = _video(id, value, rows, labels, durations_needed=durations_needed)
        faults += backwards.values()
    return Annotations(tuple(classes), made, tuple(faults))


def write(annotations: Annotations, path: Path) -> None:
    """A file that `read` gives back, and that ActivityNet's own tools take."""
    database = {}
    for id, video in annotations.videos.items():
        entry: dict[str, Any] = {"duration": video.duration_s, "subset": video.split}
        if video.fps is not None:
            entry["fps"] = video.fps
        entry["annotations"] = [
            {"label": _name(label, annotations.classes, ignored=ignored), "segment": segment}
            | ({"ignored": True} if ignored else {})
            for segment, label, ignored in zip(
                video.actions.segments_s.tolist(),
                video.actions.labels.tolist(),
                video.actions.ignored.tolist(),
                strict=True,
            )
        ]
        database[id] = entry
    _write(
        {
            "version": VERSION,
            "taxonomy": [],
            "classes": list(annotations.classes),
            "database": database,
        },
        path,
    )


def read_detections(path: Path, classes: Sequence[str]) -> dict[str, Detections]:
    """Detections by video, in the order of the file.

    Args:
        classes: names by label, those of the ground truth.

    Raises:
        FormatError: if the file is no such JSON, a number is not finite, a detection ends before
            it starts, or a label is not among the classes.
    """
    labels = {name: label for label, name in enumerate(classes)}
    return {
        id: Detections(
            [_segment(row) for row in rows],
            [_label(row, labels) for row in rows],
            [row.member("score").number() for row in rows],
        )
        for id, value in read_json(path).member("results").members().items()
        for rows in [value.elements()]
    }


def write_detections(
    detections: Mapping[str, Detections],
    classes: Sequence[str],
    path: Path,
    *,
    external_data: Mapping[str, Any] | None = None,
) -> None:
    """A file that `read_detections` gives back, and that ActivityNet's own tools score.

    Memory does not grow with the detections of a video, one of which stands in a line.

    Args:
        external_data: what else there is to say; the challenge asks there for what was used.
    """
    head = {"version": VERSION, "external_data": dict(external_data or {})}
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(_dumped(head)[:-1] + ',\n"results": {')
        for number, (id, found) in enumerate(detections.items()):
            file.write(f"{',' if number else ''}\n{_dumped(id)}: [")
            file.writelines(_rows(found, classes))
            file.write("]")
        file.write("\n}}\n")


def _rows(found: Detections, classes: Sequence[str]) -> Iterator[str]:
    for number, (segment, label, score) in enumerate(
        zip(found.segments_s, found.labels, found.scores, strict=True)
    ):
        row = {
            "label": _name(int(label), classes),
            "score": float(score),
            "segment": segment.tolist(),
        }
        yield f"{',' if number else ''}\n{_dumped(row)}"


def _classes(root: Value, annotations: Iterable[Value]) -> Sequence[str]:
    listed = root.optional("classes")
    if listed is not None:
        names = [element.name() for element in listed.elements()]
        if len(set(names)) < len(names):
            raise listed.wrong("a class stands twice; each needs a name of its own")
        return names
    nodes = _elements(root.optional("taxonomy"))
    if nodes:
        inner = {parent.text() for node in nodes if (parent := node.optional("parentName"))}
        return sorted({node.member("nodeName").name() for node in nodes} - inner)
    names_used = (
        one.optional("label") if _ignored(one) else one.member("label") for one in annotations
    )
    return sorted({value.name() for value in names_used if value is not None})


def _video(
    id: str,
    value: Value,
    annotations: list[Value],
    labels: Mapping[str, int],
    *,
    durations_needed: bool,
) -> Video:
    duration = value.member("duration") if durations_needed else value.optional("duration")
    if duration is not None and not duration.number() > 0:
        raise duration.not_a("a duration above 0 s")
    split, fps = value.optional("subset"), value.optional("fps")
    if fps is not None and not fps.number() > 0:
        raise fps.not_a("a rate above 0 frames per second")
    actions = Actions(
        [_times(one) for one in annotations],
        [_label(one, labels) for one in annotations],
        [_ignored(one) for one in annotations],
    )
    return Video(
        id=id,
        duration_s=actions.segments_s[:, 1].max(initial=0.0)
        if duration is None
        else duration.number(),
        actions=actions,
        split="" if split is None else split.text(),
        fps=None if fps is None else fps.number(),
    )


def _backwards(id: str, rows: Iterable[Value]) -> dict[int, Fault]:
    """The actions that end before they start, by their number."""
    return {
        number: Fault.backwards(id, *times, file=row.file, place=f"{row.place}.segment")
        for number, row in enumerate(rows)
        for times in [_times(row)]
        if times[1] < times[0]
    }


def _times(row: Value) -> tuple[float, float]:
    value = row.member("segment")
    times = value.elements()
    if len(times) != 2:
        raise value.not_a("a start and an end in seconds")
    return times[0].number(), times[1].number()


def _segment(row: Value) -> tuple[float, float]:
    """Of a detection, which is refused if it ends before it starts."""
    start_s, end_s = _times(row)
    if end_s < start_s:
        raise row.member("segment").wrong(
            f"it ends at {end_s} s, before it starts at {start_s} s; correct or delete it"
        )
    return start_s, end_s


def _label(row: Value, labels: Mapping[str, int]) -> int:
    if _ignored(row) and row.optional("label") is None:
        return EVERY_CLASS
    value = row.member("label")
    name = value.name()
    if name not in labels:
        raise value.wrong(f"{name!r} is none of the {len(labels)} classes of the data set")
    return labels[name]


def _ignored(row: Value) -> bool:
    value = row.optional("ignored")
    return value is not None and value.flag()


def _elements(value: Value | None) -> list[Value]:
    return [] if value is None else value.elements()


def _name(label: int, classes: Sequence[str], *, ignored: bool = False) -> str | None:
    if ignored and label == EVERY_CLASS:
        return None
    if not 0 <= label < len(classes):
        raise ValueError(f"the label {label} is none of {len(classes)} classes")
    return classes[label]


def _write(content: Mapping[str, Any], path: Path) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(_dumped(content, indent=1) + "\n", encoding="utf-8")


def _dumped(content: object, *, indent: int | None = None) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=indent)
