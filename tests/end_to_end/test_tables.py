"""The small tables: what their rows compare, and that no row is run twice."""

import json
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.table_rows import STUDIES
from benchmarks.tables import cost, settings_of
from untrimmed.data.sampling import clips_to_encode
from untrimmed.recipes.data import Windows
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.networks import build_detector

UCF101 = STUDIES["ucf101"]
ROWS = [(study, row) for study in STUDIES for row in STUDIES[study].rows]
RIVALS = [each for each in ROWS if each[1] not in ("frozen", "r30", "r50", "r60", "r100")]


def frames_encoded(study, name):
    """Of a window, in a step."""
    data = STUDIES[study].recipe_of(name).data
    return data.windows.clip_frames * clips_to_encode(data.windows.clips, keep=data.memory.keep)


def seconds_seen(study, name):
    windows = STUDIES[study].recipe_of(name).data.windows
    return windows.clips * windows.clip_frames / windows.fps


def rate(study, name):
    windows = STUDIES[study].recipe_of(name).data.windows
    return frames_encoded(study, name) / (windows.clips * windows.clip_frames)


@pytest.mark.parametrize(("study", "name"), ROWS)
def test_every_row_is_a_detector_that_can_be_built(study, name):
    assert build_detector(STUDIES[study].recipe_of(name), classes=3).encoder is not None


@pytest.mark.parametrize(("study", "name"), RIVALS)
def test_rivals_encode_as_many_frames_in_a_step(study, name):
    assert frames_encoded(study, name) == frames_encoded(study, "tallformer") > 0


@pytest.mark.parametrize("study", STUDIES)
def test_rows_without_memory_encode_all_that_they_see(study):
    for name in ("short", "sparse", "r100"):
        assert STUDIES[study].recipe_of(name).data.memory.keep == 1
    assert frames_encoded(study, "frozen") == 0


def test_windows_are_as_long_as_their_rows_say():
    seen = {name: seconds_seen("ucf101", name) for name in UCF101.rows}
    assert seen == pytest.approx(
        dict.fromkeys(seen, 40.0) | {"short": 6.0, "10s": 10.0, "20s": 20.0}
    )
    seen = {name: seconds_seen("demo", name) for name in STUDIES["demo"].rows}
    assert seen == pytest.approx(dict.fromkeys(seen, 25.6) | {"short": 6.4, "12.8s": 12.8})


def test_rates_are_as_their_rows_say():
    rates = [rate("ucf101", name) for name in ("tallformer", "r30", "r60", "r100")]
    assert rates == [0.15, 0.3, 0.6, 1.0]
    assert [rate("demo", name) for name in ("tallformer", "r50", "r100")] == [0.25, 0.5, 1.0]


def test_sparse_frames_have_anchors_of_the_demo_as_long_in_seconds():
    def shortest_s(name):
        recipe = STUDIES["demo"].recipe_of(name)
        detector, windows = build_detector(recipe, classes=3), recipe.data.windows
        assert isinstance(windows, Windows)
        cell_s = detector.encoder.stride / windows.fps
        return detector.head.config.base_scale * detector.head.strides[0] * cell_s

    assert shortest_s("sparse") == pytest.approx(shortest_s("tallformer"))


SMALL = (
    "data.size=[16, 16]",
    "data.augment.crop=null",
    "train.batch=1",
    "model.encoder={name: conv3d, channels: [8, 8]}",
    "model.width=16",
    "model.consistency_layers=1",
    "model.fpn_width=16",
    "model.head.width=16",
)


def test_a_step_takes_more_memory_the_more_clips_it_encodes():
    most = {
        name: cost(
            read_recipe(UCF101.recipe, settings=(*UCF101.rows[name].settings, *SMALL)), classes=2
        )
        for name in ("frozen", "tallformer", "r60")
    }
    assert [each["clips"] for each in most.values()] == [0, 3, 12]
    mib = {name: each["step_mib"] for name, each in most.items()}
    assert mib["frozen"] < mib["tallformer"] < mib["r60"]


def result_of(name, seed, settings, average):
    return {
        "row": name,
        "seed": seed,
        "settings": list(settings),
        "average": average,
        "mAP": {"0.3": 0.5, "0.5": 0.25, "0.7": 0.125},
        "step_mib": 12.4,
        "step_processor_s": 0.5,
    }


@pytest.fixture
def given(tmp_path):
    """Arguments for a folder in which two seeds of a row are finished."""
    where = {"data": Path("data"), "weights": Path("w.npz")}
    for seed, average in enumerate((0.2, 0.3)):
        settings = settings_of(UCF101, "frozen", **where, seed=seed)
        text = json.dumps(result_of("frozen", seed, settings, average))
        (tmp_path / f"frozen-{seed}-test.json").write_text(text)
    return ["--data", "data", "--weights", "w.npz", "--out", str(tmp_path), "--only", "frozen"]


def test_finished_rows_are_not_run_again(given, tmp_path):
    tables.main([*given, "--seeds", "0", "1"])
    lines = (tmp_path / "tables.md").read_text().splitlines()
    assert lines[0] == "Table 2"
    row = "| LT-Frozen: r = 0, 40 s | 50.0 | 25.0 | 12.5 | 25.0 | 20.0, 30.0 | 12 MiB | 0.50 s |"
    assert row in lines
    assert len(json.loads((tmp_path / "tables.json").read_text())) == 2


def test_a_finished_row_of_other_settings_is_refused(given):
    with pytest.raises(SystemExit, match="other settings"):
        tables.main([*given, "--set", "train.batch=3"])


def test_unknown_rows_are_refused_by_name(given, capsys):
    with pytest.raises(SystemExit):
        tables.main([*given, "--only", "frozzen"])
    assert "no such rows: frozzen; there are frozen, short" in capsys.readouterr().err
