from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.data.sampling import batch_keys, choose_clips, clips_to_encode, steps_of


@pytest.mark.parametrize(
    ("rate", "clips"), [(0.15, 2), (0.3, 4), (0.4, 6), (0.6, 9), (1.0, 15), (0.01, 1), (0.0, 0)]
)
def test_a_rate_takes_as_many_of_15_clips_as_the_authors_take(rate, clips):
    assert clips_to_encode(15, keep=rate) == clips


@given(st.integers(1, 30), st.floats(0.01, 1), st.integers(0, 30), st.integers(0, 99))
def test_clips_are_distinct_and_rising_and_hold_frames_where_there_are_enough(
    clips, keep, valid, seed
):
    valid = min(valid, clips)
    random = np.random.default_rng(seed)
    chosen = choose_clips(clips, keep=keep, valid=valid, random=random)
    assert len(chosen) == clips_to_encode(clips, keep=keep)
    assert (np.diff(chosen) > 0).all()
    assert chosen.max() < clips
    if valid >= len(chosen):
        assert chosen.max() < valid


@given(st.integers(1, 30), st.floats(0.01, 1), st.integers(1, 31), st.integers(0, 99))
def test_spread_clips_are_distinct_and_rising_and_hold_frames(clips, keep, valid, seed):
    valid = min(valid, clips + 1)  # one more where clips are shifted
    random = np.random.default_rng(seed)
    chosen = choose_clips(clips, keep=keep, valid=valid, spread=True, random=random)
    assert len(chosen) == clips_to_encode(clips, keep=keep)
    assert (np.diff(chosen) > 0).all()
    if valid >= len(chosen):
        assert chosen.max() < valid


def test_a_spread_clip_lies_in_its_stretch_or_behind_the_one_before():
    random = np.random.default_rng(0)
    width = 25 / 9
    for _ in range(300):
        chosen = choose_clips(24, keep=0.375, valid=25, spread=True, random=random)
        assert (chosen >= np.floor(width * np.arange(9))).all()
        assert (chosen <= np.ceil(width * np.arange(1, 10)) - 1).all()


def test_every_clip_is_spread_to_also_the_last():
    random = np.random.default_rng(0)
    seen = Counter(
        clip
        for _ in range(3000)
        for clip in choose_clips(24, keep=0.375, valid=25, spread=True, random=random).tolist()
    )
    assert set(seen) == set(range(25))
    assert min(seen.values()) > 0.8 * 3000 * 9 / 25


def test_every_clip_is_as_likely_as_any_other():
    random = np.random.default_rng(0)
    counts = Counter(
        clip for _ in range(6000) for clip in choose_clips(5, keep=0.4, random=random).tolist()
    )
    assert all(abs(counts[clip] - 2400) < 200 for clip in range(5))


def test_a_clip_of_twice_the_weight_is_twice_as_likely():
    random, weights = np.random.default_rng(0), np.array([1.0, 2.0, 1.0, 9.0])
    counts = Counter(
        int(choose_clips(4, keep=0.25, valid=3, weights=weights, random=random)[0])
        for _ in range(8000)
    )
    assert abs(counts[1] - 4000) < 200
    assert abs(counts[0] - 2000) < 200
    assert counts[3] == 0


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 5), st.integers(0, 9))
def test_every_epoch_sees_every_video_once(count, batch, epochs, seed):
    keys = [
        key for keys in batch_keys(count, batch=batch, epochs=epochs, seed=seed) for key in keys
    ]
    assert len(keys) == steps_of(count, batch=batch, epochs=epochs) * batch
    seen = Counter(keys)
    assert set(seen.values()) <= {1}
    full = len(keys) // count
    assert {key for key in seen if key[0] < full} == {
        (epoch, index) for epoch in range(full) for index in range(count)
    }


def test_a_resumed_run_goes_on_with_the_same_batches():
    whole = list(batch_keys(7, batch=3, epochs=4, seed=5))
    assert list(batch_keys(7, batch=3, epochs=4, seed=5, first_step=4)) == whole[4:]


def test_epochs_differ_in_order():
    keys = list(batch_keys(20, batch=20, epochs=2, seed=0))
    assert [index for _, index in keys[0]] != [index for _, index in keys[1]]
