"""Arrays that were read whole, kept for the next part that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from numpy.typing import NDArray


class Cache:
    """Arrays that were read whole, those used last, up to a number of bytes.

    A copy in another process starts empty.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._arrays: dict[Hashable, NDArray[Any]] = {}  # the one used last at the end

    def array(self, key: Hashable, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The array of that key, read if it is not kept."""
        array = self._arrays.pop(key, None)
        if array is None:
            array = read()
        if array.nbytes <= self.most_bytes:
            self._arrays[key] = array
        while sum(kept.nbytes for kept in self._arrays.values()) > self.most_bytes:
            del self._arrays[next(iter(self._arrays))]
        return array

    def __reduce__(self) -> tuple[type[Cache], tuple[int]]:
        return Cache, (self.most_bytes,)
