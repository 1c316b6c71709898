"""A JSON file whose values know their place in it, so that an error can name it.

What the values should be is said by whoever reads them: `sources.formats`, `sources.bank_files`.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from untrimmed.core.errors import FormatError
from untrimmed.sources.text import text_of

_MOST_DIGITS = 400  # of a float; Python refuses to read integers of more than 4300


class Value:
    """One value of a file; each method gives it as what it should be, or raises FormatError.

    Args:
        raw: as `json` gives it.
        inside: the value it is a part of, or the file if it is the whole.
        key: its name or number there.
    """

    __slots__ = ("inside", "key", "raw")

    def __init__(self, raw: Any, inside: Value | Path, key: str | int = "") -> None:
        self.raw = raw
        self.inside = inside
        self.key = key

    @property
    def file(self) -> Path:
        return self.inside if isinstance(self.inside, Path) else self.inside.file

    @property
    def place(self) -> str:
        """Such as `database.v1.annotations[3].segment`; empty for the whole file."""
        if isinstance(self.inside, Path):
            return ""
        outer = self.inside.place
        if isinstance(self.key, int):
            return f"{outer}[{self.key}]"
        return f"{outer}.{self.key}" if outer else self.key

    def members(self) -> dict[str, Value]:
        """Those of an object, in the order of the file."""
        if not isinstance(self.raw, dict):
            raise self.not_a("an object in braces")
        return {name: Value(raw, self, name) for name, raw in self.raw.items()}

    def member(self, name: str) -> Value:
        """One member of an object, which must be there."""
        value = self.optional(name)
        if value is None:
            raise self.wrong(f"there is no {name!r} here; it is needed")
        return value

    def optional(self, name: str) -> Value | None:
        """One member of an object; None if it is not there or null."""
        if not isinstance(self.raw, dict):
            raise self.not_a("an object in braces")
        raw = self.raw.get(name)
        return None if raw is None else Value(raw, self, name)

    def elements(self) -> list[Value]:
        """Those of an array."""
        if not isinstance(self.raw, list):
            raise self.not_a("an array in brackets")
        return [Value(raw, self, number) for number, raw in enumerate(self.raw)]

    def name(self) -> str:
        """A text that is not empty."""
        text = self.text()
        if not text:
            raise self.not_a("a name")
        return text

    def text(self) -> str:
        if not isinstance(self.raw, str):
            raise self.not_a("a text in quotes")
        return self.raw

    def number(self) -> float:
        """A finite one."""
        if type(self.raw) in (int, float):  # not bool, which is an int to Python
            try:
                number = float(self.raw)
            except OverflowError:
                number = math.inf
            if math.isfinite(number):
                return number
        raise self.not_a("a finite number")

    def whole_number(self) -> int:
        if type(self.raw) is not int:
            raise self.not_a("a whole number")
        return self.raw

    def flag(self) -> bool:
        if not isinstance(self.raw, bool):
            raise self.not_a("true or false")
        return self.raw

    def not_a(self, wanted: str) -> FormatError:
        """The error that something else was wanted."""
        return self.wrong(f"wanted {wanted}, got {reprlib.repr(self.raw)}")

    def wrong(self, message: str) -> FormatError:
        """An error at this place."""
        return FormatError(message, file=self.file, place=self.place or "top level")


def read_json(path: Path) -> Value:
    """The whole of a file.

    Raises:
        FormatError: if it cannot be read, is no JSON, or an object has the same name twice, of
            which the usual reading would keep the last in silence.
    """
    repeated = False

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        repeated = True
        return _Repeating(pairs)

    text = text_of(path)
    try:
        root = Value(json.loads(text, object_pairs_hook=members, parse_int=_whole), path)
    except json.JSONDecodeError as error:
        raise FormatError(f"no JSON: {error.msg}", file=path, place=error.lineno) from error
    except RecursionError as error:
        raise FormatError("no usable JSON: it is nested too deep", file=path, place=1) from error
    if repeated:  # the outermost is in the tree, as none has replaced it
        first = next(value for value in _all(root) if isinstance(value.raw, _Repeating))
        raise first.wrong(f"{first.raw.name!r} stands twice in one object; keep one of the two")
    return root


class _Repeating(dict[str, Any]):
    """An object in which a name stands twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.name = next(name for name in names if names.count(name) > 1)


def _all(root: Value) -> Iterator[Value]:
    """A value and everything in it."""
    left = [root]
    while left:
        value = left.pop()
        yield value
        if isinstance(value.raw, dict):
            left += reversed(value.members().values())
        elif isinstance(value.raw, list):
            left += reversed(value.elements())


def _whole(digits: str) -> int | float:
    """A whole number; infinity for one that no machine should be made to hold."""
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf
