"""What is needed of the packets of a video, of which a long one has a million.

Made by `sources.video_index`, which reads them.  Nothing here holds a whole video as an array of
eight bytes for each packet: numbers are packed as they come, and put into the order shown some at
a time.

Shapes: m packets of some.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from jaxtyping import Int64

from untrimmed.sources.integers import BLOCK, Integers

_NO_TIME = -(2**63)

_Piece = tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]  # times, and numbers of packets


class Shown(NamedTuple):
    """The frames that are shown, in that order.

    Args:
        pts: when, in the container's ticks, strictly rising; frame numbers if it has no times.
        keys: which frames are key frames, rising.
        offsets: where in the file the packet of each key frame begins, in bytes; -1 if not known.
        last_duration: of the last frame, in ticks; 0 if it is not stated.
    """

    pts: Integers
    keys: Integers
    offsets: Integers
    last_duration: int


class Packets:
    """What is needed of packets, in the order of decoding.

    Corrupt ones at the end are left out: a part of a file that was cut off.
    """

    def __init__(self) -> None:
        self._pts, self._duration = Integers(), Integers()
        self._key, self._shown = bytearray(), bytearray()
        self._key_numbers, self._key_offsets = Integers(), Integers()
        self._recent = _Recent.none()
        self._whole = 0  # of the recent ones, those up to the last that is not corrupt
        self._disorder: int | None = None  # the first to be decoded before one ahead of it
        self._last_dts: int | None = None

    def add(self, packet: Packet[VideoStream]) -> None:
        recent, dts = self._recent, packet.dts
        if dts is not None:
            before, self._last_dts = self._last_dts, dts
            if before is not None and dts < before and self._disorder is None:
                self._disorder = len(self._pts) + len(recent.pts)
        recent.pts.append(_NO_TIME if packet.pts is None else packet.pts)
        recent.duration.append(packet.duration or 0)
        recent.offset.append(-1 if packet.pos is None else packet.pos)
        recent.key.append(packet.is_keyframe)
        recent.shown.append(not packet.is_discard)
        if not packet.is_corrupt:
            self._whole = len(recent.pts)
            if self._whole >= BLOCK:
                self._pack()

    def finish(self) -> None:
        """To be done once, behind the last; only then can anything be asked."""
        self._pack()

    def __len__(self) -> int:
        return len(self._pts)

    @property
    def begun(self) -> bool:
        """Whether any was added, corrupt or not; can be asked at any time."""
        return bool(len(self._pts) or self._recent.pts)

    @property
    def in_order(self) -> bool:
        """Whether none is to be decoded before one that stands ahead of it."""
        return self._disorder is None or self._disorder >= len(self)

    @property
    def usual_duration(self) -> float:
        """The median of the durations that are stated, in ticks; 0 if none is."""
        counts: Counter[int] = Counter()
        for block in self._duration.blocks():
            values, times = np.unique(block[block > 0], return_counts=True)
            counts.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
        if not counts:
            return 0.0
        durations = sorted(counts)
        ends = np.cumsum([counts[each] for each in durations])
        middle = np.array([ends[-1] - 1, ends[-1]]) // 2  # the same place if their number is odd
        lower, upper = np.searchsorted(ends, middle, side="right")
        return (durations[int(lower)] + durations[int(upper)]) / 2

    @property
    def distinct_times(self) -> int:
        """How many different times they state."""
        distinct = 0
        for times, _ in _by_time(self._pts):
            times = times[times != _NO_TIME]
            distinct += len(times[:1]) + int(np.count_nonzero(times[1:] != times[:-1]))
        return distinct

    def in_order_shown(self) -> Shown:
        """Frames by time; of those with the same time the last.

        Frames ahead of the first key frame refer to frames that the file does not hold.
        """
        return self._gathered(map(self._visible, _by_time(self._pts)))

    def as_decoded(self) -> Shown:
        """Frames in the order of decoding, numbered."""
        return self._gathered(self._counted())

    def _pack(self) -> None:
        """Pack the recent ones, but for corrupt ones at their end."""
        recent, whole = self._recent, self._whole
        keys = np.flatnonzero(np.array(recent.key[:whole], bool))
        self._key_numbers.extend(len(self._pts) + keys)
        self._key_offsets.extend(np.array(recent.offset, np.int64)[keys])
        self._pts.extend(np.array(recent.pts[:whole], np.int64))
        self._duration.extend(np.array(recent.duration[:whole], np.int64))
        self._key += recent.key[:whole]
        self._shown += recent.shown[:whole]
        self._recent = _Recent.none()
        self._whole = 0

    def _visible(self, piece: _Piece) -> _Piece:
        times, numbers = piece
        # Without a time of its own the first is ahead of none: `_NO_TIME` is the least number.
        shown = np.frombuffer(self._shown, bool)[numbers]
        shown &= (times != _NO_TIME) & (times >= self._pts[0])
        times, numbers = times[shown], numbers[shown]
        last = np.ones(len(times), bool)
        last[:-1] = times[1:] != times[:-1]
        return times[last], numbers[last]

    def _counted(self) -> Iterator[_Piece]:
        count = 0
        for start in range(0, len(self), BLOCK):
            shown = np.frombuffer(self._shown, bool)[start : start + BLOCK]
            numbers = start + np.flatnonzero(shown)
            yield count + np.arange(len(numbers), dtype=np.int64), numbers
            count += len(numbers)

    def _gathered(self, pieces: Iterator[_Piece]) -> Shown:
        pts, keys, offsets = Integers(), Integers(), Integers()
        last = 0
        for times, numbers in pieces:
            key = np.flatnonzero(np.frombuffer(self._key, bool)[numbers])
            keys.extend(len(pts) + key)
            offsets.extend(self._key_offsets.take(self._key_numbers.ranks(numbers[key]) - 1))
            pts.extend(times)
            last = int(numbers[-1]) if len(numbers) else last
        return Shown(pts, keys, offsets, self._duration[last])


class _Recent(NamedTuple):
    """Packets that are not packed yet."""

    pts: array[int]
    duration: array[int]
    offset: array[int]
    key: bytearray
    shown: bytearray

    @classmethod
    def none(cls) -> _Recent:
        return cls(array("q"), array("q"), array("q"), bytearray(), bytearray())


def _by_time(pts: Integers) -> Iterator[_Piece]:
    """All times, rising, with the numbers of their packets; of equal ones in order of decoding.

    A time is given as soon as no earlier or equal one can follow, so what is held at once is only
    as much as frames are out of order.
    """
    least = np.array([block.min() for block in pts.blocks()])
    following = np.minimum.accumulate(least[::-1])[::-1][1:]  # the least time behind each block
    times = numbers = np.empty(0, np.int64)
    for place, block in enumerate(pts.blocks()):
        times = np.append(times, block)
        numbers = np.append(numbers, place * BLOCK + np.arange(len(block)))
        order = np.argsort(times, kind="stable")
        times, numbers = times[order], numbers[order]
        ready = len(times)
        if place < len(following):
            ready = int(np.searchsorted(times, following[place], side="left"))
        yield times[:ready], numbers[:ready]
        times, numbers = times[ready:], numbers[ready:]
