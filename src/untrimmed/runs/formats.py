"""Annotation formats by name, and what they must be told beside the file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from untrimmed.core.annotations import Annotations
from untrimmed.core.config import Choice
from untrimmed.core.errors import ConfigError, FormatError

FORMATS = Choice("untrimmed.sources.formats")


def read_with(
    format: ModuleType, path: Path, *, settings: Mapping[str, Any], place: str
) -> Annotations:
    """Annotations of a file, read by a format with settings of its own.

    Raises:
        ConfigError: if a setting is none of the format's, is missing, or has a wrong value.
        FormatError: if the file cannot be read.
    """
    check_settings(format.read, settings, place=place)
    try:
        annotations: Annotations = format.read(path, **settings)
    except FormatError:
        raise
    except (TypeError, ValueError) as error:  # a setting of a wrong type or value
        raise ConfigError(str(error), path=place) from error
    return annotations


def check_settings(
    function: Callable[..., Any], settings: Mapping[str, Any], *, place: str
) -> None:
    """Refuse settings that a format does not have, and the lack of those that it needs.

    Args:
        function: of the format, that reads or writes; its keyword-only parameters are the settings.
        place: where the settings were given, for the message.

    Raises:
        ConfigError: naming the settings that there are.
    """
    format = function.__module__.rpartition(".")[2]
    own = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    for name in settings:
        if name not in own:
            there = ", ".join(own) or "none"
            raise ConfigError(f"{format} has no setting {name}; there are: {there}", path=place)
    for name, parameter in own.items():
        if parameter.default is inspect.Parameter.empty and name not in settings:
            raise ConfigError(f"{format} must be told {name}, as in {name}=...", path=place)
