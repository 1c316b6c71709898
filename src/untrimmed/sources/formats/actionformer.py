"""The JSON of ActionFormer and of the many projects that grew from it.

    {"version": "Thumos14-30fps",
     "database": {"v1": {"subset": "Validation", "duration": 10.0, "fps": 30.0,
                         "annotations": [{"label": "wave", "label_id": 0,
                                          "segment": [1.2, 3.4],
                                          "segment(frames)": [36.0, 102.0]}]}}}

It is that of `formats.activitynet` but for `label_id`, which numbers the classes from 0: heads and
scores of such projects are in this order, so it is kept.  `segment(frames)` says the same as
`segment`; nobody reads it, nor do we.  `fps` is needed by those projects, not here.

A number without a class, as in their files of EPIC-Kitchens, gets a name in angle brackets.

Source: ActionFormer (Zhang et al., ECCV 2022), the published files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.files import written_whole
from untrimmed.sources.formats import activitynet
from untrimmed.sources.json_tree import Value, read_json

MOST_CLASSES = 100_000
"""A `label_id` from here on is taken for an error, not for a class."""


def read(
    path: Path, *, classes: Sequence[str] | None = None, least_classes: int = 0
) -> Annotations:
    """Annotations of a file.

    Args:
        classes: names by label; if not given, those of `classes` in the file, which `write`
            leaves there, or else those that `label_id` numbers.
        least_classes: so many classes there are at least, as a network has them; those that
            nothing names are named after their number.

    Raises:
        FormatError: for all that `formats.activitynet` refuses; or, if `classes` is not given, a
            `label_id` is missing or no number of a class, or two actions differ on the number of
            a class.
    """
    if classes is None:
        root = read_json(path)
        numbered = _numbered(root)
        if root.optional("classes") is None:
            classes = _without_gaps(numbered, least=least_classes)
    return activitynet.read(path, classes=classes)


def write(annotations: Annotations, path: Path) -> None:
    """A file that `read` gives back, and that the loaders of ActionFormer take.

    Those need `fps`, by annotation or setting; it is written for the videos that have one.
    Ignored actions are left out, as in the published files: those loaders know of none.

    Raises:
        ValueError: if an action that counts is of no class.
    """
    database = {id: _entry(video, annotations.classes) for id, video in annotations.videos.items()}
    content = {"version": "", "classes": list(annotations.classes), "database": database}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _numbered(root: Value) -> dict[int, str]:
    """The classes by `label_id`, agreed on by all actions and by `classes` if that is there."""
    listed = root.optional("classes")
    names = {} if listed is None else dict(enumerate(one.name() for one in listed.elements()))
    numbers = {name: number for number, name in names.items()}
    for video in root.member("database").members().values():
        annotations = video.optional("annotations")
        for row in [] if annotations is None else annotations.elements():
            name, value = row.member("label").name(), row.member("label_id")
            number = value.whole_number()
            if not 0 <= number < MOST_CLASSES:
                raise value.not_a(f"a number of a class in [0, {MOST_CLASSES})")
            if names.setdefault(number, name) != name:
                raise value.wrong(f"{number} is {name!r} here and {names[number]!r} before")
            if numbers.setdefault(name, number) != number:
                raise value.wrong(f"{name!r} is {number} here and {numbers[name]} before")
    return names


def _without_gaps(names: dict[int, str], *, least: int) -> list[str]:
    count = max(least, max(names, default=-1) + 1)
    return [names.get(number, f"<{number}>") for number in range(count)]


def _entry(video: Video, classes: Sequence[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"subset": video.split, "duration": video.duration_s}
    if video.fps is not None:
        entry["fps"] = video.fps
    entry["annotations"] = [
        {"label": _name(label, classes), "label_id": label, "segment": [start_s, end_s]}
        for start_s, end_s, label in video.actions
    ]
    return entry


def _name(label: int, classes: Sequence[str]) -> str:
    if not 0 <= label < len(classes):
        raise ValueError(f"the label {label} is none of {len(classes)} classes")
    return classes[label]
