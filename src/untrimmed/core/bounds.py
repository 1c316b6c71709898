"""What the numbers among settings may be, for the `__post_init__` of their dataclasses.

Each function takes settings and the names of fields of them.  A field holds a number, several, or
None, which is within every bound; infinity and NaN are within none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from untrimmed.core.errors import ConfigError


def above_0(settings: Any, *names: str) -> None:
    """Raise a ConfigError for the first field that is not above 0."""
    _check(settings, names, lambda number: number > 0, "above 0")


def at_least_0(settings: Any, *names: str) -> None:
    """Raise a ConfigError for the first field that is below 0."""
    _check(settings, names, lambda number: number >= 0, "at least 0")


def shares(settings: Any, *names: str) -> None:
    """Raise a ConfigError for the first field that is not in [0, 1]."""
    _check(settings, names, lambda number: 0 <= number <= 1, "in [0, 1]")


def shares_above_0(settings: Any, *names: str) -> None:
    """Raise a ConfigError for the first field that is not in (0, 1]."""
    _check(settings, names, lambda number: 0 < number <= 1, "in (0, 1]")


def shares_below_1(settings: Any, *names: str) -> None:
    """Raise a ConfigError for the first field that is not in [0, 1)."""
    _check(settings, names, lambda number: 0 <= number < 1, "in [0, 1)")


def shares_between(settings: Any, *names: str) -> None:
    """Raise a ConfigError for the first field that is not in (0, 1)."""
    _check(settings, names, lambda number: 0 < number < 1, "in (0, 1)")


def finite(settings: Any, *names: str) -> None:
    """Raise a ConfigError for the first field that is infinite or NaN."""
    _check(settings, names, lambda _: True, "other than infinity and NaN")


def odd(settings: Any, *names: str) -> None:
    """Raise a ConfigError for the first field that is not odd and above 0: it has no middle."""
    _check(settings, names, lambda number: number > 0 and number % 2 == 1, "odd and above 0")


def _check(
    settings: Any, names: tuple[str, ...], holds: Callable[[float], bool], words: str
) -> None:
    for name in names:
        value = getattr(settings, name)
        several = isinstance(value, tuple)
        numbers = value if several else (value,)
        if not all(n is None or (math.isfinite(n) and holds(n)) for n in numbers):
            wanted = f"wanted {'numbers' if several else 'a number'} {words}"
            raise ConfigError(f"{wanted}, got {value}", path=name)
