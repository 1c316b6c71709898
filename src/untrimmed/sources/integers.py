"""Many whole numbers in a row, kept small: the times of a million frames.

A block of 1024 keeps its first number, its least step, and by how much each step is above that,
in as few bytes as the greatest of them needs; where all steps are the same it keeps only two
numbers.  So frames at a constant rate take next to nothing and others a byte or two each, instead
of eight.  Nothing is rounded: what went in comes out.

Shapes: n numbers, m of them or m others that are looked up, b of a block.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

BLOCK = 1024
"""Numbers that are packed together."""

_SMALL = (np.uint8, np.uint16, np.uint32, np.uint64)


class Integers:
    """Numbers of 64 bits, to which more are appended."""

    def __init__(self) -> None:
        self._packed: list[_Block] = []
        self._first = array("q")  # of each packed block
        self._tail = array("q")
        self._unpacked: tuple[int, Int64[np.ndarray, " b"]] | None = None  # the last looked at

    def append(self, number: int) -> None:
        self._tail.append(number)
        if len(self._tail) == BLOCK:
            self._pack()

    def extend(self, numbers: Int64[np.ndarray, " m"]) -> None:
        """Append several."""
        while len(numbers):
            fitting, numbers = np.split(numbers, [BLOCK - len(self._tail)])
            self._tail.frombytes(fitting.tobytes())
            if len(self._tail) == BLOCK:
                self._pack()

    def __len__(self) -> int:
        return BLOCK * len(self._packed) + len(self._tail)

    def __getitem__(self, place: int) -> int:
        """The number at a place, from the end if below zero.

        Raises:
            IndexError: if there is none.
        """
        at = place + len(self) if place < 0 else place
        if not 0 <= at < len(self):
            raise IndexError(f"place {place} of {len(self)} numbers")
        return int(self._block(at // BLOCK)[at % BLOCK])

    def take(self, places: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " m"]:
        """The numbers at places in [0, n), in any order."""
        found = np.empty(len(places), np.int64)
        for number, which in _grouped(places // BLOCK):
            found[which] = self._block(number)[places[which] % BLOCK]
        return found

    def blocks(self) -> Iterator[Int64[np.ndarray, " b"]]:
        """All numbers, some at a time; none is empty."""
        for number in range(len(self._packed) + bool(self._tail)):
            yield self._block(number)

    @property
    def step_range(self) -> tuple[int, int]:
        """The least and the greatest step from one number to the next; (0, 0) of a single one."""
        steps: list[int] = []
        last: Int64[np.ndarray, " _"] = np.empty(0, np.int64)
        for block in self.blocks():
            between = np.diff(block, prepend=last)
            steps += [int(between.min()), int(between.max())] if len(between) else []
            last = block[-1:]
        return (min(steps), max(steps)) if steps else (0, 0)

    def rank(self, value: int) -> int:
        """Of numbers that never fall, how many are at most a value."""
        number = self._reaching(value)
        if number < 0:
            return 0
        return BLOCK * number + int(self._block(number).searchsorted(value, side="right"))

    def find(self, value: int) -> int:
        """The place of a value among numbers that rise; -1 if it is not there."""
        number = self._reaching(value)
        if number < 0:
            return -1
        block = self._block(number)
        place = int(block.searchsorted(value))
        return BLOCK * number + place if place < len(block) and block[place] == value else -1

    def ranks(
        self,
        values: Int64[np.ndarray, " m"] | Float64[np.ndarray, " m"],
        *,
        seen: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray,
    ) -> Int64[np.ndarray, " m"]:
        """Of numbers that never fall, how many are at most each value.

        Args:
            seen: what is compared in the place of the numbers; keeps their order.
        """
        first = np.array(self._first + self._tail[:1], np.int64)
        number = np.maximum(np.searchsorted(seen(first), values, side="right") - 1, 0)
        found = np.zeros(len(values), np.int64)
        for place, which in _grouped(number) if len(self) else ():
            block = seen(self._block(place))
            found[which] = BLOCK * place + np.searchsorted(block, values[which], side="right")
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_unpacked": None}

    def _pack(self) -> None:
        numbers = np.frombuffer(self._tail, np.int64).copy()
        self._packed.append(_packed(numbers))
        self._first.append(int(numbers[0]))
        self._tail = array("q")

    def _reaching(self, value: int) -> int:
        """The last block, of numbers that never fall, that begins at or below a value; or -1."""
        if self._tail and self._tail[0] <= value:
            return len(self._packed)
        return bisect_right(self._first, value) - 1

    def _block(self, number: int) -> Int64[np.ndarray, " b"]:
        if number == len(self._packed):
            return np.array(self._tail, np.int64)
        if self._unpacked is None or self._unpacked[0] != number:
            self._unpacked = number, _unpacked(self._packed[number])
        return self._unpacked[1]


class _Block(NamedTuple):
    first: int
    step: int
    above: NDArray[Any] | None  # steps above the least one; None if all are the same


def _packed(numbers: Int64[np.ndarray, " b"]) -> _Block:
    # Differences of numbers far apart wrap around, and their sums back.
    steps = np.diff(numbers)
    least = steps.min()
    above = (steps - least).view(np.uint64)
    most = int(above.max())
    small = next(dtype for dtype in _SMALL if most <= np.iinfo(dtype).max)
    return _Block(int(numbers[0]), int(least), above.astype(small) if most else None)


def _unpacked(block: _Block) -> Int64[np.ndarray, " b"]:
    numbers = np.full(BLOCK, block.step, np.int64)
    numbers[0] = block.first
    if block.above is not None:
        numbers[1:] += block.above.astype(np.int64)
    np.cumsum(numbers, out=numbers)
    numbers.flags.writeable = False
    return numbers


def _grouped(
    numbers: Int64[np.ndarray, " m"],
) -> Iterator[tuple[int, slice | Int64[np.ndarray, " _"]]]:
    """Each of some numbers, with the places where it stands."""
    if not len(numbers):
        return
    if numbers.min() == numbers.max():
        yield int(numbers[0]), slice(None)
        return
    order = np.argsort(numbers, kind="stable")
    distinct, start = np.unique(numbers[order], return_index=True)
    yield from zip(distinct.tolist(), np.split(order, start[1:]), strict=True)
