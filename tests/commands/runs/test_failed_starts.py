"""A training that fails before anything was learnt leaves nothing in the way of the next one."""

import json

import pytest

from untrimmed.core.errors import ConfigError, FormatError, MediaError, UserError
from untrimmed.demo.motions import CLASSES
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.progress import finish
from untrimmed.runs.training import train
from untrimmed.train.journal import read

TRAINING = [f"training-{number:03}" for number in range(4)]

ENCODER = """
from dataclasses import dataclass
from untrimmed.nn.encoders import conv3d

@dataclass(frozen=True, kw_only=True)
class Config:
    fails_in: int
    def build(self):
        encoder = conv3d.Config(channels=(8, 8)).build()
        calls = iter(range(100))
        def fail(module, inputs):
            if module.training and next(calls) == self.fails_in:
                raise RuntimeError("out of memory")
        encoder.register_forward_pre_hook(fail)
        return encoder
"""
"""An encoder that fails in one of its calls in training."""


def names(folder):
    return {path.name for path in folder.path.iterdir()}


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_videos_that_are_found_damaged_are_mended_and_trained_on(recipe, folder, damage, where):
    mend = damage(*TRAINING, begin=0.05, end=0.95)
    with pytest.raises(MediaError, match="none of the 4 videos can be read"):
        finish(train(recipe(f"data.memory.where={where}"), folder))
    assert not folder.path.exists()
    mend()
    finish(train(recipe("train.epochs=1"), folder))
    assert folder.last.exists()


def test_videos_that_are_not_there_at_all_leave_no_folder(recipe, data, folder):
    for video in TRAINING:
        (data / "videos" / f"{video}.mp4").unlink()
    with pytest.raises(UserError, match="0 readable training videos"):
        finish(train(recipe(), folder))
    assert not folder.path.exists()


@pytest.mark.parametrize(
    ("scores", "classes", "error", "said"),
    [
        (None, 1, FormatError, "scores.json"),
        ({"validation-000": [0.5]}, 1, ConfigError, r"scores of 1 classes, but annotations of \d"),
        ({"testing-000": None}, 1, ConfigError, "1 videos, but of none of the 1 of .* validation"),
        ({"validation-000": None}, 99, ConfigError, r"wanted 1 to \d+, .* classes, got 99"),
    ],
)
def test_bad_class_scores_are_refused_before_anything_is_trained(
    recipe, data, folder, scores, classes, error, said
):
    if scores is not None:
        full = {video: vector or [1.0] * len(CLASSES) for video, vector in scores.items()}
        (data / "scores.json").write_text(json.dumps({"results": full}))
    given = f"class_scores={{file: scores.json, classes: {classes}}}"
    job = train(recipe("data.one_class=true", given), folder)
    with pytest.raises(error, match=said):
        finish(job)
    assert not folder.path.exists()


def test_a_protocol_that_does_not_exist_is_refused_before_anything_is_trained(recipe, folder):
    with pytest.raises(ConfigError, match="no protocol is called thumos"):
        finish(train(recipe("protocol=thumos", "data.splits.validation=null"), folder))
    assert not folder.path.exists()


@pytest.fixture
def failing(tmp_path, monkeypatch, recipe):
    """The recipe with an encoder that fails in a step."""
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "failing.py").write_text(ENCODER)
    monkeypatch.syspath_prepend(tmp_path)

    def in_step(step, *settings):
        encoder = f"model.encoder={{name: my_lab.failing, fails_in: {step - 1}}}"
        return recipe("train.head_only_steps=0", encoder, *settings)

    return in_step


def test_a_first_step_that_fails_leaves_no_folder(failing, folder):
    with pytest.raises(RuntimeError, match="out of memory"):
        finish(train(failing(1), folder))
    assert not folder.path.exists()


def test_a_folder_that_had_been_begun_before_stays(failing, folder):
    failing_at_once = failing(1)
    folder.start(failing_at_once, tuple(sorted(CLASSES)))
    with pytest.raises(RuntimeError, match="out of memory"):
        finish(train(failing_at_once, folder))
    assert names(folder) == {"recipe.yaml", "classes.json"}


def test_what_was_learnt_stays_with_the_recipe_that_it_is_of(failing, folder):
    with pytest.raises(RuntimeError, match="out of memory"):
        finish(train(failing(3), folder))
    assert len(read(folder.journal)) == 2
    with pytest.raises(ConfigError, match="holds a run of another recipe"):
        finish(train(failing(99), folder))
    assert len(read(folder.journal)) == 2


def test_a_run_that_is_dropped_before_its_first_step_leaves_no_folder(recipe, folder):
    for progress in (job := train(recipe(), folder)):
        if progress.stage == "fill the memory":
            assert folder.recipe.exists()
            job.close()
            break
    assert not folder.path.exists()


def test_what_others_put_into_the_folder_stays(failing, folder):
    folder.path.mkdir()
    (folder.path / "notes.txt").write_text("try this again")
    with pytest.raises(RuntimeError, match="out of memory"):
        finish(train(failing(1), folder))
    assert names(folder) == {"notes.txt"}


def test_a_recipe_that_lies_in_the_folder_stays(recipe, data):
    before = (data / "recipe.yaml").read_bytes()
    with pytest.raises(UserError, match=r"no folder of a run: it has no classes\.json"):
        finish(train(recipe(), RunFolder(data)))
    assert (data / "recipe.yaml").read_bytes() == before


@pytest.fixture
def formed(recipe, folder, damage):
    """A folder in which an encoder was formed, and then the training did not begin."""
    job = train(recipe("pretrain={steps: 2, batch: 2}"), folder)
    assert any(progress.stage == "encoder formed" for progress in job)
    mend = damage(*TRAINING, begin=0.05, end=0.95)
    with pytest.raises(MediaError, match="none of the 4 videos can be read"):
        finish(job)
    mend()
    return folder


def test_an_encoder_that_was_formed_stays_for_a_training_with_other_settings(recipe, formed):
    wanted = {"recipe.yaml", "classes.json", "encoder.safetensors", "pretraining.jsonl"}
    assert names(formed) - {"tensorboard"} == wanted
    encoder = formed.encoder.read_bytes()
    with pytest.raises(ConfigError, match=r"\n  pretrain\.steps: 2 there, 3 now$"):
        finish(train(recipe("pretrain={steps: 3, batch: 2}", "train.epochs=2"), formed))
    others = ["train.epochs=1", "data.memory={keep: 0.5, where: memory}", "model.fpn_width=16"]
    mended = recipe("pretrain={steps: 2, batch: 2}", *others)
    stages = {progress.stage for progress in train(mended, formed)}
    assert "encoder formed" not in stages
    assert formed.encoder.read_bytes() == encoder
    assert formed.read_recipe() == mended


def test_once_a_training_has_begun_its_settings_are_those_of_the_folder(recipe, formed):
    same = ["pretrain={steps: 2, batch: 2}", "train.epochs=1"]
    finish(train(recipe(*same), formed))
    with pytest.raises(ConfigError, match=r"\n  train\.batch: 2 there, 4 now$"):
        finish(train(recipe(*same, "train.batch=4"), formed))
