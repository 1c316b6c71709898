"""Trainings of which every batch touches damaged frames of real files, or only some do."""

import re
import subprocess
import sys

import pytest

from untrimmed.core.errors import UserError
from untrimmed.runs.pretraining import pretrain
from untrimmed.runs.progress import finish
from untrimmed.runs.training import train
from untrimmed.train.journal import read

TRAINING = [f"training-{number:03}" for number in range(4)]
STEPS, BATCH = 8, 2


# With a memory what can be read is remembered; the windows, of almost a whole video, are not.
@pytest.mark.parametrize("memory", ["null", "{keep: 0.25}", "{keep: 0, where: memory}"])
def test_a_training_that_could_read_no_batch_ends_in_an_error(recipe, damage, folder, memory):
    mend = damage(*TRAINING)
    settings = [f"data.memory={memory}", "data.windows.clips=9"]
    count = STEPS * BATCH
    said = rf"nothing was learnt: all {STEPS} steps were skipped, for {count} of their {count} win"
    saving = "train.save_minutes=0"
    with pytest.raises(UserError, match=said) as refused:
        finish(train(recipe(*settings, saving), folder))
    listed = str(refused.value).splitlines()[1:]
    assert len(listed) == len(TRAINING)
    for video in TRAINING:
        wanted = rf"  4 of {video}: \S*{video}\.mp4: "
        assert sum(bool(re.match(wanted, line)) for line in listed) == 1, listed
    assert not folder.path.exists()
    mend()
    assert not finish(train(recipe(*settings), folder)).failed
    assert folder.last.exists()


def test_the_command_ends_with_status_2_and_is_not_trained(data, damage, tmp_path):
    damage(*TRAINING)
    command = [sys.executable, "-m", "untrimmed", "train", str(data / "recipe.yaml")]
    settings = ["--set", "pretrain=null", "--set", "data.memory=null", "--run", "run"]
    done = subprocess.run(
        [*command, *settings], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "error: nothing was learnt: all 8 steps were skipped" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_where_some_can_be_read_it_goes_on_and_lists_the_others(recipe, damage, folder):
    damage(*TRAINING[:3])
    result = finish(train(recipe("data.memory=null", "train.batch=1"), folder))
    assert sorted(result.failed) == TRAINING[:3]
    steps = read(folder.journal)
    assert [bool(step["losses"]) for step in steps].count(True) == len(steps) // 4
    assert folder.last.exists()


def test_nothing_is_saved_before_a_step_learnt_something(recipe, damage, folder):
    damage(*TRAINING[:3])
    settings = ["data.memory=null", "train.batch=1", "train.save_minutes=0"]
    learnt = False
    for progress in train(recipe(*settings), folder):
        if progress.stage == "train":
            assert folder.state.exists() == learnt  # of the steps before
            learnt = learnt or bool(read(folder.journal)[-1]["losses"])
    assert learnt


FORMED = "pretrain={steps: 4, batch: 2}"


def test_an_encoder_that_no_clip_formed_is_an_error(recipe, damage, folder):
    damage(*TRAINING, begin=0.05, end=0.95)
    with pytest.raises(UserError, match="all 4 steps were skipped, for 8 of their 8 clips could"):
        finish(pretrain(recipe(FORMED), folder))
    assert not folder.path.exists()


def test_an_encoder_is_formed_on_what_can_be_read(recipe, damage, folder):
    damage(*TRAINING[:3], begin=0.05, end=0.95)
    finish(pretrain(recipe("pretrain={steps: 12, batch: 1}"), folder))
    steps = read(folder.pretraining_journal)
    assert {bool(step["losses"]) for step in steps} == {True, False}
    assert all(bool(step["losses"]) != bool(step["failed"]) for step in steps)
    assert folder.encoder.exists()


def without_actions(split):
    def change(content):
        for video in content["database"].values():
            if video["subset"] == split:
                video["annotations"] = []

    return change


def test_an_encoder_is_not_formed_without_an_action(recipe, folder, edit_annotations):
    edit_annotations(without_actions("training"))
    with pytest.raises(UserError, match="no readable video of the split training has an action"):
        finish(pretrain(recipe(FORMED), folder))
    assert not folder.path.exists()


def test_an_encoder_whose_accuracy_cannot_be_known_is_formed(recipe, folder, edit_annotations):
    edit_annotations(without_actions("validation"))
    accuracy = finish(pretrain(recipe(FORMED), folder))
    assert accuracy != accuracy  # not a number
    assert folder.encoder.exists()
