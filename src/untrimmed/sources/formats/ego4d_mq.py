"""The JSON of Ego4D's Moment Queries: `moments_train.json`, `moments_val.json`.

    {"videos": [{"video_uid": "dd08", "split": "train", "clips": [
        {"clip_uid": "9df4", "video_start_sec": 30.0, "video_end_sec": 379.0,
         "annotations": [{"annotator_uid": "18", "labels": [
             {"label": "use_phone", "start_time": 347.6, "end_time": 349.0, "primary": true}]}]}]}]}

A clip of the recording is what we call a video: the data set cuts, scores and publishes those.
Times are seconds from the start of the clip.  Several people annotated each clip; the actions of
all are pooled, so one that two of them saw is there twice.  Only those marked as primary are read,
which are what the benchmark trains and scores on.

`moments_test_unannotated.json` is read too; its videos have no actions.

Source: Grauman et al., Ego4D, CVPR 2022, and the published files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from untrimmed.core.annotations import Annotations
from untrimmed.core.files import written_whole
from untrimmed.sources.json_tree import Value, read_json
from untrimmed.sources.named_actions import NamedAction, NamedVideo, data_set, tables_of
from untrimmed.sources.written_actions import named

FILES = ("moments_train.json", "moments_val.json", "moments_test_unannotated.json")


def read(path: Path, *, classes: Sequence[str] | None = None) -> Annotations:
    """Annotations of a file, or of the three files of a folder.

    Args:
        classes: names by label; all that occur, sorted, if not given.

    Raises:
        FormatError: if a file is no such JSON, a clip stands twice or has no duration above 0, or
            a label is not among the classes.
    """
    videos = (video for file in tables_of(path, FILES) for video in _videos(read_json(file)))
    return data_set(videos, classes=classes)


def write(annotations: Annotations, path: Path) -> None:
    """A file that `read` gives back, except for frame rates and classes without actions.

    Each video is a recording with one clip, which is the whole of it.

    Raises:
        ValueError: if an action is ignored, or a name cannot be held.
    """
    videos = []
    for id, video in annotations.videos.items():
        if not id:
            raise ValueError("Ego4D cannot hold a video without an id")
        labels = [
            {"label": name, "start_time": start_s, "end_time": end_s, "primary": True}
            for start_s, end_s, name in named(video, annotations.classes, format="Ego4D")
        ]
        clip = {
            "clip_uid": id,
            "video_start_sec": 0.0,
            "video_end_sec": video.duration_s,
            "annotations": [{"annotator_uid": "", "labels": labels}],
        }
        videos.append({"video_uid": id, "split": video.split, "clips": [clip]})
    text = json.dumps({"videos": videos}, ensure_ascii=False, allow_nan=False, indent=1)
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _videos(root: Value) -> Iterator[NamedVideo]:
    for recording in root.member("videos").elements():
        split = recording.optional("split")
        for clip in recording.member("clips").elements():
            start, end = clip.member("video_start_sec"), clip.member("video_end_sec")
            duration_s = end.number() - start.number()
            if not duration_s > 0:
                raise end.not_a(f"an end of the clip after its start, {start.number()} s")
            yield NamedVideo(
                id=clip.member("clip_uid").name(),
                file=root.file,
                place=clip.place,
                actions=list(_actions(clip)),
                duration_s=duration_s,
                split="" if split is None else split.text(),
            )


def _actions(clip: Value) -> Iterator[NamedAction]:
    for annotator in _elements(clip.optional("annotations")):
        for row in annotator.member("labels").elements():
            if row.member("primary").flag():
                start_s, end_s = row.member("start_time"), row.member("end_time")
                name = row.member("label").name()
                yield NamedAction(start_s.number(), end_s.number(), name, row.place)


def _elements(value: Value | None) -> list[Value]:
    return [] if value is None else value.elements()
