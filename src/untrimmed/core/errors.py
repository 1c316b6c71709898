"""Errors that a user can mend.

Each says what was wanted, what came, where, and what to do.  The command prints the message
alone and exits with status 2; anything else that is raised is a defect of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class UserError(Exception):
    """Something outside this package is wrong; the message is written for its user."""


class FormatError(UserError, ValueError):
    """A file does not hold what its format asks for.

    Args:
        message: what was wanted and what came.
        file: the file at fault.
        place: where in it: a line number, or a path such as `database.v1.duration`.
    """

    def __init__(self, message: str, *, file: Path | str, place: int | str | None = None) -> None:
        where = f"{file}" if place is None else f"{file}:{place}"
        super().__init__(f"{where}: {message}")
        self.file = Path(file)
        self.place = place


class ConfigError(UserError, ValueError):
    """A setting is unknown, missing or out of range.

    Args:
        message: what was wanted and what came.
        path: the setting, dotted, as in `train.epochs`.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class UnlikeError(UserError):
    """Weights belong to another model."""


class MediaError(UserError):
    """A media file cannot be used as a video.

    Args:
        message: what was wanted and what came.
        file: the file at fault.
    """

    def __init__(self, message: str, *, file: Path | str) -> None:
        super().__init__(f"{file}: {message}")
        self.file = Path(file)


def got(value: Any) -> str:
    """The end of a message about a setting: what came, in the words of YAML."""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return f", got {words[value]}"
    if isinstance(value, Mapping | list | tuple):
        return f", got a {'mapping' if isinstance(value, Mapping) else 'list'}"
    return f", got {value!r}"
