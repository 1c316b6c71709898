"""Settings as text: YAML files, and single settings as they stand in a command.

What the settings may be, and the dataclasses that they become, are in `core.config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from untrimmed.core.config import dump
from untrimmed.core.errors import ConfigError, FormatError, got


def to_yaml(value: Any) -> str:
    """A dataclass as YAML text, every default spelled out, in the order of the fields."""
    return yaml.dump(dump(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file holds an empty one.

    Raises:
        FormatError: if the file cannot be read, is not YAML (with the line), sets a key twice, or
            holds something other than a mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", file=path) from error
    except UnicodeDecodeError as error:
        raise FormatError("wanted text in UTF-8", file=path) from error
    try:
        data = yaml.load(text, Loader=_Loader)  # derived from the safe one: builds no objects
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        line = None if mark is None else mark.line + 1
        raise FormatError(f"not valid YAML: {problem}", file=path, place=line) from error
    if not isinstance(data, dict | None):
        raise FormatError(f"wanted a mapping of settings{got(data)}", file=path)
    return data or {}


def override(data: Mapping[str, Any], assignment: str) -> dict[str, Any]:
    """The same settings with one changed, as in `train.epochs=5`; the value is read as YAML.

    Items of a list go by their number, as in `data.features.0.path=x`.  Mappings on the way are
    made where they are missing or null.  Whether there is such a setting shows when the result is
    loaded.

    Raises:
        ConfigError: if the text is not `setting=value`, or the way leads through something that is
            neither a mapping nor a list, or behind the end of a list.
    """
    path, equals, text = assignment.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"wanted setting=value, as in train.epochs=5, got {assignment!r}")
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{text!r} is not valid YAML", path=path.strip()) from error

    changed: dict[str, Any] = _with(data, tuple(keys), value, depth=0)
    return changed


def _with(here: Any, keys: tuple[str, ...], value: Any, *, depth: int) -> Any:
    """A copy of what stands at `keys[:depth]`, with the value at all of `keys`."""
    if depth == len(keys):
        return value
    key = keys[depth]
    if isinstance(here, list):
        if not key.isdigit() or int(key) >= len(here):
            raise ConfigError(
                f"a list of {len(here)}, so it has no {key}; count from 0",
                path=".".join(keys[:depth]),
            )
        return [
            _with(item, keys, value, depth=depth + 1) if place == int(key) else item
            for place, item in enumerate(here)
        ]
    if not isinstance(here, Mapping | None):
        raise ConfigError(f"not a mapping, so it has no {key}", path=".".join(keys[:depth]))
    inner = {} if here is None else dict(here)
    inner[key] = _with(inner.get(key), keys, value, depth=depth + 1)
    return inner


class _Loader(yaml.SafeLoader):
    """Refuses a key that is set twice; of two, YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"{key.value} is set twice"
                raise yaml.constructor.ConstructorError(
                    problem=problem, problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Lists of plain values in one line, everything else in blocks."""

    def in_one_line(self, data: list[Any]) -> yaml.Node:
        plain = not any(isinstance(item, list | dict) for item in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=plain)


_Dumper.add_representer(list, _Dumper.in_one_line)
