"""What a training that is stopped keeps, and which folders and settings it may go on with."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from untrimmed.core.errors import ConfigError, UserError
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.pretraining import pretrain
from untrimmed.runs.progress import finish
from untrimmed.runs.training import train
from untrimmed.sources.bank import FeatureBank
from untrimmed.train.journal import read

ENCODER = """
import signal
from dataclasses import dataclass
from untrimmed.nn.encoders import conv3d

@dataclass(frozen=True, kw_only=True)
class Config:
    pressed_in: int
    def build(self):
        encoder = conv3d.Config(channels=(8, 8)).build()
        calls = iter(range(100))
        def press(module, inputs):
            if module.training and next(calls) == self.pressed_in:
                signal.raise_signal(signal.SIGINT)
        encoder.register_forward_pre_hook(press)
        return encoder
"""
"""An encoder in which ctrl C is pressed at one of its calls in training."""


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """As at a terminal; where tests run in the background it is ignored from the start."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


def stopped_after(job, steps):
    """Let a job go on until so many training steps, then drop it, as a power cut would."""
    for progress in job:
        if progress.stage == "train" and progress.done > steps:
            job.close()
            return


def same_to_the_end(whole, broken, *, step):
    """Whether losses, weights and memory of two finished runs are equal, bit for bit."""
    losses = [[step["losses"] for step in read(folder.journal)] for folder in (whole, broken)]
    assert losses[0] == losses[1]
    ours, theirs = load_file(whole.last), load_file(broken.last)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    banks = [FeatureBank.open(folder.bank_saved(step)) for folder in (whole, broken)]
    assert np.array_equal(banks[0].features, banks[1].features)
    return len(losses[0])


@pytest.mark.parametrize("memory", ["{keep: 0.25}", "{keep: 0.25, where: device, clips: oldest}"])
def test_a_run_stopped_between_validations_goes_on_from_its_last_save(recipe, tmp_path, memory):
    # Never validated on the way, and stopped within an epoch of two steps.
    settings = ["train.validate_every=100", f"data.memory={memory}"]
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    finish(train(recipe(*settings), whole))
    stopped_after(train(recipe(*settings, "train.save_minutes=0"), broken), steps=3)
    assert torch.load(broken.state, weights_only=True)["step"] == 3
    assert not broken.last.exists()
    went_on = [p.done for p in train(recipe(*settings), broken) if p.stage == "train"]
    assert went_on == [4, 5, 6, 7, 8]
    assert same_to_the_end(whole, broken, step=8) == 8


def test_a_save_that_is_not_due_is_not_made(recipe, tmp_path):
    folder = RunFolder(tmp_path / "run")
    stopped_after(train(recipe("train.validate_every=100"), folder), steps=5)
    assert not folder.state.exists()


def test_ctrl_c_in_a_step_loses_nothing(recipe, tmp_path, monkeypatch):
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "pressing.py").write_text(ENCODER)
    monkeypatch.syspath_prepend(tmp_path)
    settings = ["train.validate_every=100", "train.head_only_steps=0"]
    whole, broken = (RunFolder(tmp_path / name) for name in ("whole", "broken"))
    never, often = (
        recipe(*settings, f"model.encoder={{name: my_lab.pressing, pressed_in: {call}}}")
        for call in (99, 2)
    )
    finish(train(never, whole))
    with pytest.raises(KeyboardInterrupt):
        finish(train(often, broken))
    assert len(read(broken.journal)) == 3
    assert torch.load(broken.state, weights_only=True)["step"] == 3
    with pytest.raises(KeyboardInterrupt):  # it is pressed again, three steps later
        finish(train(often, broken))
    assert torch.load(broken.state, weights_only=True)["step"] == 6
    finish(train(often, broken))
    assert same_to_the_end(whole, broken, step=8) == 8


def test_the_command_says_that_it_goes_on_from_the_last_save(data, tmp_path):
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "pressing.py").write_text(ENCODER)
    settings = ["pretrain=null", "model.encoder={name: my_lab.pressing, pressed_in: 2}"]
    # As at a terminal: a process that is started in the background does not hear ctrl C.
    begin = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    command = [sys.executable, "-c", f"{begin} from untrimmed.cli.main import run; run()", "train"]
    command += [str(data / "recipe.yaml"), "--run", "run"]
    command += [part for setting in settings for part in ("--set", setting)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "stopped; the same command goes on from the last save" in done.stderr
    assert RunFolder(tmp_path / "run").state.exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["encoder_weights={path: none.safetensors}"], "none.safetensors: there is no such file"),
        (["encoder_weights={name: i3d_k400}"], "weights of {name: i3d}, but the encoder is conv3d"),
        (["model.consistency_heads=5"], "16 channels do not divide into 5 heads"),
        (["train.batch=99"], "make no batch"),
    ],
)
def test_a_failed_start_leaves_no_folder(recipe, tmp_path, settings, said):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(UserError, match=said):
        finish(train(recipe(*settings), folder))
    assert not folder.path.exists()


def test_an_encoder_that_cannot_be_formed_leaves_no_folder(recipe, tmp_path):
    folder = RunFolder(tmp_path / "run")
    settings = ["pretrain={steps: 1}", "encoder_weights={path: none.safetensors}"]
    for start in (train, pretrain):
        with pytest.raises(UserError, match="there is no such file"):
            finish(start(recipe(*settings), folder))
        assert not folder.path.exists()


def test_weights_given_by_hand_that_are_not_there_leave_no_folder(recipe, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(UserError, match="there is no such file"):
        finish(train(recipe(), folder, encoder_weights=tmp_path / "none.safetensors"))
    assert not folder.path.exists()


def test_the_settings_that_differ_are_named_with_both_values(recipe, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start(recipe(), ("wave", "pour"))
    other = recipe("train.epochs=7", "data.media=elsewhere", "model.pyramid_kernels=[3]")
    with pytest.raises(ConfigError, match="holds a run of another recipe") as refused:
        folder.check(other, ("wave", "stir"))
    lines = str(refused.value).splitlines()[1:]
    media = recipe().data.media
    assert lines == [
        f'  data.media: "{media}" there, "{media.parent / "elsewhere"}" now',
        "  model.pyramid_kernels: [3, 3] there, [3] now",
        "  train.epochs: 4 there, 7 now",
        "  classes: 2 with pour there, 2 with stir now",
    ]


def test_parts_that_one_recipe_lacks_are_named_too(recipe, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start(recipe("encoder_weights={path: a.pth}"), ("wave",))
    with pytest.raises(ConfigError) as refused:
        folder.check(recipe(), ("wave",))
    assert "  encoder_weights: not set there, null now" in str(refused.value).splitlines()


def test_a_run_goes_on_with_other_settings_that_change_no_result(recipe, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start(recipe(), ("wave",))
    folder.start(recipe("data.workers=3", "train.save_minutes=1"), ("wave",))
    assert folder.read_recipe() == recipe()
    assert json.loads(folder.classes.read_text()) == ["wave"]
