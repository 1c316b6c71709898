"""Subtitles, SRT and WebVTT, one file per video: any player shows actions over the film.

    1                                      WEBVTT
    00:00:01,200 --> 00:00:03,400
    wave                                   00:00:01.200 --> 00:00:03.400
                                           wave

Each line of a cue's text is one action.  A file is named after its video, and holds no more of it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from untrimmed.core.annotations import Annotations
from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError
from untrimmed.core.files import written_whole
from untrimmed.sources.named_actions import (
    NamedAction,
    NamedVideo,
    data_set,
    files_of,
)
from untrimmed.sources.text import text_of
from untrimmed.sources.written_actions import class_name, file_of

_TIME = r"(?:(\d{1,4}):)?([0-5]?\d):([0-5]\d)[,.](\d{3})"
_TIMING = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?", re.ASCII)
_NO_CUE = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)(\s.*)?")

Kind = Literal["srt", "vtt"]


def read(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of a file, or of all `.srt` and `.vtt` files of a folder.

    Which of the two a file is, is told by its first line.

    Args:
        classes: names by label; all that occur, sorted, if not given.
        durations_s: by video; a video without is taken to last until its last action ends.

    Raises:
        FormatError: if a file is neither, or a cue has no text.
    """
    videos = (
        NamedVideo(id=file.stem, file=file, actions=list(_cues(file)))
        for file in files_of(path, ".srt", ".vtt")
    )
    return data_set(videos, classes=classes, durations_s=durations_s)


def export(annotations: Annotations, folder: Path, *, kind: Kind = "srt") -> None:
    """Put `<id>.srt` or `<id>.vtt` of every video into a folder.

    Times are rounded to milliseconds, and a cue lasts one at least.  What is ignored is not shown.

    Raises:
        ValueError: if an action starts before 0, or a name cannot be held.
    """
    for id, video in annotations.videos.items():
        shown = [
            (start_s, end_s, class_name(label, annotations.classes))
            for start_s, end_s, label in video.actions
        ]
        _write(shown, file_of(id, folder, f".{kind}"), kind)


def export_detections(
    detections: Mapping[str, Detections],
    classes: Sequence[str],
    folder: Path,
    *,
    kind: Kind = "srt",
) -> None:
    """Put subtitles with the class and score of every detection, as in "wave 0.91", into a folder.

    Choose the detections first: all are shown.

    Args:
        classes: names by label.

    Raises:
        ValueError: if a detection starts before 0, or a name cannot be held.
    """
    for id, found in detections.items():
        columns = (found.segments_s.tolist(), found.labels.tolist(), found.scores.tolist())
        shown = [
            (start_s, end_s, f"{class_name(label, classes)} {score:.2f}")
            for (start_s, end_s), label, score in zip(*columns, strict=True)
        ]
        _write(shown, file_of(id, folder, f".{kind}"), kind)


def _cues(path: Path) -> Iterator[NamedAction]:
    lines = text_of(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    webvtt = _NO_CUE.fullmatch(lines[0]) is not None
    for number, block in _blocks(lines):
        if webvtt and _NO_CUE.fullmatch(block[0]):
            continue
        # The line above the times, if there is one, is the cue's own name.
        above = 0 if "-->" in block[0] else 1
        timing = _TIMING.fullmatch(block[above].strip()) if above < len(block) else None
        if timing is None:
            message = "wanted the times of a cue, such as 00:00:01,200 --> 00:00:03,400, got"
            raise FormatError(f"{message} {block[0][:60]!r}", file=path, place=number)
        start_s, end_s = _seconds(*timing.groups()[:4]), _seconds(*timing.groups()[4:])
        names = block[above + 1 :]
        if not names:
            raise FormatError("a cue without text", file=path, place=number + above)
        for line, name in enumerate(names, number + above + 1):
            text = html.unescape(name) if webvtt else name
            yield NamedAction(start_s, end_s, text.strip(), line)


def _blocks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Lines between blank ones, with the number of the first."""
    block: list[str] = []
    for number, line in enumerate((*lines, ""), 1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _seconds(hours: str | None, minutes: str, seconds: str, thousandths: str) -> float:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return (whole * 1000 + int(thousandths)) / 1000


def _write(shown: Iterable[tuple[float, float, str]], path: Path, kind: Kind) -> None:
    blocks = ["WEBVTT\n"] if kind == "vtt" else []
    for number, (start_s, end_s, text) in enumerate(sorted(shown), 1):
        start_ms, end_ms = round(start_s * 1000), round(end_s * 1000)
        if start_ms < 0:
            raise ValueError(f"subtitles cannot start at {start_s} s, before the video starts")
        if "-->" in text and kind == "srt":
            raise ValueError(f"SRT cannot hold the text {text!r}")
        times = [_clock(time_ms, kind) for time_ms in (start_ms, max(end_ms, start_ms + 1))]
        cue = f"{times[0]} --> {times[1]}\n"
        if kind == "vtt":
            blocks.append(f"{cue}{html.escape(text, quote=False)}\n")
        else:
            blocks.append(f"{number}\n{cue}{text}\n")
    with written_whole(path) as temporary:
        temporary.write_text("\n".join(blocks), encoding="utf-8", newline="\n")


def _clock(time_ms: int, kind: Kind) -> str:
    seconds, thousandths = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    mark = "." if kind == "vtt" else ","
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{thousandths:03}"
