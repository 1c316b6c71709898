"""Packets of any times: the order shown, and what else is asked, as sorting them all gives it."""

import av
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.sources.packets import Packets

MOST = 2600  # more than two blocks
NONE = -(2**63)


def _gathered(rows):
    """Packets of rows (pts or None, dts or None, duration, key, corrupt)."""
    packets = Packets()
    for pts, dts, duration, key, corrupt in rows:
        packet = av.Packet(b"x")
        packet.pts, packet.dts, packet.duration = pts, dts, duration
        packet.is_keyframe, packet.is_corrupt = key, corrupt
        packets.add(packet)
    packets.finish()
    return packets


def _of_times(times):
    return _gathered([(time, None, 0, place == 0, False) for place, time in enumerate(times)])


def _plain(numbers):
    return [number for block in numbers.blocks() for number in block.tolist()]


@st.composite
def times(draw):
    """In the order of decoding: reordered near or far, some equal, some missing."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    length = draw(st.sampled_from([1, 2, 7, 1024, 1500, MOST]))
    shown = np.cumsum(random.integers(0, draw(st.sampled_from([2, 4, 5000])), length))
    distance = draw(st.sampled_from([0, 3, 40, 2000, 10**6]))
    order = np.argsort(np.arange(length) + random.uniform(0, distance + 1, length), kind="stable")
    missing = random.random(length) < draw(st.sampled_from([0, 0.1]))
    decoded = shown[order].tolist()
    return [None if lost else time for lost, time in zip(missing, decoded, strict=True)]


@settings(deadline=None, max_examples=60)
@given(times(), st.integers(0, 2**32))
def test_frames_are_in_the_order_of_their_times_the_last_of_equal_ones(times, seed):
    key = np.random.default_rng(seed).random(len(times)) < 0.2
    rows = [(time, None, 5, bool(own), False) for time, own in zip(times, key, strict=True)]
    least = NONE if times[0] is None else times[0]
    last = {time: place for place, time in enumerate(times) if time is not None and time >= least}
    wanted = sorted(last)
    shown = _gathered(rows).in_order_shown()
    assert _plain(shown.pts) == wanted
    assert _plain(shown.keys) == [n for n, time in enumerate(wanted) if key[last[time]]]


@settings(deadline=None, max_examples=40)
@given(times())
def test_distinct_times_are_counted_without_those_that_are_missing(times):
    assert _of_times(times).distinct_times == len(set(times) - {None})


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 90))
def test_the_usual_duration_is_the_median_of_those_stated(durations, times):
    packets = _gathered([(0, None, duration, True, False) for duration in durations * times])
    stated = [duration for duration in durations if duration]
    assert packets.usual_duration == (np.median(stated * times) if stated else 0)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, MOST), st.integers(0, 5), st.integers(0, MOST), st.integers(0, 2**32))
def test_corrupt_packets_count_only_ahead_of_whole_ones(whole, corrupt, earlier, seed):
    damaged = np.random.default_rng(seed).random(whole) < 0.3
    damaged[-1] = False
    tail = [(whole, -1, 0, False, True)] * corrupt  # which would be out of order
    rows = [(n, n, 0, n == 0, bool(damaged[n])) for n in range(whole)]
    packets = _gathered(rows + tail)
    assert len(packets) == whole
    assert packets.in_order
    assert _plain(packets.in_order_shown().pts) == list(range(whole))
    if 0 < earlier < whole:
        rows[earlier] = (earlier, earlier - 2, 0, False, False)
        assert not _gathered(rows).in_order


def test_a_last_time_that_is_the_least_keeps_all_others_out_of_order():
    times = [*range(1, MOST), 0]
    shown = _gathered([(None, 0, 0, True, False), *((t, 0, 0, False, False) for t in times)])
    assert _plain(shown.in_order_shown().pts) == list(range(MOST))


def test_as_decoded_frames_are_numbered_from_zero():
    shown = _of_times([None] * 1500).as_decoded()
    assert _plain(shown.pts) == list(range(1500))
    assert _plain(shown.keys) == [0]


def test_the_last_duration_is_that_of_the_last_frame_shown():
    rows = [(0, 0, 10, True, False), (30, 1, 20, False, False), (10, 2, 40, False, False)]
    assert _gathered(rows).in_order_shown().last_duration == 20
