"""The text files of MultiTHUMOS: a folder with one file for each of 65 classes.

    class_list.txt, annotations/BaseballPitch.txt, annotations/BodyContract.txt, ...

The lines are those of `formats.thumos14`, on the same videos.  Here a file is of all splits, and
the names of the videos say which: `video_validation_0000266` is of the split "validation".

`class_list.txt` numbers the classes from 1, one in a line: `1 BaseballPitch`.

Source: Yeung et al., Every Moment Counts, IJCV 2017, and the data set's own files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import FormatError
from untrimmed.sources.formats.thumos14 import (
    class_file,
    class_files,
    joined,
    read_lines,
    write_lines,
    written_line,
)
from untrimmed.sources.text import text_of
from untrimmed.sources.written_actions import named, word

CLASS_LIST = "class_list.txt"


def read(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of all text files of a folder and the folders in it; videos sorted by id.

    A single file is read too: its class is the only one.

    Args:
        classes: names by label; if not given those of `class_list.txt` in the folder, in its
            order, or else the classes that have a file, sorted.
        durations_s: by video.  A video that is not named there is taken to last until its last
            action ends: enough for scores, which do not depend on it.

    Raises:
        FormatError: if there is no such file, a line is not a video and two times, or a class is
            not among the classes.

    An action that ends before it starts is left out, and among the `faults` of the result.
    """
    files = [
        file
        for file in class_files(path, endings=[".txt"])
        if file.name != CLASS_LIST and not file.name.lower().startswith("readme")
    ]
    names = [file.stem for file in files]
    for number, file in enumerate(files):
        if names[number] in names[:number]:
            raise FormatError("there are two files of this class", file=file)
    if classes is None:
        listed = path / CLASS_LIST
        classes = _listed(listed) if listed.is_file() else names
    lines = (
        line._replace(split=_split(line.video))
        for file, name in zip(files, names, strict=True)
        for line in read_lines(file, name=name, split="")
    )
    return joined(lines, classes=classes, durations_s=durations_s or {})


def export(annotations: Annotations, folder: Path) -> None:
    """Put `class_list.txt`, and in `annotations` a file for each class, into a folder.

    Durations and rates are not kept, nor videos without actions, nor a split that the name of the
    video does not say.

    Raises:
        ValueError: if an action is ignored, or a name cannot be held.
    """
    names = [word(name, format="MultiTHUMOS") for name in annotations.classes]
    files = {name: class_file(name, folder / "annotations", ".txt") for name in names}
    lines: dict[Path, list[str]] = {file: [] for file in files.values()}
    for id, video in annotations.videos.items():
        for start_s, end_s, name in named(video, annotations.classes, format="MultiTHUMOS"):
            lines[files[name]].append(written_line(id, start_s, end_s))
    listed = [f"{number} {name}\n" for number, name in enumerate(names, start=1)]
    write_lines({**lines, folder / CLASS_LIST: listed})


def _listed(path: Path) -> list[str]:
    """The classes of a list, which must be in the order of their numbers, from 1."""
    names: list[str] = []
    for place, line in enumerate(text_of(path).split("\n"), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or words[0] != str(len(names) + 1) or words[1] in names:
            raise FormatError(
                f"wanted the number {len(names) + 1} and a new class, got {line.strip()!r}",
                file=path,
                place=place,
            )
        names.append(words[1])
    return names


def _split(video: str) -> str:
    """What stands between the first two underscores of THUMOS14's names."""
    words = video.split("_")
    return words[1] if words[0] == "video" and len(words) > 2 else ""
