import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.core.clips import ClipGrid
from untrimmed.core.grid import TimeGrid

grids = st.builds(
    TimeGrid,
    first_s=st.floats(-100, 1e4),
    step_s=st.floats(1e-3, 60),
    length=st.integers(0, 5000),
)


@given(grids, st.lists(st.floats(0, 1e4), max_size=9))
def test_to_cells_undoes_to_seconds(grid, positions):
    assert np.allclose(grid.to_cells(grid.to_seconds(positions)), positions, atol=1e-6)


@given(grids, st.integers(-50, 50), st.integers(0, 90), st.floats(0, 90))
def test_a_window_starts_where_its_cell_lies(grid, start, length, position):
    window = grid.window(start, length)
    assert np.isclose(window.to_seconds(position), grid.to_seconds(start + position))


@given(grids, st.integers(1, 8), st.floats(-2, 2), st.floats(0, 90))
def test_a_coarser_grid_lies_on_the_finer_one(grid, stride, shift, position):
    coarse = grid.coarser(stride, shift=shift)
    assert np.isclose(coarse.to_seconds(position), grid.to_seconds(shift + stride * position))


def test_positions_of_clip_features_are_the_middles_of_their_clips():
    grid = TimeGrid.from_clips(fps=30, clip_frames=16, step_frames=4, length=2304)
    assert grid.to_seconds([0, 1]).tolist() == [8 / 30, 12 / 30]


def test_a_stretched_video_fills_its_cells():
    assert TimeGrid.stretched(duration_s=121.3, length=768).to_seconds(768) == pytest.approx(121.3)


def test_cells_of_a_clip_grid_start_with_its_first_frame():
    clips = ClipGrid(fps=15, clip_frames=32, stride=2, first_frame=360, clips=15)
    assert clips.cells.to_seconds([0, 240]).tolist() == [24.0, 56.0]
    assert clips.frames(1).tolist() == list(range(392, 424))


def test_a_shift_moves_clips_and_leaves_cells():
    clips = ClipGrid(fps=10, clip_frames=8, stride=2, first_frame=20, clips=3, shift=3)
    plain = ClipGrid(fps=10, clip_frames=8, stride=2, first_frame=20, clips=3)
    assert clips.cells == plain.cells
    assert (clips.parts, plain.parts) == (4, 3)
    assert [clips.first_cell_of(clip) for clip in range(4)] == [-3, 1, 5, 9]
    assert clips.frames(0).tolist() == list(range(14, 22))


@pytest.mark.parametrize("shift", [-1, 4])
def test_a_shift_of_a_whole_clip_is_refused(shift):
    with pytest.raises(ValueError, match=f"a shift of {shift} cells, where a clip has 4"):
        ClipGrid(fps=10, clip_frames=8, stride=2, first_frame=0, clips=3, shift=shift)


def test_a_clip_of_partial_cells_is_refused():
    with pytest.raises(ValueError, match="a clip of 31 frames is not a whole number of strides"):
        ClipGrid(fps=15, clip_frames=31, stride=2, first_frame=0, clips=1)
