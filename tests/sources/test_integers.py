"""Whole numbers kept small: what went in comes out, and is found where a plain list has it."""

import pickle
from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.sources.integers import BLOCK, Integers

LENGTHS = [0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 300]
FAR = 2**63 - 1


def _packed(numbers):
    packed = Integers()
    packed.extend(np.array(numbers, np.int64))
    return packed


def _plain(packed):
    return [number for block in packed.blocks() for number in block.tolist()]


def _steps(draw, length):
    """Steps of a random kind: even, nearly even, of any size, none, or back and forth."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    low, high = draw(st.sampled_from([(7, 8), (33, 35), (0, 2), (1, 10**6), (-90, 400), (0, 1)]))
    return random.integers(low, high, length)


@st.composite
def rows(draw, *, falling=True):
    length = draw(st.sampled_from(LENGTHS[1:]))
    steps = _steps(draw, length)
    if not falling:
        steps = np.abs(steps)
    steps[0] = draw(st.integers(-(2**40), 2**40))
    return np.cumsum(steps)


@settings(deadline=None, max_examples=40)
@given(rows())
def test_what_goes_in_comes_out(numbers):
    together, singly = _packed(numbers), Integers()
    for number in numbers.tolist():
        singly.append(number)
    assert _plain(together) == _plain(singly) == numbers.tolist()
    assert len(together) == len(singly) == len(numbers)


@pytest.mark.parametrize("extremes", [[-FAR - 1, FAR], [FAR, -FAR - 1, 0], [-FAR - 1] * 2 + [7]])
def test_numbers_as_far_apart_as_can_be_are_kept(extremes):
    numbers = (extremes * BLOCK)[: BLOCK + 5]
    assert _plain(_packed(numbers)) == numbers


@settings(deadline=None, max_examples=40)
@given(rows(), st.data())
def test_numbers_are_found_by_place(numbers, data):
    places = data.draw(st.lists(st.integers(0, len(numbers) - 1), max_size=20))
    packed = _packed(numbers)
    assert packed.take(np.array(places, np.int64)).tolist() == numbers[places].tolist()
    for place in [*places, 0, -1, -len(numbers)]:
        assert packed[place] == numbers[place]


@settings(deadline=None, max_examples=40)
@given(rows(falling=False), st.data())
def test_ranks_are_those_in_a_plain_list(numbers, data):
    near = data.draw(st.lists(st.sampled_from(numbers.tolist()), max_size=20))
    values = [value + step for value in near for step in (-1, 0, 1)] + [-FAR, FAR]
    packed = _packed(numbers)
    wanted = [bisect_right(numbers.tolist(), value) for value in values]
    assert packed.ranks(np.array(values)).tolist() == wanted
    assert [packed.rank(value) for value in values] == wanted


@settings(deadline=None, max_examples=40)
@given(rows(falling=False), st.data())
def test_a_number_is_found_where_it_stands_and_no_other_is(numbers, data):
    rising = np.unique(numbers)
    near = data.draw(st.lists(st.sampled_from(rising.tolist()), max_size=20))
    values = [value + step for value in near for step in (-1, 0, 1)] + [-FAR, FAR]
    wanted = [rising.tolist().index(value) if value in rising else -1 for value in values]
    packed = _packed(rising)
    assert [packed.find(value) for value in values] == wanted


@settings(deadline=None, max_examples=40)
@given(rows(falling=False), st.integers(0, 2**32))
def test_ranks_can_be_sought_in_another_unit(numbers, seed):
    def seconds(ticks):
        return ticks * 0.01

    first, last = seconds(numbers[[0, -1]])
    values = np.random.default_rng(seed).uniform(first - 1, last + 1, 30)
    wanted = np.searchsorted(seconds(numbers), values, side="right")
    assert _packed(numbers).ranks(values, seen=seconds).tolist() == wanted.tolist()


@settings(deadline=None, max_examples=40)
@given(rows())
def test_the_range_of_steps_is_that_between_all_neighbours(numbers):
    steps = np.diff(numbers) if len(numbers) > 1 else np.zeros(1)
    assert _packed(numbers).step_range == (steps.min(), steps.max())


@pytest.mark.parametrize("step", [-50, 50])
def test_a_step_between_blocks_is_in_the_range_of_steps(step):
    numbers = np.r_[np.arange(BLOCK), BLOCK - 1 + step + np.arange(BLOCK)]
    assert _packed(numbers).step_range == (min(step, 1), max(step, 1))


@pytest.mark.parametrize("place", [3, -4])
def test_a_place_outside_is_refused(place):
    with pytest.raises(IndexError, match=f"place {place} of 3 numbers"):
        _packed([4, 5, 9])[place]


def test_of_no_numbers_none_is_found():
    empty = Integers()
    assert (empty.rank(5), empty.find(5)) == (0, -1)
    assert empty.ranks(np.array([5, 6])).tolist() == [0, 0]
    assert _plain(empty) == []


def test_blocks_cannot_be_written_to():
    packed = _packed(range(2 * BLOCK))
    with pytest.raises(ValueError, match="read-only"):
        next(packed.blocks())[3] = 0


@pytest.mark.parametrize(("jitter", "bytes_each"), [(0, 0.4), (200, 1.4), (10_000, 2.4)])
def test_steps_that_are_nearly_the_same_take_few_bytes(jitter, bytes_each):
    steps = 3000 + np.random.default_rng(0).integers(0, jitter + 1, 100 * BLOCK)
    assert len(pickle.dumps(_packed(np.cumsum(steps)))) < bytes_each * 100 * BLOCK


def test_a_sent_copy_holds_the_same():
    numbers = list(range(0, 9 * BLOCK, 7))
    packed = _packed(numbers)
    packed.rank(50)
    assert _plain(pickle.loads(pickle.dumps(packed))) == numbers
