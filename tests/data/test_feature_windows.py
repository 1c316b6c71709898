"""Crops of features: what lies in them, in cells, and when they are drawn again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.core.grid import TimeGrid
from untrimmed.data.feature_windows import covered, random_crop

NONE = np.zeros((0, 2))


class Drawn:
    """A source of whole numbers that gives those it was made with, and remembers the bounds."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)
        self.asked = []

    def integers(self, low, high):
        self.asked.append((low, high))
        return self.numbers[min(len(self.asked), len(self.numbers)) - 1]


def crop(segments, *, random, length=20, cells=8, share=0.5, offset=0.5, shorten=None):
    return random_crop(
        np.array(segments, np.float64).reshape(-1, 2),
        length=length,
        cells=cells,
        share=share,
        offset=offset,
        shorten=shorten,
        random=random,
    )


def test_a_video_that_fits_is_left_whole_with_all_its_actions():
    segments = [[-3.0, 1.0], [5.0, 40.0], [7.0, 7.0]]
    random = Drawn()
    whole = crop(segments, random=random, length=8)
    assert (whole.start, whole.stop) == (0, 8)
    assert whole.segments.tolist() == segments
    assert whole.chosen.all()
    assert random.asked == []


def test_a_long_video_is_cut_to_the_window_at_any_start():
    random = Drawn(12)
    part = crop([[11.0, 17.0]], random=random)
    assert random.asked == [(0, 13)]
    assert (part.start, part.stop) == (12, 20)
    assert part.segments.tolist() == [[-0.5, 5.0]]  # the clip of cell 12 begins at 11.5


def test_actions_of_which_too_little_is_seen_are_left_out():
    segments = [[0.0, 8.9], [3.5, 5.5], [2.9, 5.1], [11.4, 13.6], [13.0, 15.0]]
    part = crop(segments, random=Drawn(5), offset=0.0)
    assert part.chosen.tolist() == [False, False, False, True, False]
    assert crop(segments, random=Drawn(5), offset=0.5).chosen.tolist() == [
        False, True, False, True, False
    ]  # fmt: skip
    at_half = crop([[4.0, 6.0]], random=Drawn(5), offset=0.0)
    assert at_half.segments.tolist() == [[0.0, 1.0]]


def test_it_is_drawn_again_until_an_action_is_seen():
    random = Drawn(0, 12, 3, 9)
    part = crop([[4.0, 6.0]], random=random)
    assert len(random.asked) == 1
    random = Drawn(12, 9, 3)
    part = crop([[4.0, 6.0]], random=random)
    assert len(random.asked) == 3
    assert part.start == 3


def test_after_200_draws_the_last_is_taken_without_actions():
    random = Drawn(12)
    part = crop([[4.0, 6.0]], random=random)
    assert len(random.asked) == 200
    assert part.start == 12
    assert part.segments.shape == (0, 2)
    assert part.chosen.tolist() == [False]


def test_a_video_without_actions_is_background_wherever_it_is_cut():
    random = Drawn(12)
    part = crop(NONE, random=random)
    assert random.asked == [(0, 13)]
    assert (part.start, part.stop, len(part.segments)) == (12, 20, 0)


def test_an_action_without_length_is_never_seen_in_a_cut():
    with np.errstate(all="raise"):
        part = crop([[14.0, 14.0], [13.0, 15.0]], random=Drawn(12))
    assert part.chosen.tolist() == [False, True]


def test_a_video_that_fits_may_be_shortened():
    random = Drawn(6, 1)
    part = crop([[2.0, 4.0]], random=random, length=7, shorten=(0.5, 1.0))
    assert random.asked == [(4, 8), (0, 2)]  # 3.5 is rounded to an even number
    assert (part.start, part.stop) == (1, 7)
    whole = crop([[2.0, 2.0]], random=Drawn(7), length=7, shorten=(0.5, 1.0))
    assert whole.chosen.tolist() == [True]


def test_a_video_longer_than_the_window_is_not_shortened_further():
    random = Drawn(12)
    assert crop(NONE, random=random, shorten=(0.5, 0.6)).stop == 20
    assert random.asked == [(0, 13)]


spans = st.tuples(st.floats(-5, 90), st.floats(0, 60)).map(lambda span: (span[0], sum(span)))


@given(
    st.lists(spans, max_size=6),
    st.integers(1, 80),
    st.integers(1, 40),
    st.floats(0.1, 1.0),
    st.floats(0, 3),
    st.integers(0, 99),
)
def test_a_crop_keeps_the_seconds_of_its_actions(spans, length, cells, share, offset, seed):
    segments = np.array(spans).reshape(-1, 2)
    random = np.random.default_rng(seed)
    part = crop(
        segments, random=random, length=length, cells=cells, share=share, offset=offset,
        shorten=(0.4, 0.9),
    )  # fmt: skip
    assert 0 <= part.start < part.stop <= length
    assert part.stop - part.start <= cells
    grid = TimeGrid(first_s=1.5, step_s=0.25, length=length)
    inside = grid.window(part.start, part.stop - part.start)
    bounds = (-np.inf, np.inf)
    if part.stop - part.start < length:
        bounds = (part.start - offset, part.stop + offset)
    wanted = grid.to_seconds(np.clip(segments[part.chosen], *bounds))
    assert np.allclose(inside.to_seconds(part.segments), wanted)


def test_actions_are_cut_where_the_features_end():
    segments = np.array([[1.0, 3.0], [8.0, 12.0], [9.0, 14.0], [10.5, 11.0], [2.0, 2.0]])
    with np.errstate(all="raise"):
        cut, left = covered(segments, length=10, share=0.5, offset=0.5)
    assert left.tolist() == [True, True, False, False, False]
    assert cut.tolist() == [[1.0, 3.0], [8.0, 10.5]]


def test_no_action_may_be_left():
    cut, left = covered(np.array([[50.0, 60.0]]), length=10, share=0.5, offset=0.5)
    assert cut.shape == (0, 2)
    assert not left.any()


def test_an_action_that_begins_before_the_video_is_not_cut_there():
    cut, _ = covered(np.array([[-4.0, 3.0]]), length=10, share=0.9, offset=0.5)
    assert cut.tolist() == [[-4.0, 3.0]]


@pytest.mark.parametrize("start", range(13))
def test_every_start_is_drawn(start):
    starts = {crop(NONE, random=np.random.default_rng(seed)).start for seed in range(300)}
    assert start in starts
