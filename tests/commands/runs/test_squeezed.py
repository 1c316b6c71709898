"""Whole videos as windows of their own: trained on, scored, detected in, prepared, looked at."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from untrimmed.core.errors import ConfigError
from untrimmed.core.rate import Squeezed
from untrimmed.recipes.recipe import ClassScores, read_recipe
from untrimmed.runs.detection import detect
from untrimmed.runs.evaluation import evaluate
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.inspection import inspect
from untrimmed.runs.preparing import prepare_all
from untrimmed.runs.progress import finish
from untrimmed.runs.training import train
from untrimmed.runs.video_data import open_videos
from untrimmed.sources.bank import FeatureBank
from untrimmed.sources.video_index import index
from untrimmed.train.journal import read

FRAMES = 96
RECIPE = """
data:
  annotations: annotations.json
  media: videos
  prepared: prepared
  size: [16, 20]
  windows: {squeeze: 96, clip_frames: 8}
  memory: {keep: 0.25, clips: stratified}
  augment: {crop: null, rotation: 0, flip: 0}
model:
  name: tallformer
  encoder: {name: conv3d, channels: [8, 8]}
  head:
    name: refined_point
    stacked: 1
    groups: 2
    steps: 2
    ranges: [[0, 30], [15, 60], [30, 96]]
  width: 16
  reduce: 1
  consistency_layers: 1
  consistency_heads: 2
  pyramid: convolutional
  pyramid_levels: 3
  fpn_width: 8
  fpn_norm: group
  groups: 2
  video_class: {}
train: {epochs: 2, batch: 2, validate_every: 1, head_only_steps: 1}
detect:
  suppression:
    {method: soft_nms, sigma: 0.85, min_score: 1e-9, least_score: 1e-9, most: 5000}
"""


@pytest.fixture(scope="module")
def recipe_file(drawn):
    path = drawn / "squeezed.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def trained(recipe_file, tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("squeezed") / "run")
    finish(train(read_recipe(recipe_file), folder))
    return folder


def test_every_video_is_one_window_at_a_rate_of_its_own(recipe_file):
    data = open_videos(read_recipe(recipe_file), splits=["training"])
    rates = []
    for video in data.annotations.split("training").videos.values():
        frames, original = data.media(video.id), index(data.media.files[video.id])
        assert frames.count == min(len(original), FRAMES)
        assert frames.count / frames.fps == pytest.approx(original.duration_s, rel=1e-3)
        rates.append(frames.fps)
    assert len(set(rates)) > 1


def test_a_shifted_training_is_resumed_as_if_it_had_not_been_stopped(recipe_file, tmp_path):
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    finish(train(read_recipe(recipe_file), whole))
    job = train(read_recipe(recipe_file), broken)
    for progress in job:
        if progress.stage == "train" and progress.done > 2:
            job.close()
            break
    finish(train(read_recipe(recipe_file), broken))
    ours, theirs = load_file(whole.last), load_file(broken.last)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_class_of_the_video_is_learnt_beside_the_segments(trained):
    steps = list(read(trained.journal))
    assert len(steps) == 4
    assert all("video_class" in step["losses"] for step in steps)
    assert all(np.isfinite(list(step["losses"].values())).all() for step in steps)


def test_the_memory_has_every_cell_of_every_video_some_written_in_training(trained, recipe_file):
    bank = FeatureBank.open(trained.bank)
    media = open_videos(read_recipe(recipe_file), splits=["training"]).media
    assert bank.lengths == {id: -(-media(id).count // 2) for id in bank.lengths}
    ages = np.concatenate([bank.ages(id, 0, cells, step=4) for id, cells in bank.lengths.items()])
    assert (ages >= 0).all()
    assert 0 < (ages < 4).mean() < 1


def test_detections_are_of_the_two_likeliest_classes_and_lie_in_their_video(trained):
    result = finish(evaluate(trained))
    assert result.failed == {}
    assert len(result.detections) == 2
    data = open_videos(trained.read_recipe(), splits=["testing"])
    for id, found in result.detections.items():
        assert len(found) > 2
        assert 1 <= len(set(found.labels.tolist())) <= 2
        assert found.segments_s.min() >= 0
        assert found.segments_s.max() <= data.media(id).duration_s
        assert found.segments_s.max() > 0.5 * data.media(id).duration_s


@pytest.fixture
def class_scores(trained, tmp_path):
    """The third class for every video, then the first."""
    classes = len(trained.read_classes())
    videos = open_videos(trained.read_recipe(), splits=["testing"]).annotations.videos
    rows = {id: [0.25, 0, 0.5] + [0] * (classes - 3) for id in videos}
    (tmp_path / "scores.json").write_text(json.dumps({"results": rows}))
    return ClassScores(file=tmp_path / "scores.json", classes=2, most=None, combine="product")


def test_classes_of_others_are_scored_beside_those_it_says_itself(trained, class_scores):
    own = finish(evaluate(trained))
    both = finish(evaluate(trained, class_scores=class_scores))
    written = json.loads(trained.scores("testing").read_text())
    assert both.own_classes.mean_ap.tolist() == own.scores.mean_ap.tolist()
    assert own.own_classes is None
    assert written["own_classes"]["average_mAP"] == own.scores.average
    assert written["average_mAP"] == both.scores.average


def test_the_command_prints_both_tables(trained, class_scores):
    command = ["untrimmed", "evaluate", str(trained.path), "--class-scores", str(class_scores.file)]
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=120, check=True
    )
    own, _, others = done.stdout.partition("by the class scores of others:")
    assert own.startswith("by the classes that it says itself:")
    assert "average" in own
    assert "average" in others


def test_classes_of_others_multiply_what_is_found_of_no_class(trained, class_scores):
    own = finish(evaluate(trained)).detections
    for id, found in finish(evaluate(trained, class_scores=class_scores)).detections.items():
        assert set(found.labels.tolist()) == {0, 2}
        first, third = found[found.labels == 0], found[found.labels == 2]
        assert first.segments_s.tolist() == third.segments_s.tolist()
        assert (2 * first.scores).tolist() == third.scores.tolist()
        likelier = own[id][own[id].labels == own[id].labels[0]]
        assert likelier.segments_s.tolist() == third.segments_s.tolist()


def test_a_new_video_is_detected_in_as_in_evaluation(trained, tmp_path):
    evaluated = finish(evaluate(trained)).detections
    id = next(iter(evaluated))
    data = open_videos(trained.read_recipe(), splits=["testing"])
    found = finish(detect(trained, [data.media.files[id]], output=tmp_path / "found"))
    assert found.detections[id].scores.tolist() == evaluated[id].scores.tolist()
    assert found.detections[id].segments_s.tolist() == evaluated[id].segments_s.tolist()


def test_copies_are_of_the_rate_of_each_video(data):
    (data / "squeezed.yaml").write_text(RECIPE)
    recipe = read_recipe(data / "squeezed.yaml")
    prepared = finish(prepare_all(recipe, kind="frames"))
    assert (prepared.made, prepared.failed) == (7, {})
    originals = read_recipe(data / "squeezed.yaml", settings=["data.prepared=null"])
    before = open_videos(originals, splits=["training"])
    after = open_videos(recipe, splits=["training"])
    for id in before.annotations.split("training").videos:
        numbers = np.arange(before.media(id).count)
        assert np.array_equal(before.media(id).read(numbers), after.media(id).read(numbers))
        assert before.media(id).fps == after.media(id).fps


def test_inspection_finds_what_it_finds_for_windows_of_one_rate(recipe_file, drawn):
    squeezed = finish(inspect(read_recipe(recipe_file)))
    assert squeezed.text == finish(inspect(read_recipe(drawn / "recipe.yaml"))).text
    assert sum(split.videos for split in squeezed.splits.values()) == 7


def test_such_windows_have_no_rate_to_be_set(recipe_file):
    with pytest.raises(ConfigError, match=r"data\.windows.*fps"):
        read_recipe(recipe_file, settings=["data.windows.fps=15"])


def test_a_window_that_is_no_whole_number_of_clips_is_refused(recipe_file):
    with pytest.raises(ConfigError, match="100 frames are not a whole number of clips of 8"):
        read_recipe(recipe_file, settings=["data.windows.squeeze=100"])


def test_the_rate_follows_from_the_setting(recipe_file):
    windows = read_recipe(recipe_file).data.windows
    assert (windows.fps, windows.clips, windows.shifted) == (Squeezed(FRAMES), 12, True)
