"""Projects of VIA 3, the video annotator of the VGG, and its exports to CSV.

    {"attribute": {"1": {"aname": "action", "anchor_id": "FILE1_Z2_XY0", "type": 4,
                         "options": {"0": "wave", "1": "pour"}}},
     "file": {"1": {"fid": "1", "fname": "v1.mp4"}}, "view": {"1": {"fid_list": ["1"]}},
     "metadata": {"1_aaaaaaaa": {"vid": "1", "z": [1.2, 3.4], "xy": [], "av": {"1": "0"}}}}

Times are seconds.  Metadata with one time is a still, and with `xy` a region of the picture:
neither is an action, and both are passed by.  `duration`, `split` and `fps` of a file are ours.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import FormatError
from untrimmed.core.files import written_whole
from untrimmed.sources.json_tree import Value, read_json
from untrimmed.sources.named_actions import NamedAction, NamedVideo, data_set, video_id
from untrimmed.sources.text import text_of
from untrimmed.sources.written_actions import class_name

_OF_A_SPAN = "FILE1_Z2_XY0"
_TEXT, _CHECKBOX, _SELECT = 1, 2, 4
_VIDEO = 4
_FROM_THE_ATTRIBUTE = "# ATTRIBUTE ="
_COLUMNS = 6

# What VIA expects to find in a project besides its content.
_CONFIG = {
    "file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
    "ui": {
        "file_content_align": "center",
        "file_metadata_editor_visible": True,
        "spatial_metadata_editor_visible": True,
        "temporal_segment_metadata_editor_visible": True,
        "spatial_region_label_attribute_id": "",
        "gtimeline_visible_row_count": "4",
    },
}


@dataclass(frozen=True)
class _Attribute:
    """The attribute whose value is the action; `options` by id, in the order of the file."""

    id: str
    options: Mapping[str, str]
    kind: int

    def names(self, values: Value) -> list[str]:
        """The actions of one span, of which a checkbox allows several."""
        chosen = values.member(self.id)
        if self.kind == _TEXT:
            return [chosen.name().strip()]
        options = chosen.name().split(",") if self.kind == _CHECKBOX else [chosen.name()]
        for option in options:
            if option not in self.options:
                raise chosen.wrong(f"{option!r} is none of the options {', '.join(self.options)}")
        return [self.options[option] for option in options]


def read(
    path: Path,
    *,
    attribute: str | None = None,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of a project (JSON) or of its export (CSV).

    Args:
        attribute: whose values are actions; the only one of spans in time if not given.
        classes: names by label; if not given the options in their order, or for an attribute
            that is free text all that occur, sorted.
        durations_s: by video; a video without is taken to last until its last action ends.

    Raises:
        FormatError: if the file is neither, has several attributes of spans and none is chosen,
            a span has no value of it, or a view shows several files.
    """
    text = text_of(path)
    if text.lstrip().startswith("{"):
        root = read_json(path)
        chosen = _attribute(root.member("attribute"), attribute)
        videos = _of_project(root, chosen)
    else:
        chosen = _attribute(_header(text, path), attribute)
        videos = _of_table(text, path, chosen)
    if classes is None and chosen.options:
        classes = list(chosen.options.values())
    return data_set(videos, classes=classes, durations_s=durations_s)


def write(annotations: Annotations, path: Path, *, media: Mapping[str, str] | None = None) -> None:
    """A project that `read` gives back, for correction in VIA.

    Args:
        media: file of each video as VIA should look for it; `<id>.mp4` if not given.

    Raises:
        ValueError: if an action is ignored, or a name cannot be held or would be read as another.
    """
    classes = annotations.classes
    options = {str(label): class_name(label, classes) for label in range(len(classes))}
    files, views, metadata = {}, {}, {}
    for number, (id, video) in enumerate(annotations.videos.items(), 1):
        if video.actions.ignored.any():
            raise ValueError(f"video {id}: VIA cannot say that an action is ignored")
        name = (media or {}).get(id, f"{id}.mp4")
        if video_id(name) != id:
            raise ValueError(f"the media file {name!r} would be read as another video than {id!r}")
        files[str(number)] = _file(number, name, video)
        views[str(number)] = {"fid_list": [str(number)]}
        for place, (start_s, end_s, label) in enumerate(video.actions):
            class_name(label, classes)
            metadata[f"{number}_{place:08d}"] = {
                "vid": str(number),
                "flg": 0,
                "z": [start_s, end_s],
                "xy": [],
                "av": {"1": str(label)},
            }
    project = {
        "pid": "__VIA_PROJECT_ID__",
        "rev": "__VIA_PROJECT_REV_ID__",
        "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
        "pname": path.stem,
        "creator": "VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)",
        "created": 0,
        "vid_list": list(views),
    }
    action = {
        "aname": "action",
        "anchor_id": _OF_A_SPAN,
        "type": _SELECT,
        "desc": "",
        "options": options,
        "default_option_id": "",
    }
    content = {
        "project": project,
        "config": _CONFIG,
        "attribute": {"1": action},
        "file": files,
        "metadata": metadata,
        "view": views,
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _attribute(value: Value, name: str | None) -> _Attribute:
    found = {
        id: one
        for id, one in value.members().items()
        if one.member("anchor_id").raw == _OF_A_SPAN and name in (None, one.member("aname").raw)
    }
    if len(found) != 1:
        names = ", ".join(one.member("aname").name() for one in value.members().values())
        wanted = "attribute of spans in time" if name is None else f"one of them called {name!r}"
        raise value.wrong(
            f"wanted one {wanted} (anchor {_OF_A_SPAN}), got {len(found)} among"
            f" {names or 'none'}; give `attribute`"
        )
    ((id, one),) = found.items()
    listed, kind = one.optional("options"), one.member("type").whole_number()
    members = {} if listed is None or kind == _TEXT else listed.members()
    options = {key: option.name() for key, option in members.items()}
    if listed is not None and len(set(options.values())) < len(options):
        raise listed.wrong("an option stands twice; each needs a name of its own")
    return _Attribute(id, options, kind)


def _of_project(root: Value, attribute: _Attribute) -> list[NamedVideo]:
    files, spans = root.member("file").members(), root.member("metadata").members()
    actions: dict[str, list[NamedAction]] = {id: [] for id in root.member("view").members()}
    for span in spans.values():
        view = span.member("vid")
        if view.name() not in actions:
            raise view.wrong(f"there is no view {view.raw!r}")
        times = _times(span.member("z"), span.optional("xy"))
        if times:
            names = attribute.names(span.member("av"))
            actions[view.name()] += [NamedAction(*times, name, span.place) for name in names]
    return [
        _video(_only_file(view, files), actions[id], root.file)
        for id, view in root.member("view").members().items()
    ]


def _only_file(view: Value, files: Mapping[str, Value]) -> Value:
    shown = view.member("fid_list")
    ids = shown.elements()
    if len(ids) != 1:
        raise shown.wrong(f"wanted one file in a view, got {len(ids)}")
    if str(ids[0].raw) not in files:
        raise ids[0].wrong(f"there is no file {ids[0].raw!r}")
    return files[str(ids[0].raw)]


def _video(file: Value, actions: Sequence[NamedAction], path: Path) -> NamedVideo:
    duration, split, fps = (file.optional(name) for name in ("duration", "split", "fps"))
    if fps is not None and not fps.number() > 0:
        raise fps.not_a("a rate above 0 frames per second")
    return NamedVideo(
        id=video_id(file.member("fname").name()),
        file=path,
        place=file.place,
        actions=actions,
        duration_s=None if duration is None else duration.number(),
        split="" if split is None else split.text(),
        fps=None if fps is None else fps.number(),
    )


def _times(z: Value, xy: Value | None) -> tuple[float, float] | None:
    """Start and end of a span; None of a still or a region of the picture."""
    times = z.elements()
    if len(times) != 2 or (xy is not None and xy.elements()):
        return None
    return times[0].number(), times[1].number()


def _header(text: str, path: Path) -> Value:
    """The attributes, which an export states in a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(_FROM_THE_ATTRIBUTE):
            root = Value(None, path)
            return _parsed(line.removeprefix(_FROM_THE_ATTRIBUTE), root, f"line {number}")
    raise FormatError(
        f"neither a project of VIA 3 nor an export: no line {_FROM_THE_ATTRIBUTE!r}",
        file=path,
        place=1,
    )


def _of_table(text: str, path: Path, attribute: _Attribute) -> list[NamedVideo]:
    actions: dict[str, list[NamedAction]] = {}
    first: dict[str, int] = {}
    for line, cells in _lines(text, path):
        if len(cells) != _COLUMNS:
            message = f"wanted {_COLUMNS} cells, got {len(cells)}"
            raise FormatError(message, file=path, place=line)
        place = Value(None, Value(None, path), f"line {line}")
        named = ("files", "times", "region", "values")
        files, z, xy, values = (
            _parsed(cells[column], place, name)
            for column, name in zip((1, 3, 4, 5), named, strict=True)
        )
        names = [video_id(file.name()) for file in files.elements()]
        if len(names) != 1:
            raise files.wrong(f"wanted one file, got {len(names)}")
        some = actions.setdefault(names[0], [])
        first.setdefault(names[0], line)
        times = _times(z, xy)
        if times:
            some += [NamedAction(*times, name, line) for name in attribute.names(values)]
    return [
        NamedVideo(id=id, file=path, place=first[id], actions=some) for id, some in actions.items()
    ]


def _lines(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of every line that is neither blank nor a comment."""
    # A comment holds quotes of its own, so it must not reach the CSV reader.
    lines = ("\n" if line.startswith("#") else line for line in io.StringIO(text))
    reader = csv.reader(lines, strict=True, skipinitialspace=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise FormatError(f"no CSV: {error}", file=path, place=reader.line_num) from error


def _parsed(text: str, inside: Value, key: str) -> Value:
    """The JSON in one cell."""
    try:
        return Value(json.loads(text), inside, key)
    except (ValueError, RecursionError) as error:
        raise Value(text, inside, key).wrong(f"no usable JSON: {error}") from error


def _file(number: int, name: str, video: Video) -> dict[str, Any]:
    content: dict[str, Any] = {
        "fid": str(number),
        "fname": name.replace("\\", "/").rpartition("/")[2],
        "type": _VIDEO,
        "loc": 1,
        "src": name,
        "duration": video.duration_s,
    }
    if video.split:
        content["split"] = video.split
    if video.fps is not None:
        content["fps"] = video.fps
    return content
