"""Exports of CVAT: "CVAT for images 1.1" and "CVAT for video 1.1", as XML or in their archive.

    <image id="36" name="frame_000036"><tag label="wave"/></image>
    <track label="wave"><box frame="36" outside="0" .../><box frame="102" outside="1" .../></track>

Frames count from 0 and are those of the video, also where a task skips some (`frame_filter`).  An
action is a run of frames with the same tag, to the frame after the last; or a track, from a shape
that is inside to the next that is outside, which is no part of it.  CVAT knows no rate: it must
come from the video.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import FormatError
from untrimmed.core.files import written_whole
from untrimmed.sources.named_actions import (
    NamedAction,
    NamedVideo,
    data_set,
    files_of,
    frame_rate,
    video_id,
)
from untrimmed.sources.written_actions import class_name, file_of, named
from untrimmed.sources.xml_tree import Element, read_xml

_MEMBER = "annotations.xml"
_LARGEST_BYTES = 1 << 30  # an archive can state more than any machine holds
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # encrypted, or compressed in a way that Python does not know
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
_STEP = re.compile(r"step=([1-9]\d{0,5})", re.ASCII)
_UNDEFINED = "__undefined__"


def read(
    path: Path,
    *,
    fps: float | Mapping[str, float] | None = None,
    attribute: str | None = None,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of one task, or of all `.xml` and `.zip` files of a folder.

    A video is named by the source of its task, or else by the task.

    Args:
        fps: frames per second of all videos, or by video; needed.
        attribute: of tags or shapes, whose value is the action; their label if not given.  Where
            it has no value, nothing happens.
        classes: names by label; all that occur, sorted, if not given.
        durations_s: by video; a video without is taken to last until the last frame of its task.

    Raises:
        FormatError: if a file is no such export of one task, no rate is given, or a frame is none.
    """
    videos = []
    for file in files_of(path, ".xml", ".zip"):
        root = read_xml(file, _unpacked(file))
        task = _task(root)
        id = _id(task)
        rate = frame_rate(fps, id, file=file)
        step, stop = _step(task), _stop(task)
        actions = [
            NamedAction(first / rate, end / rate, name, line)
            for first, end, name, line in sorted(
                (*_runs(root, attribute, step), *_lives(root, attribute, step, stop)),
                key=lambda span: span[:2],
            )
        ]
        last_s = max([action.end_s for action in actions], default=0.0)
        duration_s = (durations_s or {}).get(id, max(last_s, (stop or 0) / rate))
        videos.append(
            NamedVideo(id=id, file=file, actions=actions, duration_s=duration_s, fps=rate)
        )
    return data_set(videos, classes=classes)


def export(
    annotations: Annotations,
    folder: Path,
    *,
    size: tuple[int, int],
    fps: float | Mapping[str, float] | None = None,
) -> None:
    """Put `<id>.xml` of every video into a folder: tracks, to be uploaded to a task of this video.

    An action is a box as large as the picture, from its first frame to the frame after its last.
    Times are rounded to frames, an action is one frame long at least, and splits are not kept.

    Args:
        size: height and width of the pictures.
        fps: frames per second of all videos, or by video; what the annotations say if not given.

    Raises:
        ValueError: if an action is ignored or starts outside of its video, no rate is known, or a
            name cannot be held.
    """
    for id, video in annotations.videos.items():
        file = file_of(id, folder, ".xml")
        rate = frame_rate(video.fps if fps is None else fps, id, file=file)
        document = _document(video, annotations.classes, rate, size)
        ElementTree.indent(document, " ")
        content = ElementTree.tostring(document, encoding="utf-8", xml_declaration=True)
        with written_whole(file) as temporary:
            temporary.write_bytes(content + b"\n")


def _document(
    video: Video, classes: Sequence[str], fps: float, size: tuple[int, int]
) -> ElementTree.Element:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    frames = max(1, round(video.duration_s * fps))
    about = {
        "name": video.id,
        "size": frames,
        "mode": "interpolation",
        "start_frame": 0,
        "stop_frame": frames - 1,
        "frame_filter": "",
        "source": f"{video.id}.mp4",
    }
    for key, value in about.items():
        ElementTree.SubElement(task, key).text = str(value)
    labels = ElementTree.SubElement(task, "labels")
    for label in range(len(classes)):
        listed = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(listed, "name").text = class_name(label, classes)
    for number, (start_s, end_s, name) in enumerate(named(video, classes, format="CVAT")):
        first = round(start_s * fps)
        end = min(max(first + 1, round(end_s * fps)), frames)
        if not 0 <= first < frames:
            raise ValueError(
                f"video {video.id}: CVAT has no frame at {start_s} s in {video.duration_s} s"
            )
        track = ElementTree.SubElement(root, "track", id=str(number), label=name, source="manual")
        _box(track, first, size, outside=False)
        if end < frames:  # else it lives to the end, behind which there is no frame
            _box(track, end, size, outside=True)
    return root


def _box(track: ElementTree.Element, frame: int, size: tuple[int, int], *, outside: bool) -> None:
    height, width = size
    corners = {"xtl": "0.00", "ytl": "0.00", "xbr": f"{width:.2f}", "ybr": f"{height:.2f}"}
    states = {"keyframe": "1", "outside": str(int(outside)), "occluded": "0", "z_order": "0"}
    ElementTree.SubElement(track, "box", {"frame": str(frame), **states, **corners})


def _unpacked(path: Path) -> bytes | None:
    """The annotations in an archive; None if the file is none."""
    try:
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as archive, archive.open(_MEMBER) as member:
            content = member.read(_LARGEST_BYTES + 1)
    except KeyError as error:
        raise FormatError(f"the archive holds no {_MEMBER}", file=path) from error
    except _UNREADABLE as error:
        raise FormatError(f"the archive cannot be read: {error}", file=path) from error
    if len(content) > _LARGEST_BYTES:
        raise FormatError(f"{_MEMBER} has more than {_LARGEST_BYTES} bytes", file=path)
    return content


def _task(root: Element) -> Element:
    if root.tag != "annotations":
        raise root.wrong(f"wanted the <annotations> of CVAT, got <{root.tag}>")
    task = root.child("meta", "task") or root.child("meta", "job")
    if task is None:
        raise root.wrong("wanted <meta> of one task; a project is exported task by task")
    return task


def _id(task: Element) -> str:
    for name in ("source", "name"):
        element = task.child(name)
        if element is not None and element.text:
            return video_id(element.text)
    raise task.wrong("the task has neither a source nor a name; give it a <name>")


def _step(task: Element) -> int:
    """Frames of the video from one frame of the task to the next."""
    filter = task.child("frame_filter")
    if filter is None or not filter.text:
        return 1
    step = _STEP.fullmatch(filter.text)
    if step is None:
        raise filter.wrong(f"wanted a frame filter such as step=5, got {filter.text[:40]!r}")
    return int(step[1])


def _stop(task: Element) -> int | None:
    """The frame after the last of the task; None if it is not said."""
    stop = task.child("stop_frame")
    if stop is None or not stop.text:
        return None
    return _number(stop, stop.text) + 1


def _number(element: Element, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise element.wrong(f"wanted a frame from 0, got {text[:40]!r}")
    return int(text)


def _runs(root: Element, attribute: str | None, step: int) -> Iterator[tuple[int, int, str, int]]:
    """First frame, frame after the last, name and line of each run of tagged frames."""
    tagged: dict[str, dict[int, int]] = {}
    for image in root.all("image"):
        for tag in image.all("tag"):
            name = _name(tag, tag, attribute)
            if name:
                tagged.setdefault(name, {})[image.whole_number("id")] = tag.line
    for name, lines in tagged.items():
        for frames in _consecutive(sorted(lines), step):
            yield frames[0], frames[-1] + step, name, lines[frames[0]]


def _consecutive(frames: Iterable[int], step: int) -> Iterator[list[int]]:
    run: list[int] = []
    for frame in frames:
        if run and frame - run[-1] > step:
            yield run
            run = []
        run.append(frame)
    if run:
        yield run


def _lives(
    root: Element, attribute: str | None, step: int, stop: int | None
) -> Iterator[tuple[int, int, str, int]]:
    """First frame, frame after the last, name and line of each stretch inside of a track.

    A track that is never outside again lives to the end of its task.
    """
    for track in root.all("track"):
        shapes = {shape.whole_number("frame"): shape for shape in track if _is_shape(shape)}
        first, line, current = 0, track.line, ""
        for frame in sorted(shapes):
            shape = shapes[frame]
            outside = shape.attributes.get("outside") == "1"
            name = "" if outside else _name(shape, track, attribute)
            if name != current:
                if current:
                    yield first, frame, current, line
                first, line, current = frame, shape.line, name
        if current:
            yield first, max(max(shapes) + step, stop or 0), current, line


def _is_shape(element: Element) -> bool:
    return "frame" in element.attributes


def _name(element: Element, labelled: Element, attribute: str | None) -> str:
    """The action that a tag or shape states; empty if none."""
    if attribute is None:
        return labelled.attribute("label")
    for stated in element.all("attribute"):
        if stated.attributes.get("name") == attribute:
            return "" if stated.text == _UNDEFINED else stated.text
    return ""
