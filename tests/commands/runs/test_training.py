import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from untrimmed.core.errors import ConfigError, UserError
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.evaluation import evaluate
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.progress import finish
from untrimmed.runs.training import train
from untrimmed.sources.bank import FeatureBank
from untrimmed.train.journal import read


def weights(folder):
    return load_file(folder.last)


def stopped_after(job, steps):
    """Let a job go on until so many training steps, then drop it, as a power cut would."""
    for progress in job:
        if progress.stage == "train" and progress.done > steps:
            job.close()
            return


@pytest.mark.parametrize(
    "memory",
    [
        "{keep: 0.25}",
        "{keep: 0.25, where: memory, dtype: bfloat16, clips: oldest}",
        "{keep: 0.25, where: device, refresh_every: 1}",
    ],
)
def test_a_stopped_run_goes_on_as_if_it_had_not_been(data, tmp_path, memory):
    recipe = read_recipe(data / "recipe.yaml", settings=[f"data.memory={memory}"])
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    finish(train(recipe, whole))
    stopped_after(train(recipe, broken), steps=5)
    assert RunFolder(tmp_path / "broken").state.exists()
    finish(train(recipe, broken))

    ours, theirs = weights(whole), weights(broken)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    banks = [FeatureBank.open(folder.bank_saved(8)) for folder in (whole, broken)]
    for id, cells in banks[0].lengths.items():
        assert np.array_equal(banks[0].read(id, 0, cells)[0], banks[1].read(id, 0, cells)[0])
    losses = [[step["losses"] for step in read(folder.journal)] for folder in (whole, broken)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 8


def test_loader_processes_change_nothing(data, tmp_path):
    runs = []
    for workers in (0, 1):
        folder = RunFolder(tmp_path / str(workers))
        settings = [f"data.workers={workers}", "train.epochs=1"]
        finish(train(read_recipe(data / "recipe.yaml", settings=settings), folder))
        runs.append([step["losses"] for step in read(folder.journal)])
    assert runs[0] == runs[1]


def test_training_writes_back_what_it_encodes(data, tmp_path):
    folder = RunFolder(tmp_path / "run")
    finish(train(read_recipe(data / "recipe.yaml"), folder))
    bank = FeatureBank.open(folder.bank)
    ages = np.concatenate([bank.ages(id, 0, cells, step=8) for id, cells in bank.lengths.items()])
    assert (ages >= 0).all()
    assert 0 < (ages < 8).mean() < 1


@pytest.mark.parametrize("setting", ["data.memory=null", "train.bf16=true", "train.ema=null"])
def test_other_ways_of_training_give_finite_losses_and_weights(data, tmp_path, setting):
    folder = RunFolder(tmp_path / "run")
    settings = [setting, "train.epochs=1", "pretrain=null"]
    finish(train(read_recipe(data / "recipe.yaml", settings=settings), folder))
    losses = [sum(step["losses"].values()) for step in read(folder.journal)]
    assert np.isfinite(losses).all()
    assert all(weight.isfinite().all() for weight in weights(folder).values())
    assert folder.bank.exists() == (setting != "data.memory=null")


def test_at_a_rate_of_0_the_encoder_rests_and_the_memory_stays_as_it_was(data, tmp_path):
    folder = RunFolder(tmp_path / "run")
    settings = ["data.memory.keep=0", "train.ema=null", "train.head_only_steps=0"]
    finish(train(read_recipe(data / "recipe.yaml", settings=settings), folder))
    steps = read(folder.journal)
    assert {step["clips"] for step in steps} == {0}
    assert steps[-1]["losses"] != steps[0]["losses"]
    trained = weights(folder)
    formed = load_file(folder.encoder)
    assert all(torch.equal(trained[f"encoder.{name}"], formed[name]) for name in formed)
    bank = FeatureBank.open(folder.bank)
    ages = [bank.ages(id, 0, cells, step=8) for id, cells in bank.lengths.items()]
    assert (np.concatenate(ages) == 8).all()


def test_a_folder_of_another_recipe_is_left_alone(data, tmp_path):
    folder = RunFolder(tmp_path / "run")
    finish(train(read_recipe(data / "recipe.yaml", settings=["train.epochs=1"]), folder))
    before = folder.last.read_bytes()
    with pytest.raises(ConfigError, match="holds a run of another recipe"):
        finish(train(read_recipe(data / "recipe.yaml"), folder))
    assert folder.last.read_bytes() == before


def test_a_broken_video_costs_only_itself(data, tmp_path):
    broken = data / "videos" / "training-001.mp4"
    broken.write_bytes(broken.read_bytes()[:400])
    folder = RunFolder(tmp_path / "run")
    result = finish(train(read_recipe(data / "recipe.yaml"), folder))
    assert list(result.failed) == ["training-001"]
    assert str(broken) in result.failed["training-001"]
    assert "training-001" not in FeatureBank.open(folder.bank).lengths


def test_an_evaluation_leaves_detections_scores_and_a_page(data, tmp_path):
    folder = RunFolder(tmp_path / "run")
    finish(train(read_recipe(data / "recipe.yaml", settings=["train.epochs=1"]), folder))
    result = finish(evaluate(folder))
    written = json.loads(folder.scores("testing").read_text())
    assert written["average_mAP"] == result.scores.average
    assert written["videos"] == 2
    found = json.loads(folder.detections("testing").read_text())["results"]
    assert {id: len(rows) for id, rows in found.items()} == {
        id: len(rows) for id, rows in result.detections.items()
    }
    assert "<html" in folder.report.read_text()


def test_too_few_videos_for_a_batch_are_said_to_be_so(data, tmp_path):
    recipe = read_recipe(data / "recipe.yaml", settings=["train.batch=99"])
    with pytest.raises(UserError, match="4 readable training videos and 4 epochs make no batch"):
        finish(train(recipe, RunFolder(tmp_path / "run")))
