"""What is needed of the packets of a video, of which a long one has a million.

Made by `sources.video_index`, which reads them.

Shapes: n packets.
"""

from __future__ import annotations

from array import array

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from jaxtyping import Bool, Int64

NO_TIME = -(2**63)
"""In the place of a time that the container does not state."""


class Packets:
    """What is needed of packets, in the order of decoding; in arrays, for they are many.

    Corrupt ones at the end are left out: a part of a file that was cut off.
    """

    def __init__(self) -> None:
        self._pts, self._duration, self._offset = array("q"), array("q"), array("q")
        self._key, self._shown = bytearray(), bytearray()
        self._whole = 0  # packets up to the last that is not corrupt
        self._in_order = 0  # packets ahead of the first that is to be decoded before another
        self._last_dts: int | None = None

    def add(self, packet: Packet[VideoStream]) -> None:
        before, dts = self._last_dts, packet.dts
        self._last_dts = before if dts is None else dts
        if dts is None or before is None or dts >= before:
            self._in_order += self._in_order == len(self._pts)
        self._pts.append(NO_TIME if packet.pts is None else packet.pts)
        self._duration.append(packet.duration or 0)
        self._offset.append(-1 if packet.pos is None else packet.pos)
        self._key.append(packet.is_keyframe)
        self._shown.append(not packet.is_discard)
        if not packet.is_corrupt:
            self._whole = len(self._pts)

    def __len__(self) -> int:
        return self._whole

    @property
    def begun(self) -> bool:
        """Whether any was added, corrupt or not."""
        return bool(self._pts)

    @property
    def in_order(self) -> bool:
        """Whether none is to be decoded before one that stands ahead of it."""
        return self._in_order >= self._whole

    @property
    def pts(self) -> Int64[np.ndarray, " n"]:
        """The container's times; `NO_TIME` where it states none."""
        return np.frombuffer(self._pts, np.int64, self._whole)

    @property
    def duration(self) -> Int64[np.ndarray, " n"]:
        return np.frombuffer(self._duration, np.int64, self._whole)

    @property
    def offset(self) -> Int64[np.ndarray, " n"]:
        return np.frombuffer(self._offset, np.int64, self._whole)

    @property
    def key(self) -> Bool[np.ndarray, " n"]:
        return np.frombuffer(self._key, bool, self._whole)

    @property
    def shown(self) -> Bool[np.ndarray, " n"]:
        return np.frombuffer(self._shown, bool, self._whole)


def in_order_shown(packets: Packets) -> Int64[np.ndarray, " n"]:
    """The packets of the frames that are shown, by time; of those with the same time the last.

    Frames ahead of the first key frame refer to frames that the file does not hold.
    """
    order = np.argsort(packets.pts, kind="stable")
    times = packets.pts[order]
    # Without a time of its own the first is ahead of none: `NO_TIME` is the least number.
    shown = packets.shown[order] & (times != NO_TIME) & (times >= packets.pts[0])
    if not shown.all():
        order, times = order[shown], times[shown]
    last = np.append(times[1:] != times[:-1], True)
    return order if last.all() else order[last]
