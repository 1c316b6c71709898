from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.data.windows import WindowShape, random_window, sliding_starts, window_at

SHAPE = WindowShape(clip_frames=8, clips=5, stride=2)


@given(st.integers(0, 400), st.integers(1, 60), st.floats(0, 0.95))
def test_sliding_windows_cover_every_cell_and_stop_at_the_first_that_reaches_the_end(
    cells, length, overlap
):
    starts = list(sliding_starts(cells, length=length, overlap=overlap))
    seen = np.zeros(max(cells, 1), bool)
    for start in starts:
        seen[start : start + length] = True
    assert seen[:cells].all()
    assert all(start + length < cells for start in starts[:-1])


def test_thumos_windows_of_480_frames_move_by_360():
    assert list(sliding_starts(600, length=240, overlap=0.25)) == [0, 180, 360]


@given(st.integers(1, 300), st.integers(0, 10**6))
def test_a_random_window_starts_at_a_cell_and_lies_in_a_long_video(frames, seed):
    window = random_window(
        "v", video_frames=frames, fps=10, shape=SHAPE, random=np.random.default_rng(seed)
    )
    assert window.clips.first_frame % SHAPE.stride == 0
    if frames >= SHAPE.frames:
        assert window.valid_cells == SHAPE.cells
    else:
        assert window.clips.first_frame == 0
        assert window.valid_cells == -(-frames // 2)


def test_every_start_is_drawn():
    random = np.random.default_rng(0)
    starts = {
        random_window("v", video_frames=47, fps=10, shape=SHAPE, random=random).clips.first_frame
        for _ in range(200)
    }
    assert starts == {0, 2, 4, 6, 8}


@pytest.mark.parametrize(
    ("frames", "cells", "clips"), [(20, 10, 3), (1, 1, 1), (39, 20, 5), (500, 20, 5)]
)
def test_cells_and_clips_behind_the_end_are_not_valid(frames, cells, clips):
    window = window_at("v", 0, video_frames=frames, fps=10, shape=SHAPE)
    assert (window.valid_cells, window.valid_clips) == (cells, clips)


@pytest.mark.parametrize(
    ("frames", "shift", "clips"), [(40, 1, 6), (20, 2, 3), (20, 3, 4), (2, 3, 1), (4, 3, 2)]
)
def test_shifted_clips_that_touch_the_video_are_valid(frames, shift, clips):
    window = window_at("v", 0, video_frames=frames, fps=10, shape=SHAPE, shift=shift)
    assert window.valid_clips == clips
    there = [(window.clips.frames(clip) < frames).any() for clip in range(window.clips.parts)]
    assert sum(there) == clips


def test_every_shift_is_drawn_and_leaves_the_window_where_it_is():
    random, shape = np.random.default_rng(0), replace(SHAPE, shifted=True)
    drawn = [
        random_window("v", video_frames=31, fps=10, shape=shape, random=random).clips
        for _ in range(100)
    ]
    assert {clips.shift for clips in drawn} == {0, 1, 2, 3}
    assert {clips.first_frame for clips in drawn} == {0}


def test_a_window_that_starts_late_is_valid_up_to_the_end_of_the_video():
    window = window_at("v", 10, video_frames=25, fps=10, shape=SHAPE)
    assert window.valid_cells == 3
    assert window.clips.cells.to_seconds(0) == 2.0
