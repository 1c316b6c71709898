"""Exports of Label Studio, JSON and JSON-MIN, and predictions to start labelling from.

    [{"data": {"video": "/data/upload/1/ab12cd34-v1.mp4"},
      "annotations": [{"completed_by": 1, "was_cancelled": false, "result": [
        {"type": "timelinelabels", "from_name": "tl", "to_name": "video",
         "value": {"ranges": [{"start": 37, "end": 102}], "timelinelabels": ["wave"]}}]}]}]

A range counts frames from 1, and its end is the last frame inside: frames 37 to 102 at 30 per
second are 1.2 s to 3.4 s.  The rate is that of the labelling configuration (`frameRate` of its
`Video`), which need not be the video's.  Regions of type `labels` and `timeserieslabels` state
seconds.  Regions of other types are no actions and are passed by.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from untrimmed.core.annotations import Annotations
from untrimmed.core.detections import Detections
from untrimmed.core.files import written_whole
from untrimmed.sources.json_tree import Value, read_json
from untrimmed.sources.named_actions import (
    NamedAction,
    NamedVideo,
    data_set,
    frame_rate,
    video_id,
)
from untrimmed.sources.written_actions import class_name

_IN_FRAMES = "timelinelabels"
_IN_SECONDS = ("labels", "timeserieslabels")
_UPLOADED = re.compile(r".*/upload/.*?([0-9a-f]{6,8}-)[^/]+")
_NAMED = re.compile(r"\S+\.\w{2,4}(\?.*)?|\S*/\S+", re.ASCII)

Rate = float | Mapping[str, float]


def read(
    path: Path,
    *,
    fps: Rate | None = None,
    annotator: int | None = None,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of a file.

    Cancelled annotations are left out.  A task that nobody has annotated is not among the videos.

    Args:
        fps: frames per second of the labelling configuration, or by video; needed for timelines.
        annotator: number of the person whose annotations count, if several annotated one video.
        classes: names by label; all that occur, sorted, if not given.
        durations_s: by video; a video without is taken to last until its last action ends.

    Raises:
        FormatError: if the file is no such JSON, a task has no video or several annotations that
            count, frames are counted and no rate is given, or a range is none.
    """
    videos = []
    for task in read_json(path).elements():
        id, regions = _task(task, annotator)
        if regions is None:
            continue
        actions = [
            action for region in regions for action in _actions(region, id=id, fps=fps, file=path)
        ]
        videos.append(NamedVideo(id=id, file=path, place=task.place, actions=actions))
    return data_set(videos, classes=classes, durations_s=durations_s)


def export(
    annotations: Annotations,
    path: Path,
    *,
    fps: Rate,
    media: Mapping[str, str],
    control: tuple[str, str] = ("tl", "video"),
) -> None:
    """Tasks to import into a project, with their actions as annotations.

    Times are rounded to frames, an action is one frame long at least, and the duration, split
    and rate of a video are not kept.

    Args:
        fps: frames per second of the labelling configuration, or by video.
        media: address of each video, as Label Studio will fetch it.
        control: names of the `TimelineLabels` and of the `Video` in the configuration.

    Raises:
        ValueError: if a video has no address, or an action is ignored or starts before 0.
    """
    tasks = []
    for id, video in annotations.videos.items():
        if video.actions.ignored.any():
            raise ValueError(f"video {id}: Label Studio cannot say that an action is ignored")
        frames_per_s = frame_rate(fps, id, file=path)
        result = [
            _region(start_s, end_s, class_name(label, annotations.classes), frames_per_s, control)
            for start_s, end_s, label in video.actions
        ]
        tasks.append({"data": {control[1]: _address(id, media)}, "annotations": [_by_id(result)]})
    _write(tasks, path)


def export_detections(
    detections: Mapping[str, Detections],
    classes: Sequence[str],
    path: Path,
    *,
    fps: Rate,
    media: Mapping[str, str],
    model_version: str = "untrimmed",
    control: tuple[str, str] = ("tl", "video"),
) -> None:
    """Tasks to import into a project, with detections as predictions to accept or correct.

    Each region carries its score, and the prediction their mean.  Choose the detections first:
    all are written.

    Args:
        classes: names by label.
        fps, media, control: as for `export`.
        model_version: under which the predictions are listed.

    Raises:
        ValueError: if a video has no address, or a detection starts before 0.
    """
    tasks = []
    for id, found in detections.items():
        frames_per_s = frame_rate(fps, id, file=path)
        rows = zip(
            found.segments_s.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True
        )
        result = [
            _region(start_s, end_s, class_name(label, classes), frames_per_s, control)
            | {"score": score}
            for (start_s, end_s), label, score in rows
        ]
        prediction = {"model_version": model_version, **_by_id(result)}
        if len(found):
            prediction["score"] = float(found.scores.mean())
        tasks.append({"data": {control[1]: _address(id, media)}, "predictions": [prediction]})
    _write(tasks, path)


def _task(task: Value, annotator: int | None) -> tuple[str, list[Value] | None]:
    """Id of the video, and the values of the regions; None if nobody annotated it."""
    annotated = task.optional("annotations")
    if annotated is None:
        id = _video(task, task)
        if annotator is not None and _person(task.optional("annotator")) != annotator:
            return id, None
        return id, [region for name in task.members() for region in _listed(task, name)]
    id = _video(task.member("data"), task)
    kept = [
        one
        for one in annotated.elements()
        if not ((cancelled := one.optional("was_cancelled")) and cancelled.flag())
        and (annotator is None or _person(one.optional("completed_by")) == annotator)
    ]
    if len(kept) > 1:
        people = ", ".join(str(_person(one.optional("completed_by"))) for one in kept)
        raise annotated.wrong(
            f"{len(kept)} annotations of one video, by {people}; give `annotator`, or delete others"
        )
    if not kept:
        return id, None
    return id, [
        region.member("value")
        for region in kept[0].member("result").elements()
        if (kind := region.optional("type")) and kind.raw in (_IN_FRAMES, *_IN_SECONDS)
    ]


def _listed(task: Value, name: str) -> list[Value]:
    """The regions of one control in JSON-MIN; none if the member is something else."""
    value = task.optional(name)
    if value is None or not isinstance(value.raw, list):
        return []
    return [one for one in value.elements() if isinstance(one.raw, dict)]


def _person(value: Value | None) -> int | None:
    """The number of an annotator, who may be spelled out."""
    if value is None:
        return None
    return (value.member("id") if isinstance(value.raw, dict) else value).whole_number()


def _video(data: Value, task: Value) -> str:
    """The id of the video whose address is `video`, or the only address there is."""
    named = data.optional("video")
    if named is None:
        addresses = [
            value
            for value in data.members().values()
            if isinstance(value.raw, str) and _NAMED.fullmatch(value.raw)
        ]
        if len(addresses) != 1:
            raise task.wrong(f"wanted one address of a video, got {len(addresses)}")
        named = addresses[0]
    address = named.name()
    # Files of a connected folder are named by a query: /data/local-files/?d=films/v1.mp4
    before, _, query = address.partition("?")
    path = unquote(query.removeprefix("d=") if query.startswith("d=") else before)
    uploaded = _UPLOADED.fullmatch(path)
    if uploaded is not None:
        path = path[uploaded.end(1) :]
    return video_id(path) or video_id(address)


def _actions(value: Value, *, id: str, fps: Rate | None, file: Path) -> Iterator[NamedAction]:
    if value.optional(_IN_FRAMES) is not None:
        frames_per_s = frame_rate(fps, id, file=file)
        for stretch in value.member("ranges").elements():
            first, last = (stretch.member(name) for name in ("start", "end"))
            if not (first.whole_number() >= 1 and last.whole_number() >= 0):
                raise stretch.not_a("a first and a last frame, counted from 1")
            times = (first.number() - 1) / frames_per_s, last.number() / frames_per_s
            for name in value.member(_IN_FRAMES).elements():
                yield NamedAction(*times, name.name(), stretch.place)
        return
    for kind in _IN_SECONDS:
        names, start, end = (value.optional(name) for name in (kind, "start", "end"))
        if names is not None and start is not None and end is not None:
            for name in names.elements():
                yield NamedAction(start.number(), end.number(), name.name(), value.place)


def _region(
    start_s: float, end_s: float, name: str, fps: float, control: tuple[str, str]
) -> dict[str, Any]:
    first = round(start_s * fps) + 1
    if first < 1:
        raise ValueError(f"Label Studio has no frame at {start_s} s, before the video starts")
    stretch = {"start": first, "end": max(first, round(end_s * fps))}
    return {
        "type": _IN_FRAMES,
        "from_name": control[0],
        "to_name": control[1],
        "value": {"ranges": [stretch], _IN_FRAMES: [name]},
    }


def _by_id(result: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"result": [{"id": f"r{n}", **region} for n, region in enumerate(result, 1)]}


def _address(id: str, media: Mapping[str, str]) -> str:
    if id not in media:
        raise ValueError(f"video {id}: no address in `media`, by which Label Studio could fetch it")
    return media[id]


def _write(tasks: Sequence[Mapping[str, Any]], path: Path) -> None:
    text = json.dumps(tasks, ensure_ascii=False, allow_nan=False, indent=1)
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
