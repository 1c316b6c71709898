"""Temporal consistency module."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.temporal.consistency import Consistency, RelativePosition
from untrimmed.tensors import Padded, pad


@pytest.fixture
def x():
    torch.manual_seed(0)
    return pad([torch.randn(6, 11), torch.randn(6, 7)])


@pytest.fixture
def consistency():
    torch.manual_seed(1)
    module = Consistency(6, layers=2, heads=3, max_cells=14).eval()
    for layer in module.layers:
        torch.nn.init.normal_(layer.position.table)
    return module


def test_padding_changes_nothing(consistency, x):
    longer = Padded(F.pad(x.values, (0, 3)), F.pad(x.valid, (0, 3)))
    torch.testing.assert_close(consistency(longer).values[..., :11], consistency(x).values)


def test_batch_is_its_videos_one_by_one(consistency, x):
    alone = consistency(Padded.whole(x.values[1:, :, :7])).values[0]
    torch.testing.assert_close(consistency(x).values[1, :, :7], alone)


def test_padding_stays_zero(consistency, x):
    assert consistency(x).values[1, :, 7:].abs().max() == 0


def test_moving_the_cells_in_their_window_moves_the_output(consistency, x):
    moved = Padded(F.pad(x.values, (3, 0)), F.pad(x.valid, (3, 0)))
    torch.testing.assert_close(consistency(moved).values[..., 3:], consistency(x).values)


def test_every_cell_sees_every_other(consistency):
    values = torch.randn(1, 6, 11, requires_grad=True)
    consistency(Padded.whole(values)).values[..., 0].sum().backward()
    assert values.grad.abs().amax((0, 1)).min() > 0


def test_without_positions_the_order_does_not_matter(consistency):
    for layer in consistency.layers:
        torch.nn.init.zeros_(layer.position.table)
    values = torch.randn(1, 6, 11)
    out = consistency(Padded.whole(values)).values
    torch.testing.assert_close(consistency(Padded.whole(values.flip(2))).values, out.flip(2))


def test_a_position_is_how_far_ahead_of_the_seen_cell_the_seeing_one_is():
    position = RelativePosition(2, max_cells=4)
    with torch.no_grad():
        position.table.copy_(torch.arange(-3.0, 4.0)[:, None] * torch.tensor([1, 10]))
    assert position(3)[0].tolist() == [[0, -1, -2], [1, 0, -1], [2, 1, 0]]
    assert position(3)[1].tolist() == [[0, -10, -20], [10, 0, -10], [20, 10, 0]]


def test_layers_start_from_values_of_their_own():
    first, second = Consistency(6, layers=2, heads=3, max_cells=5).layers
    assert not torch.equal(first.mlp[0].weight, second.mlp[0].weight)


def test_a_video_without_any_cell_gives_zero_and_harms_no_gradient(consistency):
    values = torch.zeros(1, 6, 5, requires_grad=True)
    out = consistency(Padded(values, torch.zeros(1, 5, dtype=torch.bool))).values
    out.sum().backward()
    assert out.abs().max() == 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in consistency.parameters())


def test_every_parameter_gets_a_gradient(consistency):
    consistency(Padded.whole(torch.randn(2, 6, 14))).values.square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in consistency.parameters())
    assert all(layer.position.table.grad.abs().min() > 0 for layer in consistency.layers)


def test_half_precision_is_finite(consistency, x):
    with torch.autocast("cpu", torch.bfloat16):
        out = consistency(x).values
    torch.testing.assert_close(out.float(), consistency(x).values, rtol=0.1, atol=0.1)


def test_its_size_is_that_of_the_authors():
    with torch.device("meta"):
        module = Consistency(512, max_cells=60)
    assert sum(p.numel() for p in module.parameters()) == 9_462_864


def test_a_longer_sequence_is_refused(consistency):
    with pytest.raises(ValueError, match="15 cells, where positions are learned for 14"):
        consistency(Padded.whole(torch.randn(1, 6, 15)))
