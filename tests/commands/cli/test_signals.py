"""Real commands that are sent real signals."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch

from untrimmed.runs.folder import RunFolder
from untrimmed.train.journal import read

LONG = ["pretrain=null", "train.epochs=9999", "train.validate_every=9999"]
"""A training that no test waits for, and that saves nothing by itself in time."""


@contextmanager
def begun(*words, until):
    """A command in a process group of its own, once it wrote a line that begins so."""
    process = subprocess.Popen(
        [sys.executable, "-m", "untrimmed", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith(until):
                break
        else:
            pytest.fail("".join(lines))
        yield process, lines
    finally:
        process.kill()
        process.communicate()


def ended(process):
    """Exit status, and what else was written."""
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def training(data, folder, *settings):
    words = [word for setting in [*LONG, *settings] for word in ("--set", setting)]
    return begun("train", data / "recipe.yaml", "--run", folder, *words, until="train:")


def test_sigterm_ends_a_training_that_goes_on_where_it_was(drawn, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with training(drawn, folder.path) as (process, _):
        process.terminate()
        status, errors = ended(process)
    assert status == 143
    assert errors == "stopped; the same command goes on from the last save\n"
    saved = torch.load(folder.state, weights_only=True)["step"]
    assert saved == len(read(folder.journal)) > 0
    with training(drawn, folder.path) as (_, lines):
        assert lines[-1].startswith(f"train: {saved + 1}/")


def test_sigterm_may_reach_the_processes_that_read_as_well(drawn, tmp_path):
    """As `timeout` and schedulers send it, and twice."""
    folder = RunFolder(tmp_path / "run")
    with training(drawn, folder.path, "data.workers=1") as (process, _):
        os.killpg(process.pid, signal.SIGTERM)
        os.killpg(process.pid, signal.SIGTERM)
        status, errors = ended(process)
    assert status == 143
    # A loader process may complain before that what it was sending was not fetched.
    assert errors.endswith("stopped; the same command goes on from the last save\n")
    assert torch.load(folder.state, weights_only=True)["step"] == len(read(folder.journal))


def test_sigterm_ends_what_is_no_training_at_once(drawn, tmp_path):
    words = ["pretrain", drawn / "recipe.yaml", "--run", tmp_path / "run"]
    with begun(*words, "--set", "pretrain.steps=99999", until="form the encoder:") as (process, _):
        process.terminate()
        status, errors = ended(process)
    assert (status, errors) == (143, "stopped; the same command goes on from the last save\n")
    assert not RunFolder(tmp_path / "run").encoder.exists()
