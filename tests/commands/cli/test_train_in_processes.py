"""`torchrun -m -- untrimmed train`: two processes come to what one does."""

import json
import re
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.progress import finish
from untrimmed.runs.training import train
from untrimmed.sources.bank import FeatureBank
from untrimmed.train.journal import read

# Nothing is drawn but what is drawn for all processes; the encoder leaves branches out.
SETTINGS = [
    "pretrain=null",
    "model.consistency_drop_path=0",
    "model.pyramid_dropout=0",
    "model.clips_at_once=1",
    "model.encoder={name: video_swin, size: null, embed: 4, depths: [1, 1], heads: [1, 2],"
    " window: [2, 3, 3], drop_path: 0.4}",
    "train.optimizer={kind: sgd, lr: 0.01}",
    "train.head_only_steps=2",
    "data.memory={keep: 0.25, dtype: float32, refresh_every: 3, clips: oldest}",
]


@pytest.fixture(scope="module")
def folders(drawn, tmp_path_factory):
    """Of a run of one process, and of one of two with its output."""
    one, two = (tmp_path_factory.mktemp(name) / "run" for name in ("one", "two"))
    finish(train(read_recipe(drawn / "recipe.yaml", settings=SETTINGS), RunFolder(one)))
    return RunFolder(one), RunFolder(two), in_two_processes(drawn, two)


def in_two_processes(data, run):
    """Train on a data set into a folder; what the command came to."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = ["-m", "--", "untrimmed", "train", str(data / "recipe.yaml"), "--run", str(run)]
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", *command, *settings],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # The status is 2 where one of the videos is damaged.
    assert "next: untrimmed evaluate" in done.stdout, done.stderr[-4000:]
    return done


def test_the_loss_curve_is_that_of_one_process(folders):
    curves = [read(folder.journal) for folder in folders[:2]]
    assert len(curves[0]) == 8
    for wanted, found in zip(*curves, strict=True):
        assert found["losses"] == pytest.approx(wanted["losses"], rel=1e-4)
        assert found["gradient_norm"] == pytest.approx(wanted["gradient_norm"], rel=1e-3)
        for name in ("number", "lr", "clips", "age", "failed"):
            assert found[name] == wanted[name], name


def test_weights_and_memory_are_those_of_one_process(folders):
    one, two = folders[:2]
    wanted, found = load_file(one.last), load_file(two.last)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5, msg=name)
    banks = [FeatureBank.open(folder.bank) for folder in (one, two)]
    assert (banks[0].written == banks[1].written).all()
    features = [torch.from_numpy(bank.features.copy()) for bank in banks]
    torch.testing.assert_close(features[1], features[0], rtol=1e-3, atol=1e-4)


def test_memory_is_refreshed_when_it_is_due(folders):
    ages = [step["age"] for step in read(folders[0].journal)]
    assert ages[6] < ages[5]  # 2 steps an epoch: after step 6 all is encoded anew
    assert ages[6] == 0


def test_only_the_first_process_prints(folders):
    *_, done = folders
    assert done.stdout.count("best average mAP") == 1
    assert done.stdout.count("run: ") == 1


def test_the_folder_is_that_of_one_run(folders):
    names = [{path.name for path in folder.path.iterdir()} for folder in folders[:2]]
    assert names[0] == names[1]
    assert json.loads(folders[1].classes.read_text()) == json.loads(folders[0].classes.read_text())


def test_a_damaged_video_costs_two_processes_its_own_steps(data, tmp_path):
    """It is one of two windows, so one process has none left, and the step is none for both."""
    path = data / "videos" / "training-001.mp4"
    content = path.read_bytes()
    first, last = 2 * len(content) // 5, 3 * len(content) // 5
    path.write_bytes(content[:first] + b"\xff" * (last - first) + content[last:])
    folder = RunFolder(tmp_path / "run")
    done = in_two_processes(data, folder.path)
    assert re.search(r"training-001\.mp4: the frame at [\d.]+ s cannot be decoded", done.stderr)
    steps = read(folder.journal)
    assert len(steps) == 8
    failed = [[each["video"] for each in step["failed"]] for step in steps]
    assert sorted(failed) == [[]] * 4 + [["training-001"]] * 4
    assert all(bool(step["losses"]) != bool(some) for step, some in zip(steps, failed, strict=True))
    bank = FeatureBank.open(folder.bank)
    whole = {id: bank.filled(id, 0, cells).all() for id, cells in bank.lengths.items()}
    assert [id for id, is_whole in whole.items() if not is_whole] == ["training-001"]
