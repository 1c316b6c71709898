"""From files that a user has to a recipe that is inspected and trained as it stands."""

import json

import numpy as np
import pytest
import yaml

from untrimmed import api
from untrimmed.core.errors import ConfigError, FormatError, MediaError, UserError
from untrimmed.recipes.recipe import read_recipe
from untrimmed.recipes.survey import Machine
from untrimmed.runs.inspection import inspect
from untrimmed.runs.planning import Told, described, plan
from untrimmed.runs.progress import finish
from untrimmed.sources.formats import csv
from untrimmed.sources.formats.activitynet import read

MACHINE = Machine(cores=2)


def planned(media, annotations, output, **told):
    return finish(plan(media, annotations, output, told=Told(**told), machine=MACHINE))


@pytest.fixture
def features(tmp_path):
    """A folder of features, 5 rows in a second, and a table of times without durations."""
    folder = tmp_path / "features"
    folder.mkdir()
    random = np.random.default_rng(3)
    lines = ["video,label,start,end,duration"]
    for number in range(12):
        rows = 60 + 7 * number
        values = random.normal(size=(rows, 40)).astype(np.float32)
        for at, label in ((2.0, "wave"), (6.0, "pour")):
            values[int(5 * at) : int(5 * at) + 8, : 20 if label == "wave" else 10] += 3
            lines.append(f"rec{number},{label},{at},{at + 1.6},{rows / 5}")
        np.save(folder / f"rec{number}.npy", values)
    (tmp_path / "times.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def times(features):
    return features.parent / "times.csv"


@pytest.fixture
def edit_times(times):
    """Change the table: takes a function of its lines."""

    def edit(change):
        times.write_text("\n".join(change(times.read_text().splitlines())) + "\n")

    return edit


def test_a_plan_of_videos_is_inspected_and_trained_without_an_edit(data, tmp_path):
    done = planned(data / "videos", data / "annotations.json", data / "plan.yaml")
    assert {each.kind for each in done.problems} == {"class without training"}  # so few videos
    assert done.splits_file is None
    small = ["train.epochs=1", "pretrain.steps=1", "data.size=[16,24]", "data.windows.clips=4"]
    assert finish(inspect(read_recipe(data / "plan.yaml"))).errors == done.errors
    assert api.train(data / "plan.yaml", tmp_path / "run", settings=small).failed == {}


def test_a_plan_of_features_is_inspected_and_trained_without_an_edit(features, times, tmp_path):
    done = planned(features, times, tmp_path / "recipe.yaml")
    assert done.errors == 0
    recipe = read_recipe(tmp_path / "recipe.yaml")
    assert recipe.data.splits.file == done.splits_file
    parts = json.loads(done.splits_file.read_text())
    assert sorted(map(len, parts.values())) == [3, 9]
    assert finish(inspect(recipe)).errors == 0
    small = ["train.epochs=1", "model.width=32", "model.head.width=32"]
    assert api.train(tmp_path / "recipe.yaml", tmp_path / "run", settings=small).failed == {}
    assert 0 <= api.evaluate(tmp_path / "run").scores.average <= 1


def test_the_same_data_give_the_same_files(features, times, tmp_path):
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        done = planned(features, times, tmp_path / name / "recipe.yaml")
        texts.append((done.recipe.read_text(), done.splits_file.read_text()))
    assert texts[0] == texts[1]


def plain(path):
    return yaml.safe_load(path.read_text())


def unwrapped(path):
    """The recipe with each reason in one line."""
    return path.read_text().replace("\n  # ", " ")


def test_minutes_enough_change_nothing_but_what_is_said(features, times, tmp_path):
    planned(features, times, tmp_path / "recipe.yaml")
    long = plan(
        features, times, tmp_path / "long" / "recipe.yaml", machine=MACHINE, minutes=10_000.0
    )
    done = finish(long)
    for name in ("model", "train"):
        assert plain(tmp_path / "recipe.yaml")[name] == plain(done.recipe)[name]
    assert "6 steps that were timed" in unwrapped(done.recipe)
    assert done.notes[-1].startswith("By 6 steps")
    assert {path.name for path in done.recipe.parent.iterdir()} == {
        "recipe.yaml",
        "recipe.splits.json",
    }


def test_minutes_too_few_make_a_narrow_network_and_one_epoch(features, times, tmp_path):
    planned(features, times, tmp_path / "recipe.yaml")
    job = plan(features, times, tmp_path / "short.yaml", machine=MACHINE, minutes=1e-4)
    short, usual = plain(finish(job).recipe), plain(tmp_path / "recipe.yaml")
    assert (usual["model"]["width"], short["model"]["width"]) == (256, 128)
    assert short["train"]["epochs"] == 1
    assert "one epoch, and still too long" in unwrapped(tmp_path / "short.yaml")


def test_rows_lie_where_the_lengths_of_the_videos_say(features, times, tmp_path):
    planned(features, times, tmp_path / "recipe.yaml")
    grid = read_recipe(tmp_path / "recipe.yaml").data.grid
    assert grid.step_frames / grid.fps == pytest.approx(0.2, rel=0.02)


def test_a_grid_that_is_told_is_taken(features, times, tmp_path):
    told = {"fps": 25.0, "step_frames": 5.0, "clip_frames": 16.0}
    planned(features, times, tmp_path / "recipe.yaml", grid=told)
    grid = read_recipe(tmp_path / "recipe.yaml").data.grid
    assert (grid.fps, grid.step_frames, grid.clip_frames) == (25, 5, 16)


def test_new_features_are_detected_in_where_the_annotations_said_the_rate(features, tmp_path):
    database = {
        f"rec{number}": {
            "subset": "training",
            "duration": (60 + 7 * number) / 5,
            "fps": 25.0,
            "annotations": [{"label": "wave", "segment": [2.0, 3.6]}],
        }
        for number in range(12)
    }
    (tmp_path / "times.json").write_text(json.dumps({"database": database}))
    planned(
        features,
        tmp_path / "times.json",
        tmp_path / "recipe.yaml",
        grid={"step_frames": 5.0, "clip_frames": 5.0},
    )
    small = ["train.epochs=1", "model.width=32", "model.head.width=32"]
    api.train(tmp_path / "recipe.yaml", tmp_path / "run", settings=small)
    new = [features / "rec3.npy"]
    found = api.detect(tmp_path / "run", new, output=tmp_path / "found")
    assert found.durations_s == {"rec3": pytest.approx((60 + 21) / 5)}


def test_lengths_that_no_table_states_are_taken_from_features(features, times, tmp_path):
    times.write_text("\n".join(line.rpartition(",")[0] for line in times.read_text().splitlines()))
    told = {"fps": 25.0, "step_frames": 5.0}
    planned(features, times, tmp_path / "recipe.yaml", grid=told)
    settings = read_recipe(tmp_path / "recipe.yaml").data.format_settings
    assert settings["durations_s"]["rec3"] == pytest.approx((60 + 21) / 5)


def test_where_nothing_tells_the_grid_the_user_is_asked(features, times, tmp_path):
    times.write_text("\n".join(line.rpartition(",")[0] for line in times.read_text().splitlines()))
    with pytest.raises(UserError, match=r"give --grid fps=25 --grid clip_frames=16"):
        planned(features, times, tmp_path / "recipe.yaml")


def test_sets_with_endings_of_their_own_are_joined(features, times, tmp_path):
    for path in list(features.iterdir()):
        values = np.load(path)
        np.save(features / f"{path.stem}_flow.npy", values[:, :8])
        path.rename(features / f"{path.stem}_rgb.npy")
    planned(features, times, tmp_path / "recipe.yaml")
    sets = read_recipe(tmp_path / "recipe.yaml").data.features
    assert [each.suffix for each in sets] == ["_flow.npy", "_rgb.npy"]


def test_features_that_lie_on_their_side_are_turned(features, times, tmp_path):
    for path in features.iterdir():
        np.save(path, np.load(path).T)
    planned(features, times, tmp_path / "recipe.yaml")
    assert read_recipe(tmp_path / "recipe.yaml").data.features[0].transposed


def test_a_class_that_never_happens_is_left_out(data, edit_annotations):
    edit_annotations(lambda content: content.update(classes=[*classes_of(content), "nothing"]))
    done = planned(data / "videos", data / "annotations.json", data / "plan.yaml")
    assert any("nothing never happens" in note for note in done.notes)
    recipe = read_recipe(data / "plan.yaml")
    assert "nothing" not in recipe.data.format_settings["classes"]
    assert not any("nothing" in problem.message for problem in done.problems)


def classes_of(content):
    every = [one["label"] for v in content["database"].values() for one in v["annotations"]]
    return sorted(set(every))


def test_what_is_wrong_is_listed_and_costs_only_itself(data, edit_annotations):
    def spoil(content):
        content["database"]["training-000"]["annotations"].append(
            {"label": "wave", "segment": [900.0, 905.0]}
        )
        content["database"]["training-001"]["annotations"].append(
            {"label": "wave", "segment": [1.0, 1.0]}
        )

    edit_annotations(spoil)
    (data / "videos" / "training-002.mp4").unlink()
    (data / "videos" / "training-003.mp4").write_bytes(b"no video")
    done = planned(data / "videos", data / "annotations.json", data / "plan.yaml")
    kinds = {problem.kind for problem in done.problems if problem.severity == "error"}
    assert {"past end", "no length", "no file", "broken file"} <= kinds
    assert done.splits["training"].videos == 2
    assert "900.00 s to 905.00 s" in described(done)


def test_recordings_in_several_splits_are_spoken_of(features, times, edit_times, tmp_path):
    lines = times.read_text().splitlines()
    head, rows = lines[0], lines[1:]
    edit_times(
        lambda _: [
            f"{head},split",
            *(f"{r},{'train' if n < 12 else 'test'}" for n, r in enumerate(rows)),
        ]
    )
    told = {"groups": r"^rec[0-9]"}  # rec1, rec10 and rec11 are one
    done = planned(features, times, tmp_path / "recipe.yaml", **told)
    assert any("groups of videos such as 1" in n or "several splits" in n for n in done.notes)
    assert done.splits_file is None


def test_a_recipe_that_is_there_is_not_written_over(features, times, tmp_path):
    (tmp_path / "recipe.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"recipe\.yaml is there already.*--overwrite"):
        planned(features, times, tmp_path / "recipe.yaml")
    assert (tmp_path / "recipe.yaml").read_text() == "mine"


def test_names_that_do_not_meet_are_shown_from_both_sides(features, times, tmp_path):
    for path in list(features.iterdir()):
        path.rename(features / f"other{path.stem}.npy")
    with pytest.raises(MediaError, match=r"wanted are rec0, rec1, rec2, there are otherrec0"):
        planned(features, times, tmp_path / "recipe.yaml")


def test_a_folder_that_is_not_there_is_named(times, tmp_path):
    with pytest.raises(UserError, match=r"gone: there is no such folder"):
        planned(tmp_path / "gone", times, tmp_path / "recipe.yaml")


def test_annotations_of_no_known_form_are_refused(features, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing of the kind\n")
    with pytest.raises(FormatError, match=r"notes\.txt: .*name one by --from: .*activitynet"):
        planned(features, tmp_path / "notes.txt", tmp_path / "recipe.yaml")


def test_an_unusual_format_is_found_by_trying(data, tmp_path):
    lines = ["WEBVTT", "", "00:01.000 --> 00:03.000", "wave", "", "00:04.000 --> 00:06.500", "jump"]
    folder = tmp_path / "subtitles"
    folder.mkdir()
    for path in sorted((data / "videos").iterdir())[:4]:
        (folder / f"{path.stem}.vtt").write_text("\n".join(lines) + "\n")
    planned(data / "videos", folder, tmp_path / "recipe.yaml")
    recipe = read_recipe(tmp_path / "recipe.yaml")
    assert recipe.data.format == "subtitles"
    assert sorted(recipe.data.format_settings["durations_s"]) == sorted(
        path.stem for path in folder.iterdir()
    )


def test_parts_that_have_other_names_are_refused(features, times, tmp_path):
    (tmp_path / "folds.json").write_text(json.dumps({"one": {"a": [], "b": []}}))
    with pytest.raises(ConfigError, match=r"wanted parts called train and test, there are: one"):
        planned(features, times, tmp_path / "r.yaml", splits_file=tmp_path / "folds.json")


def test_parts_of_a_fold_are_taken(features, times, tmp_path):
    ids = list(csv.read(times).videos)
    (tmp_path / "folds.json").write_text(json.dumps({"b": {"train": ids[:7], "test": ids[9:]}}))
    told = {"splits_file": tmp_path / "folds.json", "fold": "b"}
    done = planned(features, times, tmp_path / "r.yaml", **told)
    assert done.splits["train"].videos == 7
    assert read_recipe(tmp_path / "r.yaml").data.splits.fold == "b"


def test_classes_of_the_annotations_are_those_of_the_recipe(data):
    planned(data / "videos", data / "annotations.json", data / "plan.yaml")
    settings = read_recipe(data / "plan.yaml").data.format_settings
    seen = read(data / "annotations.json", **settings)
    assert {label for v in seen.videos.values() for _, _, label in v.actions} == set(
        range(len(seen.classes))
    )
