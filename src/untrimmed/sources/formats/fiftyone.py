"""Temporal detections of FiftyOne, the `labels.json` of its data set type of that name.

    {"classes": ["wave", "pour"],
     "labels": {"v1": [{"label": 0, "support": [37, 102]},
                       {"label": 1, "timestamps": [5.1, 8.0]}]}}

A support counts frames from 1, and its last frame is inside: frames 37 to 102 at 30 per second
are 1.2 s to 3.4 s.  Timestamps are seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from untrimmed.core.annotations import Annotations
from untrimmed.core.files import written_whole
from untrimmed.sources.json_tree import Value, read_json
from untrimmed.sources.named_actions import NamedAction, NamedVideo, data_set, frame_rate
from untrimmed.sources.written_actions import class_name, named


def read(
    path: Path,
    *,
    fps: float | Mapping[str, float] | None = None,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of a file.

    Args:
        fps: frames per second of all videos, or by video; needed for supports.
        classes: names by label; if not given those of `classes` in the file, or else all that
            occur, sorted.
        durations_s: by video; a video without is taken to last until its last action ends.

    Raises:
        FormatError: if the file is no such JSON, a label is none of its classes, frames are
            counted and no rate is given, or a support is none.
    """
    root = read_json(path)
    listed = root.optional("classes")
    names = [] if listed is None else [one.name() for one in listed.elements()]
    if listed is not None and len(set(names)) < len(names):
        raise listed.wrong("a class stands twice; each needs a name of its own")
    if classes is None and names:
        classes = names
    videos = []
    for id, value in root.member("labels").members().items():
        rows = [] if value.raw is None else value.elements()  # null: nobody has looked
        counted = any(row.optional("support") is not None for row in rows)
        rate = frame_rate(fps, id, file=path) if counted or fps is not None else None
        actions = [NamedAction(*_times(row, rate), _name(row, names), row.place) for row in rows]
        videos.append(NamedVideo(id=id, file=path, place=value.place, actions=actions, fps=rate))
    return data_set(videos, classes=classes, durations_s=durations_s)


def export(annotations: Annotations, path: Path) -> None:
    """The labels of all videos, with times in seconds; FiftyOne wants the videos in `data/` beside.

    The duration, split and rate of a video are not kept.

    Raises:
        ValueError: if an action is ignored, or a name cannot be held.
    """
    classes = annotations.classes
    number = {class_name(label, classes): label for label in range(len(classes))}
    labels = {
        id: [
            {"label": number[name], "timestamps": [start_s, end_s]}
            for start_s, end_s, name in named(video, classes, format="FiftyOne")
        ]
        for id, video in annotations.videos.items()
    }
    content = {"classes": list(classes), "labels": labels}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _times(row: Value, fps: float | None) -> tuple[float, float]:
    support = row.optional("support")
    value = row.member("timestamps") if support is None else support
    pair = value.elements()
    if len(pair) != 2:
        raise value.not_a("a start and an end")
    if support is None or fps is None:
        return pair[0].number(), pair[1].number()
    if not (pair[0].whole_number() >= 1 and pair[1].whole_number() >= 0):
        raise support.not_a("a first and a last frame, counted from 1")
    return (pair[0].number() - 1) / fps, pair[1].number() / fps


def _name(row: Value, names: Sequence[str]) -> str:
    """The class that a label names, or counts from 0."""
    label = row.member("label")
    if isinstance(label.raw, str):
        return label.name()
    if not 0 <= label.whole_number() < len(names):
        raise label.wrong(f"the label {label.raw} is none of the {len(names)} `classes`")
    return names[label.whole_number()]
