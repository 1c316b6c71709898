import numpy as np
import torch

from untrimmed.core.actions import Actions
from untrimmed.core.grid import TimeGrid
from untrimmed.data.targets import targets

GRID = TimeGrid(first_s=10.0, step_s=0.5, length=20)  # 10 s to 20 s


def test_segments_are_in_cells_of_the_window():
    wanted = targets(Actions([[11.0, 13.5]], [3]), GRID)
    assert wanted.segments.tolist() == [[2.0, 7.0]]
    assert wanted.labels.tolist() == [3]


def test_an_action_that_is_mostly_outside_is_background():
    actions = Actions([[6.0, 13.9], [9.0, 13.1], [19.0, 24.0]], [0, 1, 2])
    wanted = targets(actions, GRID)
    assert wanted.labels.tolist() == [1]
    assert torch.allclose(wanted.segments, torch.tensor([[0.0, 6.2]]))


def test_an_action_that_fills_the_window_counts_however_long_it_is():
    assert targets(Actions([[0.0, 100.0]], [4]), GRID).segments.tolist() == [[0.0, 20.0]]


def test_the_share_must_be_exceeded():
    at_three_quarters = Actions([[9.0, 13.0]], [1])
    assert len(targets(at_three_quarters, GRID).labels) == 0


def test_ignored_actions_are_no_targets():
    actions = Actions([[11, 12], [13, 14]], [0, 1], ignored=[True, False])
    assert targets(actions, GRID).labels.tolist() == [1]


def test_a_window_without_actions_has_no_targets():
    wanted = targets(Actions.none(), GRID)
    assert wanted.segments.shape == (0, 2)
    assert wanted.labels.dtype == torch.int64


def test_cells_undo_seconds():
    random = np.random.default_rng(0)
    starts = random.uniform(10, 15, 8)
    actions = Actions(np.stack([starts, starts + random.uniform(0.1, 5, 8)], 1), np.zeros(8, int))
    back = GRID.to_seconds(targets(actions, GRID).segments.numpy())
    assert np.allclose(back, actions.segments_s, atol=1e-5)
