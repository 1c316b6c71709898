"""What people say happens in videos once they have corrected what was found: kept, exported."""

from __future__ import annotations

import inspect
import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import UserError
from untrimmed.report.proxy import rate_and_size
from untrimmed.runs.formats import FORMATS
from untrimmed.sources.formats import activitynet

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

    A video stands in the file if somebody has corrected it, also if nothing happens in it.

    Args:
        path: the file; it need not exist.
        classes: names, by label.

    Raises:
        FormatError: if the file holds something else, or labels of other classes.
    """

    def __init__(self, path: Path, *, classes: Sequence[str]) -> None:
        self.path = path
        self._classes = tuple(classes)
        self._lock = Lock()
        self._videos: dict[str, Video] = {}
        if path.exists():
            self._videos = dict(activitynet.read(path, classes=classes).videos)

    @property
    def actions(self) -> dict[str, Actions]:
        """By video."""
        return {id: video.actions for id, video in self._videos.items()}

    def put(self, video: Video, labels: Sequence[Sequence[float]] | None) -> None:
        """Keep what happens in a video; None forgets it.

        Args:
            video: whose actions are not looked at.
            labels: start and end in seconds, and the class; inside the video.

        Raises:
            ValueError: if these are no such labels.
        """
        fresh = None if labels is None else _actions(labels, video, len(self._classes))
        with self._lock:
            videos = {id: each for id, each in self._videos.items() if id != video.id}
            if fresh is not None:
                videos[video.id] = Video(
                    id=video.id,
                    duration_s=video.duration_s,
                    actions=fresh,
                    split=video.split,
                    fps=video.fps,
                )
            activitynet.write(Annotations(self._classes, videos), self.path)
            self._videos = videos


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


def _actions(labels: Sequence[Sequence[float]], video: Video, classes: int) -> Actions:
    try:
        rows = np.asarray(labels, np.float64).reshape(len(labels), 3)
    except (TypeError, ValueError) as error:
        raise ValueError("wanted [start, end, class] for each label") from error
    if not np.isfinite(rows).all():
        raise ValueError("a label whose times are no numbers")
    numbers = rows[:, 2].astype(np.int64)
    if ((rows[:, 2] != numbers) | (numbers < 0) | (numbers >= classes)).any():
        raise ValueError(f"a class that is none of {classes}")
    if (rows[:, 0] < 0).any() or (rows[:, 1] > video.duration_s + 1e-3).any():
        raise ValueError(f"a label that is not within the {video.duration_s:g} s of the video")
    if (rows[:, 1] <= rows[:, 0]).any():
        raise ValueError("a label without length")
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    return Actions(rows[order, :2], numbers[order])


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
