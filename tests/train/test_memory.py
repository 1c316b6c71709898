import numpy as np
import pytest
import torch

from untrimmed.data.windows import WindowShape, window_at
from untrimmed.sources.bank import FeatureBank
from untrimmed.train.memory import fill, mean_age, no_memory, recall, remember

CPU = torch.device("cpu")
SHAPE = WindowShape(fps=10, clip_frames=8, clips=3, stride=2)  # 4 cells a clip, 12 a window
CELLS = 17
FRAMES = 33


@pytest.fixture
def bank(tmp_path):
    bank = FeatureBank.create(tmp_path / "bank", {"v": CELLS, "w": 5}, channels=2, dtype="float32")
    numbers = torch.arange(2.0 * CELLS).reshape(CELLS, 2).T
    fill(bank, "v", [numbers[:, :6], numbers[:, 6:]])
    return bank


def window(first_cell, video="v", frames=FRAMES):
    return window_at(video, first_cell, video_frames=frames, shape=SHAPE)


@pytest.mark.parametrize("first_cell", range(CELLS))
def test_what_is_remembered_comes_back_at_every_shift(bank, first_cell):
    windows = [window(first_cell)]
    place = torch.tensor([[0, 2]])
    fresh = -1.0 - torch.rand(1, 2, 2, 4)
    before = recall(bank, windows, device=CPU)
    remember(bank, windows, place, fresh, step=3)
    after = recall(bank, windows, device=CPU)

    rewritten = torch.zeros(12, dtype=torch.bool)
    rewritten[0:4] = rewritten[8:12] = True
    rewritten &= after.valid[0]
    joined = torch.cat([fresh[0, 0], torch.zeros(2, 4), fresh[0, 1]], 1)
    assert torch.equal(after.values[0, :, rewritten], joined[:, rewritten])
    assert torch.equal(after.values[0, :, ~rewritten], before.values[0, :, ~rewritten])


def test_cells_behind_the_end_are_neither_valid_nor_anything_but_zero(bank):
    memory = recall(bank, [window(10), window(0)], device=CPU)
    assert memory.valid.sum(1).tolist() == [7, 12]
    assert (memory.values[0, :, 7:] == 0).all()


def test_windows_of_a_batch_keep_their_rows(bank):
    windows = [window(0), window(0, video="w", frames=10)]
    remember(bank, windows, torch.tensor([[1], [0]]), torch.ones(2, 1, 2, 4), step=1)
    assert bank.ages("v", 0, 12, step=1).tolist() == [1] * 4 + [0] * 4 + [1] * 4
    assert bank.ages("w", 0, 5, step=1).tolist() == [0] * 4 + [-1]


def test_a_step_without_a_bank_knows_which_cells_exist():
    memory = no_memory([window(10), window(0)], channels=3, device=CPU)
    assert memory.values.shape == (2, 3, 12)
    assert memory.valid.sum(1).tolist() == [7, 12]


def test_age_is_of_written_cells_alone(bank):
    remember(bank, [window(0)], torch.tensor([[0]]), torch.zeros(1, 1, 2, 4), step=6)
    assert mean_age(bank, [window(0)], step=6) == pytest.approx(8 * 6 / 12)
    assert mean_age(bank, [window(0, video="w", frames=10)], step=6) == 0.0


def test_pieces_are_written_one_behind_the_other(bank):
    values, _ = bank.read("v", 0, CELLS)
    assert np.array_equal(values, np.arange(2.0 * CELLS).reshape(CELLS, 2))
