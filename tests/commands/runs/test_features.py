"""Runs on features: a small data set in which every class has a channel of its own."""

import hashlib
import json
import pickle
import re
import shutil

import numpy as np
import pytest
import torch

from untrimmed import Detector
from untrimmed.core.errors import ConfigError, MediaError, UserError
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.detection import detect
from untrimmed.runs.evaluation import evaluate
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.importing import import_weights
from untrimmed.runs.inspection import inspect
from untrimmed.runs.opening import open_data
from untrimmed.runs.progress import finish
from untrimmed.runs.training import train
from untrimmed.train.journal import read

CLASSES = ("run", "sit")
STEP_S, CLIP_S = 0.4, 0.8

RECIPE = """
data:
  annotations: annotations.json
  features: [{path: features}]
  grid: {fps: 10, clip_frames: 8, step_frames: 4}
  cells: 64
  crop: [0.9, 1.0]
  splits: {train: training, validation: null, test: testing}
model:
  name: actionformer
  width: 16
  branch_layers: 2
  heads: 2
  window: 5
  head: {name: point, width: 16, layers: 2, ranges: [[0, 4], [4, 8], [8, 1000]], positives: 10}
train:
  epochs: 30
  batch: 4
  optimizer: {lr: 5.0e-3}
  schedule: {warmup: before, warmup_epochs: 2, warmup_from: 0}
  validate_every: 5
detect: {suppression: {method: soft_nms, least_score: 0.001, most: 50}}
"""


def drawn(random, cells):
    """Features (T, C) with the actions that they show, in seconds."""
    features = 0.1 * random.standard_normal((cells, 6))
    rows, first = [], 4
    while first + 12 < cells:
        length = int(random.integers(4, 10))
        label = int(random.integers(2))
        features[first : first + length, 1 + 3 * label] += 1
        start_s = first * STEP_S + CLIP_S / 2
        rows.append((start_s, start_s + (length - 1) * STEP_S, label))
        first += length + int(random.integers(5, 12))
    return features.astype(np.float32), rows


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Twelve training and four test videos, two of them longer than a window."""
    folder = tmp_path_factory.mktemp("features")
    (folder / "features").mkdir()
    random, database = np.random.default_rng(5), {}
    for number in range(16):
        cells = 90 if number % 8 == 0 else int(random.integers(40, 65))
        features, rows = drawn(random, cells)
        np.save(folder / "features" / f"v{number:02}.npy", features)
        database[f"v{number:02}"] = {
            "subset": "training" if number < 12 else "testing",
            "duration": (cells - 1) * STEP_S + CLIP_S,
            "annotations": [
                {"label": CLASSES[label], "segment": [start_s, end_s]}
                for start_s, end_s, label in rows
            ],
        }
    (folder / "annotations.json").write_text(json.dumps({"database": database}))
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture
def data(made, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(made, tmp_path / "data")


@pytest.fixture(scope="session")
def trained(made, tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "first")
    finish(train(read_recipe(made / "recipe.yaml"), folder))
    return folder


def short(data, *settings):
    return read_recipe(data / "recipe.yaml", settings=["train.epochs=1", *settings])


def test_actions_are_found_in_videos_that_were_not_trained_on(trained):
    result = finish(evaluate(trained))
    assert sorted(result.detections) == ["v12", "v13", "v14", "v15"]
    assert result.scores.average > 0.8
    assert "<html" in trained.report.read_text()


def test_a_stopped_run_goes_on_as_if_it_had_not_been(data, tmp_path):
    recipe = read_recipe(
        data / "recipe.yaml", settings=["train.epochs=4", "train.validate_every=1"]
    )
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    finish(train(recipe, whole))
    for progress in (job := train(recipe, broken)):
        if progress.stage == "train" and progress.done > 7:
            job.close()
            break
    finish(train(recipe, broken))
    losses = [[step["losses"] for step in read(folder.journal)] for folder in (whole, broken)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 12
    assert whole.last.read_bytes() == broken.last.read_bytes()


def test_a_file_of_features_gives_the_detections_of_its_video(trained, made, tmp_path):
    wanted = finish(evaluate(trained)).detections["v13"]
    file = made / "features" / "v13.npy"
    found = finish(detect(trained, [file], output=tmp_path / "found"))
    assert found.failed == {}
    np.testing.assert_allclose(found.detections["v13"].segments_s, wanted.segments_s, atol=1e-6)
    assert found.durations_s["v13"] == pytest.approx(len(np.load(file)) * STEP_S + STEP_S)


@pytest.fixture
def archive(made, tmp_path):
    """All features in one file, and what is no video."""
    path = tmp_path / "all.npz"
    files = sorted((made / "features").glob("*.npy"))
    np.savez(path, **{file.stem: np.load(file) for file in files}, a_label=np.zeros((50, 3)))
    return path


def test_an_archive_of_features_is_of_as_many_videos(trained, made, archive, tmp_path):
    wanted = finish(detect(trained, [made / "features"], output=tmp_path / "files"))
    found = finish(detect(trained, [archive], output=tmp_path / "archive"))
    assert found.durations_s == wanted.durations_s
    for id, some in wanted.detections.items():
        assert found.detections[id].segments_s.tolist() == some.segments_s.tolist()
        assert found.detections[id].scores.tolist() == some.scores.tolist()
    assert list(found.failed) == ["a_label"]  # the first that is looked at, and it costs no other
    assert found.failed["a_label"].startswith(f"{archive}: a_label: features of width (3,)")
    again = finish(detect(trained, [archive], output=tmp_path / "archive"))
    assert again.reused == tuple(wanted.detections)


def test_a_run_on_an_archive_takes_another_with_the_same_names(data, archive, tmp_path):
    files = f"data.features=[{{path: {archive}, prefix: v}}]"
    text = (data / "annotations.json").read_text().replace('"v', '"')
    (data / "annotations.json").write_text(text)
    folder = RunFolder(tmp_path / "run")
    finish(train(short(data, files), folder))
    wanted = finish(evaluate(folder)).detections["13"]
    other = tmp_path / "other.npz"
    np.savez(other, v13=np.load(archive)["v13"])
    found = finish(detect(folder, [other], output=tmp_path / "found")).detections
    assert list(found) == ["13"]
    np.testing.assert_allclose(found["13"].segments_s, wanted.segments_s, atol=1e-6)


def test_a_detector_in_python_takes_a_file_or_an_array_of_features(trained, made, tmp_path):
    file = made / "features" / "v12.npy"
    wanted = finish(detect(trained, [file], output=tmp_path)).detections["v12"]
    detector = Detector.load(trained.path)
    of_file, of_array = detector(file), detector(np.load(file))
    for found in (of_file, of_array):
        assert found.detections.segments_s.tolist() == wanted.segments_s.tolist()
        assert found.detections.scores.tolist() == wanted.scores.tolist()
        assert found.duration_s == pytest.approx((len(np.load(file)) - 1) * STEP_S + CLIP_S)
        assert found.media is None
    with pytest.raises(MediaError, match="features of width"):
        detector(np.load(file)[:, :5])
    with pytest.raises(UserError, match="about videos, but the recipe is of features"):
        detector(np.zeros((3, 8, 8, 3), np.uint8), fps=2.0)


def test_a_folder_of_features_means_all_its_files(trained, made, tmp_path):
    found = finish(detect(trained, [made / "features"], output=tmp_path / "found"))
    assert len(found.detections) == 16


def test_a_video_without_features_is_left_out_and_listed(data, tmp_path):
    (data / "features" / "v03.npy").unlink()
    result = finish(train(short(data), RunFolder(tmp_path / "run")))
    assert list(result.failed) == ["v03"]
    assert re.search(r"v03.*no features of the video v03", result.failed["v03"])


def test_a_recipe_may_want_the_features_of_every_video(data, tmp_path):
    (data / "features" / "v03.npy").unlink()
    with pytest.raises(MediaError, match="no features of the video v03"):
        finish(train(short(data, "data.missing=stop"), RunFolder(tmp_path / "run")))


def test_numbers_that_are_not_finite_cost_their_video(data, tmp_path):
    features = np.load(data / "features" / "v02.npy")
    features[:, 4] = np.nan
    np.save(data / "features" / "v02.npy", features)
    result = finish(train(short(data), RunFolder(tmp_path / "run")))
    assert re.search(r"nan in row \d+, column 4, of the features of v02", result.failed["v02"])


def test_features_of_another_width_cost_their_video(data, tmp_path):
    np.save(data / "features" / "v02.npy", np.zeros((50, 5), np.float32))
    result = finish(train(short(data), RunFolder(tmp_path / "run")))
    assert "5 columns, but 6 of the video v00" in result.failed["v02"]


def test_fewer_rows_than_a_cell_is_made_of_cost_their_video(data, tmp_path):
    np.save(data / "features" / "v02.npy", np.zeros((2, 6), np.float32))
    stack = "data.features=[{path: features, stack: {rows: 3, step: 1}}]"
    result = finish(train(short(data, stack), RunFolder(tmp_path / "run")))
    assert "2 rows, but a cell has 3" in result.failed["v02"]


def test_an_action_that_ends_before_it_starts_is_listed_and_the_others_are_used(data, tmp_path):
    path = data / "annotations.json"
    content = json.loads(path.read_text())
    content["database"]["v01"]["annotations"][0]["segment"].reverse()
    path.write_text(json.dumps(content))
    result = finish(train(short(data), RunFolder(tmp_path / "run")))
    assert [problem.kind for problem in result.problems] == ["ends before it starts"]
    assert "v01.annotations[0]" in result.problems[0].message


def test_a_class_that_never_happens_starts_out_unlikely(data):
    path = data / "annotations.json"
    content = json.loads(path.read_text())
    content["classes"] = [*CLASSES, "fly"]
    path.write_text(json.dumps(content))
    detector = open_data(short(data), splits=["training"]).build()
    run, sit, fly = detector.head.logits.bias.sigmoid().tolist()
    assert run == sit == pytest.approx(0.01)
    assert fly == pytest.approx(1e-6)


def test_inspect_says_which_grid_would_fit(data):
    found = finish(inspect(short(data, "data.grid.step_frames=8"))).problems
    said = next(problem.message for problem in found if problem.kind == "grid")
    assert re.search(r"one every 8.*one every 4.* would fit", said)
    assert not [p for p in finish(inspect(short(data))).problems if p.severity == "error"]


def test_inspect_compares_checksums(data):
    md5 = hashlib.md5(b"whole").hexdigest()
    recipe = short(data, f"data.downloads=[{{file: archive.tar.gz, md5: {md5}}}]")
    for content, kinds in ((None, []), (b"whole", []), (b"cut", ["download"])):
        if content is not None:
            (data / "archive.tar.gz").write_bytes(content)
        found = finish(inspect(recipe)).problems
        assert [problem.kind for problem in found] == kinds
    assert md5 in found[0].message


def test_splits_may_stand_in_a_file_of_their_own(data, tmp_path):
    folds = {"a": {"training": ["v00", "v01", "v02", "v03"], "testing": ["v04"]}}
    (data / "folds.json").write_text(json.dumps(folds))
    folder = RunFolder(tmp_path / "run")
    settings = ("data.splits.file=folds.json", "data.splits.fold=a")
    finish(train(short(data, *settings), folder))
    assert list(finish(evaluate(folder)).detections) == ["v04"]


def test_a_split_file_that_names_an_unknown_video_is_refused(data, tmp_path):
    (data / "folds.json").write_text(json.dumps({"training": ["v00", "v99"]}))
    with pytest.raises(UserError, match=r"training\[1\]: the annotations have no video v99"):
        finish(train(short(data, "data.splits.file=folds.json"), RunFolder(tmp_path / "run")))


def test_one_class_takes_its_classes_from_scores_of_whole_videos(data, tmp_path):
    scores = {f"v{number}": [0.9, 0.2] for number in range(12, 16)}
    (data / "scores.json").write_text(json.dumps({"results": scores}))
    recipe = short(data, "data.one_class=true", "class_scores={file: scores.json, classes: 1}")
    folder = RunFolder(tmp_path / "run")
    finish(train(recipe, folder))
    result = finish(evaluate(folder))
    assert all((found.labels == 0).all() for found in result.detections.values())
    assert result.scores.classes == CLASSES


def test_one_class_without_scores_is_scored_for_finding_anything(data, tmp_path):
    folder = RunFolder(tmp_path / "run")
    finish(train(short(data, "data.one_class=true"), folder))
    assert finish(evaluate(folder)).scores.classes == ("action",)


def test_a_checkpoint_that_holds_code_is_refused_and_not_run(data, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"state_dict": Evil()}))
    with pytest.raises(UserError, match="no file of tensors and plain values alone"):
        import_weights(
            "actionformer", tmp_path / "evil.pth", short(data), RunFolder(tmp_path / "run")
        )
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_of_another_network_is_refused_and_nothing_is_written(data, tmp_path):
    torch.save({"state_dict": {"module.backbone.nothing": torch.zeros(1)}}, tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"backbone\.nothing is not a weight of the authors'"):
        import_weights("actionformer", tmp_path / "x.pth", short(data), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_is_imported_into_a_recipe_of_its_model_alone(data, tmp_path):
    with pytest.raises(ConfigError, match="the recipe is of actionformer, the checkpoint of"):
        import_weights("tallformer", tmp_path / "x.pth", short(data), RunFolder(tmp_path / "run"))
