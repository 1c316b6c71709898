"""Two processes that train together are stopped: by one signal, by a kill."""

import os
import subprocess
import sys

import pytest
import torch

from untrimmed.runs.folder import RunFolder
from untrimmed.train.journal import read

ENCODER = """
import os
import signal
from dataclasses import dataclass
from untrimmed.nn.encoders import conv3d

@dataclass(frozen=True, kw_only=True)
class Config:
    def build(self):
        encoder = conv3d.Config(channels=(8, 8)).build()
        calls = iter(range(99))
        def send(module, inputs):
            if module.training and os.environ["RANK"] == "1" and next(calls) == 2:
                if "SENT" in os.environ:
                    signal.raise_signal(getattr(signal, os.environ["SENT"]))
        encoder.register_forward_pre_hook(send)
        return encoder
"""
"""An encoder in which the second process gets a signal in its third step."""

STOPPED = "stopped; the same command goes on from the last save"


@pytest.fixture
def begin(drawn, tmp_path):
    """Starts two processes that train into a folder `run`, of which the second may get a signal."""
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "hearing.py").write_text(ENCODER)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = ["-m", "--", "untrimmed", "train", str(drawn / "recipe.yaml"), "--run", "run"]
    always = ["pretrain=null", "train.head_only_steps=0", "model.encoder={name: my_lab.hearing}"]
    running = []

    def begun(*settings, sent=None):
        words = [word for setting in [*always, *settings] for word in ("--set", setting)]
        process = subprocess.Popen(
            [*torchrun, "--nproc-per-node", "2", *command, *words],
            cwd=tmp_path,
            env={**os.environ, **({} if sent is None else {"SENT": sent})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begun
    for process in running:
        process.terminate()  # and so torchrun ends the others
        process.communicate()


def saved_step(folder):
    return torch.load(folder.state, weights_only=True)["step"]


def test_a_signal_to_one_of_them_stops_all_with_everything_saved(begin, tmp_path):
    folder = RunFolder(tmp_path / "run")
    stopped = begin("train.validate_every=100", sent="SIGTERM")
    _, errors = stopped.communicate(timeout=300)
    assert errors.count(STOPPED) == 1
    assert saved_step(folder) == len(read(folder.journal)) == 3


def test_after_a_kill_they_go_on_from_the_last_save(begin, tmp_path):
    folder = RunFolder(tmp_path / "run")
    killed = begin("train.save_minutes=0", "train.validate_every=100", sent="SIGKILL")
    _, errors = killed.communicate(timeout=300)
    assert killed.returncode != 0
    assert saved_step(folder) == 2, errors
    _, errors = begin("train.validate_every=100").communicate(timeout=300)
    assert "train: 3/8" in errors
    assert [step["number"] for step in read(folder.journal)] == list(range(1, 9))
