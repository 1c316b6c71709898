"""RTTM, the table of speech evaluations: video, channel, start and duration, name.

    SPEAKER v1 1 1.200 2.200 <NA> <NA> wave <NA> <NA>

Times are seconds, and cells are divided by blanks.  Lines of other types than SPEAKER, and
comments, which begin with `;;`, are passed by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import FormatError
from untrimmed.core.files import written_whole
from untrimmed.sources.named_actions import NamedAction, NamedVideo, data_set
from untrimmed.sources.text import text_of
from untrimmed.sources.written_actions import class_name

_SECONDS = re.compile(r"-?\d{1,12}(\.\d*)?", re.ASCII)
_CELLS = (9, 10)  # the last, look-ahead, came with a later version
_NONE = "<NA>"


def read(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of a file.

    Args:
        classes: names by label; all that occur, sorted, if not given.
        durations_s: by video; a video without is taken to last until its last action ends.

    Raises:
        FormatError: if a line is none of such a table.
    """
    videos: dict[str, list[NamedAction]] = {}
    for number, line in enumerate(text_of(path).splitlines(), 1):
        cells = line.split()
        if not cells or cells[0].startswith(";;"):
            continue
        times = cells[3:5]
        if len(cells) not in _CELLS:
            message = f"wanted {_CELLS[0]} or {_CELLS[1]} cells, got {len(cells)}"
            raise FormatError(message, file=path, place=number)
        if cells[0] != "SPEAKER":
            continue
        if not all(map(_SECONDS.fullmatch, times)):
            message = f"wanted start and duration in seconds, got {' '.join(times)[:60]!r}"
            raise FormatError(message, file=path, place=number)
        if cells[7] == _NONE:
            raise FormatError("an action without a name", file=path, place=number)
        start_s, duration_s = map(float, times)
        # In whole nanoseconds: 1.2 + 2.2 would end at 3.4000000000000004 s.
        end_s = round(start_s + duration_s, 9)
        videos.setdefault(cells[1], []).append(NamedAction(start_s, end_s, cells[7], number))
    named = (
        NamedVideo(id=id, file=path, place=actions[0].place or 1, actions=actions)
        for id, actions in videos.items()
    )
    return data_set(named, classes=classes, durations_s=durations_s)


def export(annotations: Annotations, path: Path) -> None:
    """A file of all actions, with times in microseconds; videos without actions are not in it.

    Raises:
        ValueError: if an action is ignored, or a name has a blank in it or cannot be held.
    """
    lines = []
    for id, video in annotations.videos.items():
        if video.actions.ignored.any():
            raise ValueError(f"video {id}: RTTM cannot say that an action is ignored")
        for start_s, end_s, label in video.actions:
            name = class_name(label, annotations.classes)
            for cell in (id, name):
                if len(cell.split()) != 1 or cell == _NONE:
                    raise ValueError(f"RTTM cannot hold the name {cell!r}")
            times = f"{start_s:.6f} {end_s - start_s:.6f}"
            lines.append(f"SPEAKER {id} 1 {times} {_NONE} {_NONE} {name} {_NONE} {_NONE}\n")
    with written_whole(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8", newline="\n")
