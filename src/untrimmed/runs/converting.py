"""Annotations from one format to another."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from untrimmed.core.annotations import Annotations
from untrimmed.core.config import Choice
from untrimmed.core.errors import ConfigError, FormatError

FORMATS = Choice("untrimmed.sources.formats")

BY_ENDING = {".json": "activitynet", ".csv": "csv"}
"""The format of a file whose ending says enough; other formats are named."""


def convert(
    source: Path, target: Path, *, read_as: str | None = None, write_as: str | None = None
) -> Annotations:
    """Read annotations in one format, write them in another, and give them.

    What the target's format cannot hold is lost, as its module says.

    Args:
        read_as, write_as: names of modules of `sources.formats`; by the files' endings if not
            given.

    Raises:
        ConfigError: if a format is unknown, or cannot be written.
        FormatError: if the source cannot be read, or the target cannot hold it.
    """
    reader = _format(source, read_as, option="--from")
    writer = _format(target, write_as, option="--to")
    if not hasattr(writer, "write"):
        name = writer.__name__.rpartition(".")[2]
        raise ConfigError(f"{name} can be read, but not written; choose another", path="--to")
    annotations: Annotations = reader.read(source)
    try:
        writer.write(annotations, target)
    except FormatError:
        raise
    except ValueError as error:  # the format has no place for something
        raise FormatError(str(error), file=target) from error
    return annotations


def _format(path: Path, name: str | None, *, option: str) -> ModuleType:
    chosen = name or BY_ENDING.get(path.suffix.lower())
    if chosen is None:
        known = ", ".join(FORMATS.names())
        raise ConfigError(
            f"{path.name} does not tell its format; choose one of: {known}", path=option
        )
    return FORMATS.module(chosen)
