"""Annotations from one format to another, and scores of video classifiers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float64

from untrimmed.core.annotations import Annotations
from untrimmed.core.errors import ConfigError, FormatError
from untrimmed.core.files import written_whole
from untrimmed.detect.classify import read_score_rows
from untrimmed.runs.formats import FORMATS, check_settings, read_with

BY_ENDING = {".json": "activitynet", ".csv": "csv"}
"""The format of a file whose ending says enough; other formats are named."""


def convert(
    source: Path,
    target: Path,
    *,
    read_as: str | None = None,
    write_as: str | None = None,
    read_settings: Mapping[str, Any] = MappingProxyType({}),
    write_settings: Mapping[str, Any] = MappingProxyType({}),
) -> Annotations:
    """Read annotations in one format, write them in another, and give them.

    What the target's format cannot hold is lost, as its module says.  Actions of the source that
    cannot be are in the `faults` of what is given, and not in the target.

    Args:
        read_as, write_as: names of modules of `sources.formats`; by the files' endings if not
            given.
        read_settings, write_settings: what the formats must be told beside the file, such as the
            rate at which a tool counts frames; the keyword arguments of their functions.

    Raises:
        ConfigError: if a format is unknown, or cannot be written, or a setting is none of its own
            or missing.
        FormatError: if the source cannot be read, or the target cannot hold it.
    """
    reader = _format(source, read_as, option="--from")
    writer = _format(target, write_as, option="--to")
    # `write` loses nothing; formats that round times or drop durations call it `export`.
    write = getattr(writer, "write", None) or getattr(writer, "export", None)
    if write is None:
        name = writer.__name__.rpartition(".")[2]
        raise ConfigError(f"{name} can be read, but not written; choose another", path="--to")
    check_settings(write, write_settings, place="--write")
    annotations = read_with(reader, source, settings=read_settings, place="--read")
    try:
        write(annotations, target, **write_settings)
    except FormatError:
        raise
    except ValueError as error:  # the format has no place for something
        raise FormatError(str(error), file=target) from error
    return annotations


def class_scores_by_video(
    rows: Path, target: Path, *, video: str, columns: str
) -> dict[str, Float64[np.ndarray, " K"]]:
    """Write scores of a row for each video as JSON by video, and give them.

    Args:
        rows: an array (videos, columns) in a `.npy` file.
        video: name of a video by its number from 1, as in `video_test_{:07d}`.
        columns: the column of each class in the order of the annotations, from 0, with commas.

    Raises:
        ConfigError: if the pattern makes no name of a number, or a column is no number.
        FormatError: if the file is no such array.
    """
    try:
        chosen = [int(column) for column in columns.split(",")]
    except ValueError as error:
        message = f"wanted numbers of columns, as in 6,8, got {columns!r}"
        raise ConfigError(message, path="--columns") from error
    try:
        distinct = video.format(1) != video.format(2)
    except (ValueError, LookupError, AttributeError) as error:
        raise ConfigError(f"no pattern for a number: {video!r}", path="--video") from error
    if not distinct:
        message = f"wanted a place for the number, as in v{{}}, got {video!r}"
        raise ConfigError(message, path="--video")
    scores = read_score_rows(rows, video=video, columns=chosen)
    content = {"results": {id: row.tolist() for id, row in scores.items()}}
    with written_whole(target) as temporary:
        temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return scores


def _format(path: Path, name: str | None, *, option: str) -> ModuleType:
    chosen = name or BY_ENDING.get(path.suffix.lower())
    if chosen is None:
        known = ", ".join(FORMATS.names())
        raise ConfigError(
            f"{path.name} does not tell its format; choose one of: {known}", path=option
        )
    return FORMATS.module(chosen)
