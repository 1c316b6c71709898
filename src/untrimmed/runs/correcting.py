"""What people say happens in videos once they have corrected what was found: kept, exported."""

from __future__ import annotations

import inspect
import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from untrimmed.core.actions import EVERY_CLASS, Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import UserError
from untrimmed.report.proxy import rate_and_size
from untrimmed.runs.formats import FORMATS
from untrimmed.sources.formats import activitynet
from untrimmed.sources.written_actions import checked_class_name

_ENDINGS = {
    "boris": ".csv",
    "charades": ".csv",
    "csv": ".csv",
    "epic_kitchens": ".csv",
    "rttm": ".rttm",
}
"""Of the file that a format writes; of the others it is .json, if it writes no folder."""

_KNOWN_HERE = {"fps", "media", "size"}
_FIRST = ("activitynet", "csv", "label_studio", "elan", "via3", "subtitles")


class Corrections:
    """Labels of videos in a file of ActivityNet's form, written whole at each change.

    A video stands in the file if somebody has corrected it, also if nothing happens in it.  A label
    may be of a class that the data does not have: such classes follow the others, and last as long
    as a label is of them.

    Args:
        path: the file; it need not exist.
        classes: names of the data, by label.

    Raises:
        FormatError: if the file holds something else.
    """

    def __init__(self, path: Path, *, classes: Sequence[str]) -> None:
        self.path = path
        self._classes = tuple(classes)
        self._lock = Lock()
        self._kept = Annotations(self._classes, {})
        if path.exists():
            named = activitynet.read(path).classes
            self._kept = activitynet.read(path, classes=_united(classes, named))

    @property
    def kept(self) -> Annotations:
        """The corrected videos; its first classes are those of the data."""
        return self._kept

    def put(self, video: Video, labels: Sequence[Sequence[float | str]] | None) -> None:
        """Keep what happens in a video; None forgets it.

        Args:
            video: whose actions are not looked at.
            labels: start and end in seconds, inside the video, and the name of the class, which
                may be new.

        Raises:
            ValueError: if these are no such labels.
        """
        segments_s, names = ([], []) if labels is None else _checked(labels, video)
        with self._lock:
            for name in set(names) - set(self._kept.classes):
                checked_class_name(name)
            classes = _united(self._kept.classes, names)
            videos = {id: each for id, each in self._kept.videos.items() if id != video.id}
            if labels is not None:
                videos[video.id] = replace(
                    video, actions=Actions(segments_s, [classes.index(name) for name in names])
                )
            kept = _without_unused(Annotations(classes, videos), of_data=len(self._classes))
            activitynet.write(kept, self.path)
            self._kept = kept


def writable_formats() -> tuple[str, ...]:
    """Names of the formats in which `exported` can write, those that most tools read first."""
    names = [name for name in FORMATS.names() if _writer(FORMATS.module(name)) is not None]
    return tuple(sorted(names, key=lambda name: (name not in _FIRST, _place(name), name)))


def exported(
    annotations: Annotations, format: str, *, media: Mapping[str, Path]
) -> tuple[str, bytes]:
    """Name and content of a file that holds annotations in a format: a zip if it takes several.

    Args:
        media: files of videos, which some formats name, or count the frames of.

    Raises:
        UserError: if there is no such format, or nothing to write.
        ValueError: if the format cannot hold something.
    """
    if format not in writable_formats():
        raise UserError(f"no format that can be written is called {format}")
    if not annotations.videos:
        raise UserError("no video has been corrected yet")
    write = _writer(FORMATS.module(format))
    assert write is not None
    settings = _settings(write, annotations, media)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "written"
        several = "folder" in inspect.signature(write).parameters
        target = folder if several else folder / f"annotations{_ENDINGS.get(format, '.json')}"
        folder.mkdir()
        write(annotations, target, **settings)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if len(files) == 1 and not several:
            return files[0].name, files[0].read_bytes()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(folder))
        return f"annotations-{format}.zip", packed.getvalue()


def _united(classes: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*classes, *names]))


def _checked(
    labels: Sequence[Sequence[float | str]], video: Video
) -> tuple[list[list[float]], list[str]]:
    """Times and names of labels, in order of time."""
    wanted = "wanted [start, end, class] for each label, the class by its name"
    if not isinstance(labels, list) or not all(
        isinstance(row, list) and len(row) == 3 and isinstance(row[2], str) for row in labels
    ):
        raise ValueError(wanted)
    try:
        times_s = np.array([row[:2] for row in labels], np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise ValueError(wanted) from error
    if not np.isfinite(times_s).all():
        raise ValueError("a label whose times are no numbers")
    if (times_s < 0).any() or (times_s > video.duration_s + 1e-3).any():
        raise ValueError(f"a label that is not within the {video.duration_s:g} s of the video")
    if (times_s[:, 1] <= times_s[:, 0]).any():
        raise ValueError("a label without length")
    order = np.lexsort((times_s[:, 1], times_s[:, 0]))
    return times_s[order].tolist(), [str(labels[place][2]) for place in order]


def _without_unused(annotations: Annotations, *, of_data: int) -> Annotations:
    """The same without the classes behind the first few of which no label is."""
    used = {label for actions in annotations.actions.values() for label in actions.labels.tolist()}
    rest = [label for label in range(len(annotations.classes)) if label < of_data or label in used]
    place = {label: number for number, label in enumerate(rest)} | {EVERY_CLASS: EVERY_CLASS}
    videos = {
        id: replace(
            video,
            actions=Actions(
                video.actions.segments_s,
                [place[label] for label in video.actions.labels.tolist()],
                video.actions.ignored,
            ),
        )
        for id, video in annotations.videos.items()
    }
    return Annotations(tuple(annotations.classes[label] for label in rest), videos)


def _writer(format: ModuleType) -> Any:
    """The function that writes; None if there is none, or it must be told what we cannot know."""
    write = getattr(format, "write", None) or getattr(format, "export", None)
    if write is None:
        return None
    needed = {
        name
        for name, parameter in inspect.signature(write).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        and parameter.default is inspect.Parameter.empty
    }
    return write if needed <= _KNOWN_HERE else None


def _place(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def _settings(write: Any, annotations: Annotations, media: Mapping[str, Path]) -> dict[str, Any]:
    """What the files say of rates and sizes, for those formats that ask."""
    asked = _KNOWN_HERE & set(inspect.signature(write).parameters)
    settings: dict[str, Any] = {}
    if "media" in asked:
        settings["media"] = {
            id: media[id].name if id in media else f"{id}.mp4" for id in annotations.videos
        }
    if asked & {"fps", "size"}:
        facts = {id: rate_and_size(media[id]) for id in annotations.videos if id in media}
        rates = {id: fps for id, (fps, _) in facts.items()}
        stated = {id: each.fps for id, each in annotations.videos.items() if each.fps is not None}
        unknown = [id for id in annotations.videos if id not in rates and id not in stated]
        if unknown:
            raise ValueError(
                f"this format counts frames, and of {unknown[0]} there is no file to take their"
                " rate from; give --media"
            )
        settings["fps"] = rates | stated
        if "size" in asked:
            sizes = {size for _, size in facts.values()}
            if len(sizes) != 1:
                raise ValueError(
                    f"this format takes videos of one size, these are of {len(sizes)}; export"
                    " them in parts, or in another format"
                )
            settings["size"] = sizes.pop()
    return settings
