"""Where cells lie in time, what a sidecar says of it, and whether it can be true."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.core.annotations import Video
from untrimmed.core.config import dump, load
from untrimmed.core.errors import ConfigError, FormatError
from untrimmed.sources.feature_grid import (
    FeatureGrid,
    Sidecar,
    completed,
    read_sidecar,
    sidecar_path,
    write_sidecar,
)
from untrimmed.sources.features import FeatureFiles, Stack
from untrimmed.sources.grid_fit import described, fitting_grids, misfit


def video(duration_s=10.0, *, fps=None, id="v"):
    return Video(id=id, duration_s=duration_s, fps=fps)


def test_a_cell_lies_in_the_middle_of_its_clip():
    grid = FeatureGrid(clip_frames=16, step_frames=4).grid_of(video(fps=25.0), 7)
    assert grid.to_seconds([0, 1]).tolist() == [8 / 25, 12 / 25]
    assert grid.length == 7


def test_the_stated_rate_goes_before_that_of_the_annotations():
    grid = FeatureGrid(fps=15, clip_frames=16, step_frames=6.5)
    cells = grid.grid_of(video(fps=25.0), 7)
    assert cells.first_s == pytest.approx(8 / 15)
    assert cells.step_s == pytest.approx(6.5 / 15)


def test_resized_cells_share_what_the_clips_cover():
    cells = FeatureGrid(fps=15, clip_frames=32, step_frames=16, resize=64).grid_of(video(), 110)
    covered_s = (109 * 16 + 32) / 15
    assert cells.length == 64
    assert cells.to_seconds(-0.5) == pytest.approx(0)
    assert cells.to_seconds(63.5) == pytest.approx(covered_s)


@pytest.mark.parametrize("resize", [None, 8])
def test_without_a_step_cells_are_spread_over_the_video(resize):
    cells = FeatureGrid(resize=resize).grid_of(video(12.0), 5)
    assert cells.length == (resize or 5)
    assert cells.to_seconds(-0.5) == pytest.approx(0)
    assert cells.to_seconds(cells.length - 0.5) == pytest.approx(12.0)


grids = st.builds(
    FeatureGrid,
    fps=st.floats(1, 60),
    clip_frames=st.floats(1, 64),
    step_frames=st.none() | st.floats(0.5, 64),
    resize=st.none() | st.integers(1, 300),
)


@given(grids, st.floats(1, 1e4), st.integers(1, 5000), st.floats(0, 1e4))
def test_seconds_come_back_from_cells(grid, duration_s, rows, second):
    cells = grid.grid_of(video(duration_s), rows)
    assert np.isclose(cells.to_seconds(cells.to_cells(second)), second, rtol=1e-9, atol=1e-6)


@given(grids)
def test_settings_come_back_from_a_recipe(grid):
    assert load(FeatureGrid, dump(grid)) == grid


def test_a_rate_that_nobody_says_is_asked_for():
    with pytest.raises(ConfigError, match=r"data\.grid\.fps: .* the video v was encoded"):
        FeatureGrid(clip_frames=16, step_frames=4).grid_of(video(), 3)
    with pytest.raises(ConfigError, match=r"data\.grid\.clip_frames: missing"):
        FeatureGrid(fps=30, step_frames=4).grid_of(video(), 3)


@pytest.mark.parametrize("name", ["fps", "clip_frames", "step_frames", "resize"])
def test_settings_must_be_above_0(name):
    with pytest.raises(ValueError, match=f"{name}: wanted a number above 0, got -1"):
        FeatureGrid(**{name: -1})


SAID = Sidecar(fps=30, clip_frames=32, step_frames=16, channels=5, source="SlowFast")


def test_a_sidecar_lies_in_a_folder_or_beside_an_archive(tmp_path):
    assert sidecar_path(tmp_path) == tmp_path / "features.json"
    assert sidecar_path(tmp_path / "anet.v1.hdf5") == tmp_path / "anet.v1.features.json"


@pytest.mark.parametrize("name", ["", "all.npz"])
def test_a_sidecar_is_read_as_it_was_written(tmp_path, name):
    assert read_sidecar(tmp_path / name) is None
    write_sidecar(tmp_path / name, SAID)
    assert read_sidecar(tmp_path / name) == SAID
    written = json.loads(sidecar_path(tmp_path / name).read_text())
    assert written == {
        "fps": 30,
        "clip_frames": 32,
        "step_frames": 16,
        "channels": 5,
        "source": "SlowFast",
    }


def test_what_is_left_null_comes_from_the_sidecar(tmp_path):
    files = [FeatureFiles(path=tmp_path)]
    assert completed(FeatureGrid(fps=30), files) == FeatureGrid(fps=30)
    write_sidecar(tmp_path, SAID)
    wanted = FeatureGrid(fps=30, clip_frames=32, step_frames=16)
    assert completed(FeatureGrid(), files) == wanted
    assert completed(wanted, files) == wanted
    assert completed(FeatureGrid(resize=7), files).resize == 7


@pytest.mark.parametrize("name", ["fps", "clip_frames", "step_frames"])
def test_a_setting_that_contradicts_the_sidecar_is_refused_with_both(tmp_path, name):
    write_sidecar(tmp_path, SAID)
    said = getattr(SAID, name)
    with pytest.raises(ConfigError, match=rf"data\.grid\.{name}: 15, but .*json says {said}"):
        completed(FeatureGrid(**{name: 15}), [FeatureFiles(path=tmp_path)])


def test_a_sidecar_speaks_of_rows_and_the_grid_of_cells(tmp_path):
    write_sidecar(tmp_path, Sidecar(fps=50, clip_frames=1, step_frames=1))
    files = FeatureFiles(path=tmp_path, stack=Stack(rows=50, step=25), every=3)
    grid = completed(FeatureGrid(), [files])
    assert grid == FeatureGrid(fps=50, clip_frames=50, step_frames=75)
    # cell 1 is of the samples 75 to 124
    assert grid.grid_of(video(), 4).to_seconds(1) == pytest.approx((75 + 25) / 50)


def sets(tmp_path, *sidecars):
    files = []
    for number, sidecar in enumerate(sidecars):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_sidecar(folder, sidecar)
        files.append(FeatureFiles(path=folder))
    return files


def test_of_joined_sets_only_the_clips_may_differ(tmp_path):
    files = sets(tmp_path, SAID, Sidecar(fps=30, clip_frames=16, step_frames=16))
    assert completed(FeatureGrid(), files).clip_frames == 32
    assert completed(FeatureGrid(clip_frames=16), files).clip_frames == 16
    with pytest.raises(ConfigError, match=r"data\.grid\.clip_frames: 8, but .*0/features"):
        completed(FeatureGrid(clip_frames=8), files)


def test_joined_sets_of_other_steps_are_refused(tmp_path):
    files = sets(tmp_path, SAID, Sidecar(fps=30, clip_frames=32, step_frames=8))
    with pytest.raises(ConfigError, match=r"data\.grid\.step_frames: 16, but .*1/.* says 8"):
        completed(FeatureGrid(), files)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('{"step_frame": 4}', ConfigError, r"features\.json: step_frame: no such setting"),
        ('{"fps": "fast"}', ConfigError, "fps: wanted a number"),
        ('{"fps": 0}', ConfigError, r"features\.json: fps: wanted a number above 0"),
        ("[]", FormatError, "wanted an object in braces"),
        ("{", FormatError, "no JSON"),
    ],
)
def test_a_sidecar_of_something_else_is_refused(tmp_path, text, error, message):
    (tmp_path / "features.json").write_text(text)
    with pytest.raises(error, match=message):
        completed(FeatureGrid(), [FeatureFiles(path=tmp_path)])


def data_set(*, clip, step, fps=None, missing=0.0, seed=0, count=9):
    """Videos of different lengths, and the cells that clips give for them."""
    random = np.random.default_rng(seed)
    videos, rows = [], {}
    for number in range(count):
        rate = float(random.choice([24.0, 30.0]))
        one = video(float(random.uniform(20, 400)), fps=rate, id=f"v{number}")
        frames = int(one.duration_s * (fps or rate) * (1 - missing))
        videos.append(one)
        rows[one.id] = (frames - clip) // step + 1
    return videos, rows


@pytest.mark.parametrize(("clip", "step"), [(16, 4), (32, 16), (64, 8), (16, 16)])
def test_the_clips_that_features_were_made_from_explain_all_videos(clip, step):
    videos, rows = data_set(clip=clip, step=step)
    true = FeatureGrid(clip_frames=clip, step_frames=step)
    best = fitting_grids(videos, rows)
    assert best[0].share == 1.0
    assert best[0].grid.step_frames == step
    assert best[0].grid.fps is None
    assert true in [fit.grid for fit in best if fit.share == 1.0]
    assert misfit(true, videos, rows) is None


def test_a_rate_of_their_own_is_found():
    videos, rows = data_set(clip=16, step=16, fps=15)
    best = fitting_grids(videos, rows)[0].grid
    assert best.step_frames / best.fps == pytest.approx(16 / 15)
    assert fitting_grids(videos, rows, fps=15)[0].grid.step_frames == 16


def test_a_wrong_step_is_said_with_what_the_features_cover_and_what_fits():
    videos, rows = data_set(clip=16, step=4)
    said = misfit(FeatureGrid(clip_frames=16, step_frames=8), videos, rows)
    assert said.startswith("clips of 16 frames, one every 8, at the rate of the video make the ")
    assert said.endswith("; clips of 16 frames, one every 4, at the rate of the video would fit")
    for each in videos:
        if f"of {each.id} cover" in said:
            covered_s = ((rows[each.id] - 1) * 8 + 16) / each.fps
            assert f"cover {covered_s:.1f} s, but it lasts {each.duration_s:.1f} s" in said
            break
    else:
        pytest.fail("no video is named")


def test_features_that_end_a_little_early_are_no_misfit_and_half_of_them_are():
    grid = FeatureGrid(clip_frames=16, step_frames=4)
    assert misfit(grid, *data_set(clip=16, step=4, missing=0.03)) is None
    assert misfit(grid, *data_set(clip=16, step=4, missing=0.5)) is not None


def test_an_unusual_step_is_measured_in_seconds():
    videos, rows = data_set(clip=5, step=5, fps=7)
    measured = fitting_grids(videos, rows)[-1]
    assert measured.grid.step_frames / measured.grid.fps == pytest.approx(5 / 7, rel=0.01)
    assert measured.share == 1.0
    assert misfit(measured.grid, videos, rows) is None


def test_an_unusual_step_is_measured_in_frames():
    videos, rows = data_set(clip=11, step=11)
    measured = fitting_grids(videos, rows)[-1]
    assert measured.grid.fps is None
    assert measured.grid.step_frames == pytest.approx(11, rel=0.01)
    assert measured.share == 1.0


def test_a_fixed_number_of_cells_is_recognised():
    videos, _ = data_set(clip=16, step=4)
    rows = {each.id: 100 for each in videos}
    assert fitting_grids(videos, rows)[0].grid == FeatureGrid()
    assert misfit(FeatureGrid(), videos, rows) is None


def test_cells_that_are_not_one_number_do_not_spread():
    videos, rows = data_set(clip=16, step=4)
    said = misfit(FeatureGrid(), videos, rows)
    least, most = min(rows.values()), max(rows.values())
    assert said.startswith(f"videos have {least} to {most} cells, not one number of them; clips of")


def test_nothing_is_said_of_no_videos():
    assert fitting_grids([], {}) == []
    assert misfit(FeatureGrid(clip_frames=16, step_frames=4), [video()], {"other": 3}) is None


def test_a_grid_in_words_says_its_rate():
    assert described(FeatureGrid(fps=25, clip_frames=16, step_frames=8)).endswith(
        "one every 8, at 25 frames per second"
    )
