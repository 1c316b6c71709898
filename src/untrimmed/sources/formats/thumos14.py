"""The text files of THUMOS14: a folder with one file for each class and split.

    BaseballPitch_val.txt, BaseballPitch_test.txt, ..., Ambiguous_val.txt, Ambiguous_test.txt

A line is one action: video, start and end in seconds, with blanks between.

    video_validation_0000266  72.8  76.4

What stands before the ending `_val` or `_test` is the class.  Actions that the annotators could
not decide on are of the class "Ambiguous": they are ignored, of whichever class.

The files say neither durations nor rates.  Every dive off a cliff is a Diving and a CliffDiving
at the same time: both are read.

Source: the data set's own files and THUMOS Challenge 2014, http://crcv.ucf.edu/THUMOS14.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from untrimmed.core.actions import EVERY_CLASS, Actions
from untrimmed.core.annotations import Annotations, Fault, Video
from untrimmed.core.errors import FormatError
from untrimmed.core.files import written_whole
from untrimmed.sources.text import text_of
from untrimmed.sources.written_actions import class_name, decimal, file_of, word

AMBIGUOUS = "Ambiguous"
SPLITS = {"val": "validation", "test": "test"}

_DECIMAL = re.compile(r"-?\d+(\.\d*)?", re.ASCII)


def read(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of all files of a folder and the folders in it; videos sorted by id.

    Files whose names end otherwise, such as the list of classes, are passed by.  A single file
    is read too: its class is the only one.

    Args:
        classes: names by label; if not given, the classes that have a file, sorted, which is the
            order in use for the 20 of THUMOS14.
        durations_s: by video.  A video that is not named there is taken to last until its last
            action ends: enough for scores, which do not depend on it.

    Raises:
        FormatError: if there is no such file, a line is not a video and two times, a class is not
            among `classes`, or a video is in two splits.

    An action that ends before it starts is left out, and among the `faults` of the result.
    """
    files = class_files(path, endings=[f"_{part}.txt" for part in SPLITS])
    found = [_class_and_split(file) for file in files]
    for number, file in enumerate(files):
        if found[number] in found[:number]:
            raise FormatError("there are two files of this class and split", file=file)
    if classes is None:
        classes = sorted({name for name, _ in found} - {AMBIGUOUS})
    lines = (
        line
        for file, (name, split) in zip(files, found, strict=True)
        for line in read_lines(file, name=name, split=split)
    )
    return joined(lines, classes=classes, durations_s=durations_s or {})


def export(annotations: Annotations, folder: Path, *, split: str = "") -> None:
    """Put a file for each class and split into a folder.

    Durations, rates, the order of classes and the class of an ignored action are not kept, nor
    videos without actions.

    Args:
        split: of the videos of which none is said.

    Raises:
        ValueError: if a video is in another split than validation and test, or a name cannot be
            held.
    """
    parts = {split: part for part, split in SPLITS.items()}
    lines: dict[Path, list[str]] = {}
    for id, video in annotations.videos.items():
        part = parts.get((video.split or split).casefold())
        if part is None:
            raise ValueError(
                f"video {id}: THUMOS14 has no split {video.split!r}; there are: {', '.join(parts)}"
            )
        ending = f"_{part}.txt"
        files = {name: class_file(name, folder, ending) for name in annotations.classes}
        lines = {file: [] for file in files.values()} | lines
        for segment_s, label, ignored in zip(
            video.actions.segments_s.tolist(),
            video.actions.labels.tolist(),
            video.actions.ignored.tolist(),
            strict=True,
        ):
            name = AMBIGUOUS if ignored else class_name(label, annotations.classes)
            file = files.get(name, folder / f"{AMBIGUOUS}{ending}")
            lines.setdefault(file, []).append(written_line(id, *segment_s))
    write_lines(lines)


def class_file(name: str, folder: Path, ending: str) -> Path:
    """The file of a class.

    Raises:
        ValueError: if no file of this name is read again as one of this class.
    """
    if name in ("", AMBIGUOUS) or name.startswith("."):
        raise ValueError(f"text files by class cannot hold the class name {name!r}")
    return file_of(name, folder, ending)


def written_line(video: str, start_s: float, end_s: float) -> str:
    """A line that `read_lines` reads as the same times."""
    id = word(video, format="a text file by class")
    return f"{id}  {decimal(start_s)}  {decimal(end_s)}\n"


def write_lines(lines: Mapping[Path, Iterable[str]]) -> None:
    """Files of some lines."""
    for file, some in lines.items():
        with written_whole(file) as temporary:
            temporary.write_text("".join(some), encoding="utf-8", newline="\n")


class Line(NamedTuple):
    """One action as a text file states it, and where.

    Args:
        name: of its class.
        split: of its video.
    """

    video: str
    start_s: float
    end_s: float
    name: str
    split: str
    file: Path
    number: int

    def wrong(self, message: str) -> FormatError:
        """An error at this line."""
        return FormatError(message, file=self.file, place=self.number)


def class_files(path: Path, *, endings: Iterable[str]) -> list[Path]:
    """The files of a folder with one of some endings, in order of their names; or the file itself.

    Raises:
        FormatError: if there is none.
    """
    if not path.is_dir():
        return [path]
    files = [
        file
        for file in path.rglob("*.txt")
        if file.name.endswith(tuple(endings)) and not file.name.startswith(".")
    ]
    if not files:
        wanted = " or ".join(f"*{ending}" for ending in endings)
        raise FormatError(f"no file called {wanted} in this folder", file=path)
    return sorted(files, key=lambda file: (file.name, file))


def read_lines(file: Path, *, name: str, split: str) -> Iterator[Line]:
    """The lines of one file that are not blank.

    Raises:
        FormatError: if the file is no text, or a line is not a video and two times.
    """
    for number, written in enumerate(text_of(file).split("\n"), start=1):
        words = written.split()
        if not words:
            continue
        if len(words) != 3 or not all(map(_is_time, words[1:])):
            raise FormatError(
                f"wanted a video, a start and an end in seconds, got {written.strip()!r}",
                file=file,
                place=number,
            )
        yield Line(words[0], float(words[1]), float(words[2]), name, split, file, number)


def joined(
    lines: Iterable[Line], *, classes: Sequence[str], durations_s: Mapping[str, float]
) -> Annotations:
    """The videos of some lines, sorted by id; for the arguments see `read`.

    Raises:
        FormatError: if a class is not among `classes`, a video is in two splits, or nobody says
            that it lasts longer than 0 s.
    """
    labels = {name: label for label, name in enumerate(classes)}
    by_video: dict[str, list[Line]] = {}
    for line in lines:
        if line.name not in labels and line.name != AMBIGUOUS:
            raise line.wrong(f"{line.name!r} is none of the {len(labels)} classes of the data set")
        by_video.setdefault(line.video, []).append(line)
    videos = {id: _video(own, labels, durations_s) for id, own in sorted(by_video.items())}
    faults = tuple(
        Fault.backwards(id, line.start_s, line.end_s, file=line.file, place=line.number)
        for id, own in sorted(by_video.items())
        for line in own
        if line.end_s < line.start_s
    )
    return Annotations(tuple(classes), videos, faults)


def _class_and_split(file: Path) -> tuple[str, str]:
    name, _, part = file.stem.rpartition("_")
    return (name, SPLITS[part]) if name and part in SPLITS else (file.stem, "")


def _video(
    lines: Sequence[Line], labels: Mapping[str, int], durations_s: Mapping[str, float]
) -> Video:
    first = lines[0]
    for line in lines:
        if line.split != first.split:
            raise line.wrong(f"{line.video} is in the split {first.split} in {first.file.name}")
    possible = [line for line in lines if line.end_s >= line.start_s]
    last_s = max((line.end_s for line in possible), default=0.0)
    duration_s = durations_s.get(first.video, last_s)
    if not 0 < duration_s < math.inf:
        raise first.wrong(f"{first.video} has no duration above 0 s; give it in `durations_s`")
    return Video(
        id=first.video,
        duration_s=duration_s,
        actions=Actions(
            [(line.start_s, line.end_s) for line in possible],
            [labels.get(line.name, EVERY_CLASS) for line in possible],
            [line.name == AMBIGUOUS for line in possible],
        ),
        split=first.split,
    )


def _is_time(word: str) -> bool:
    return _DECIMAL.fullmatch(word) is not None and math.isfinite(float(word))
