"""Training videos of which a part cannot be decoded, with a memory."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from untrimmed.core.errors import MediaError, UserError
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.progress import finish
from untrimmed.runs.training import train
from untrimmed.sources.bank import FeatureBank
from untrimmed.train.journal import read

STEPS = 8  # of 2 windows: 4 epochs of 4 videos
SHORT, LONG = "training-001", "training-000"  # of 50 and 69 frames; a window has 64


def curve(folder):
    """What each step of a run came to, and the videos that failed in it."""
    return [
        (step["losses"], step["clips"], step["age"], [each["video"] for each in step["failed"]])
        for step in read(folder.journal)
    ]


def filled(bank, video):
    return bank.filled(video, 0, bank.lengths[video])


@pytest.mark.parametrize("where", ["disk", "memory", "device"])
def test_a_damaged_video_costs_only_itself(recipe, damage, tmp_path, where):
    damage(SHORT)
    folder = RunFolder(tmp_path / "run")
    result = finish(train(recipe(f"data.memory.where={where}"), folder))
    assert list(result.failed) == [SHORT]
    assert f"{SHORT}.mp4: the frame at 4.800 s cannot be decoded" in result.failed[SHORT]
    steps = curve(folder)
    assert len(steps) == STEPS
    assert all(losses for losses, *_ in steps)
    assert sum(failed == [SHORT] for *_, failed in steps) == 4  # once an epoch
    bank = FeatureBank.open(folder.bank_saved(STEPS))
    assert [id for id in bank.lengths if not filled(bank, id).all()] == [SHORT]


def test_the_others_learn_what_they_do_where_the_loader_leaves_it_out(recipe, damage, tmp_path):
    loading, filling = RunFolder(tmp_path / "loading"), RunFolder(tmp_path / "filling")
    # Processes of the loader open files anew, so there nothing of it can be read.
    for progress in train(recipe("data.workers=1"), loading):
        if progress.stage == "fill the memory" and progress.done == progress.total:
            intact = damage(SHORT, begin=0, end=1)
    intact()
    damage(SHORT)
    finish(train(recipe(), filling))
    assert curve(filling) == curve(loading)
    assert sum(failed == [SHORT] for *_, failed in curve(filling)) == 4


def test_what_lies_beside_the_damage_is_remembered_as_ever(recipe, damage, tmp_path):
    resting = recipe("data.memory.keep=0")  # the memory stays as it was filled
    finish(train(resting, whole := RunFolder(tmp_path / "whole")))
    damage(LONG)
    finish(train(resting, damaged := RunFolder(tmp_path / "damaged")))
    banks = [FeatureBank.open(folder.bank) for folder in (whole, damaged)]
    known = filled(banks[1], LONG)
    assert known.any()
    assert not known.all()
    rows = [bank.read(LONG, 0, bank.lengths[LONG])[0] for bank in banks]
    assert np.array_equal(rows[0][known], rows[1][known])
    assert (rows[1][~known] == 0).all()


def test_windows_beside_the_damage_are_trained_on(recipe, damage, tmp_path):
    damage(LONG, begin=0.1, end=0.15)
    short_windows = recipe("data.windows.clips=2", "train.epochs=8", "train.validate_every=8")
    folder = RunFolder(tmp_path / "run")
    assert list(finish(train(short_windows, folder)).failed) == [LONG]
    assert 0 < sum(failed == [LONG] for *_, failed in curve(folder)) < 8


def test_a_video_damaged_later_is_remembered_as_it_was(recipe, damage, tmp_path):
    folder = RunFolder(tmp_path / "run")
    refreshed = recipe("data.memory.refresh_every=1")
    job = train(refreshed, folder)
    for progress in job:
        if progress.stage == "train" and progress.done == 3:
            damage(SHORT, begin=0, end=1)
            break
    result = finish(job)
    assert list(result.failed) == [SHORT]
    assert len(curve(folder)) == STEPS
    bank = FeatureBank.open(folder.bank)
    ages = {id: bank.ages(id, 0, cells, step=STEPS) for id, cells in bank.lengths.items()}
    last_fill = 2  # steps before the end
    assert (ages.pop(SHORT) > last_fill).all()
    assert (np.concatenate(list(ages.values())) <= last_fill).all()


@pytest.mark.parametrize(
    ("keep", "told"), [(0.25, "the frame at 4.800 s"), (0, "could not be read, wholly or in part")]
)
def test_a_stopped_run_goes_on_without_what_it_could_not_read(recipe, damage, tmp_path, keep, told):
    """With no clip decoded, only the saved memory knows that something is wrong."""
    damage(SHORT)
    resumed = recipe(f"data.memory.keep={keep}")
    whole, stopped = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    finish(train(resumed, whole))
    for progress in (job := train(resumed, stopped)):
        if progress.stage == "train" and progress.done > 5:
            job.close()
            break
    result = finish(train(resumed, stopped))
    assert curve(stopped) == curve(whole)
    assert f"{SHORT}.mp4: {told}" in result.failed[SHORT]
    ours, theirs = load_file(whole.last), load_file(stopped.last)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_training_ends_if_nothing_can_be_read_at_all(recipe, damage, tmp_path):
    for number in range(4):
        damage(f"training-{number:03}", begin=0.05, end=0.95)
    with pytest.raises(MediaError, match=r"none of the 4 videos can be read: .*training-000\.mp4"):
        finish(train(recipe(), RunFolder(tmp_path / "run")))


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_a_saved_memory_that_is_damaged_is_named_with_what_to_do(recipe, tmp_path, where):
    folder = RunFolder(tmp_path / "run")
    finish(train(recipe("data.memory.where=" + where), folder))
    (folder.bank_saved(STEPS) / "bank.json").unlink()
    with pytest.raises(UserError, match=r"bank-8.*memory of step 8.*bring it back.* or delete"):
        finish(train(recipe("data.memory.where=" + where), folder))
