"""Read annotations of which nothing is known but where they lie, and complete what they say.

A format that is named is taken; else the one that reads the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import FormatError, UserError
from untrimmed.runs.converting import BY_ENDING
from untrimmed.runs.formats import FORMATS, read_with


@dataclass(frozen=True, kw_only=True)
class Read:
    """Annotations, and how they were read."""

    path: Path
    format: str
    settings: Mapping[str, Any]
    annotations: Annotations


def read_any(path: Path, *, format: str | None, settings: Mapping[str, Any]) -> Read:
    """Annotations in the format that is named, or in the one that reads them.

    The format that the ending stands for is tried first; then all others, of which just one must
    read the file and find actions in it.

    Raises:
        FormatError: if no format reads the file, or several do.
    """
    if not path.exists():
        raise FormatError("there is no such annotation file", file=path)
    if format is not None:
        return _read(path, format, settings)
    usual = BY_ENDING.get(path.suffix.lower())
    first: UserError | None = None
    if usual is not None:
        try:
            return _read(path, usual, settings)
        except UserError as error:
            first = error
    found = []
    for name in FORMATS.names():
        try:
            read = _read(path, name, settings)
        except (UserError, OSError):
            continue
        if any(len(video.actions) for video in read.annotations.videos.values()):
            found.append(read)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(read.format for read in found)
        raise FormatError(f"may be of several formats: {names}; say which by --from", file=path)
    if first is not None:
        raise first
    raise FormatError(
        f"no format reads it as it stands; name one by --from: {', '.join(FORMATS.names())}",
        file=path,
    )


def with_durations(read: Read, durations_s: Mapping[str, float]) -> tuple[Read, tuple[str, ...]]:
    """The same with the durations of the files, where the format has no place for its own."""
    videos = read.annotations.videos.values()
    ends_last = [
        bool(len(video.actions)) and video.duration_s == video.actions.segments_s.max()
        for video in videos
    ]
    takes = "durations_s" in inspect.signature(FORMATS.module(read.format).read).parameters
    if not takes or "durations_s" in read.settings or np.mean(ends_last) <= 0.5:
        return read, ()
    rounded = {id: round(each, 3) for id, each in durations_s.items()}
    note = "the annotations do not say how long videos are; the files do"
    return _read(read.path, read.format, {**read.settings, "durations_s": rounded}), (note,)


def without_idle_classes(read: Read, notes: tuple[str, ...]) -> tuple[Read, tuple[str, ...]]:
    """The same without classes that happen in no video, where the format lets them be named."""
    annotations = read.annotations
    seen = {label for video in annotations.videos.values() for _, _, label in video.actions}
    idle = [name for label, name in enumerate(annotations.classes) if label not in seen]
    takes = "classes" in inspect.signature(FORMATS.module(read.format).read).parameters
    if not idle or not takes or "classes" in read.settings:
        return read, notes
    kept = [name for name in annotations.classes if name not in idle]
    try:
        again = _read(read.path, read.format, {**read.settings, "classes": kept})
    except UserError:  # numbered labels, or actions that do not count
        return read, notes
    what = f"{', '.join(idle)} happen in no video" if len(idle) > 1 else f"{idle[0]} never happens"
    return again, (*notes, f"{what}: left out of the classes")


def _read(path: Path, format: str, settings: Mapping[str, Any]) -> Read:
    module = FORMATS.module(format)
    annotations = read_with(module, path, settings=settings, place="--read")
    return Read(path=path, format=format, settings=settings, annotations=annotations)
