"""Cells that are set to zero."""

import pytest
import torch

from untrimmed.nn.ops.clearing import clear_, rectify_

B, T, C = 2, 5, 3
KEPT = torch.tensor([[True, False, True, True, False], [False, True, True, True, True]])


def test_cells_that_are_not_kept_are_zero_and_others_as_they_were():
    cells = torch.rand(B, T, C) + 1
    before = cells.clone()
    assert clear_(cells, kept=KEPT) is cells
    assert torch.equal(cells, before * KEPT[..., None])


def test_videos_may_share_what_is_kept():
    cells = torch.rand(B, T, C)
    one_by_one = clear_(cells.clone(), kept=KEPT[:1].expand(B, -1))
    assert torch.equal(clear_(cells, kept=KEPT[0]), one_by_one)


def test_no_gradient_passes_a_cleared_cell():
    cells = torch.rand(B, T, C, requires_grad=True)
    clear_(cells * 2, kept=KEPT).sum().backward()
    assert torch.equal(cells.grad, 2.0 * KEPT[..., None].expand(B, T, C))


def test_layout_does_not_matter():
    cells = torch.rand(B, C, T).mT
    assert torch.equal(clear_(cells, kept=KEPT), clear_(cells.contiguous(), kept=KEPT))
    assert (cells[~KEPT] == 0).all()


@pytest.mark.parametrize("view", [True, False])
def test_rectified_cells_are_those_that_are_kept_and_above_zero(view):
    cells = torch.randn(B, T, C, requires_grad=True)
    given = cells.mT.clone().mT if view else cells.clone()
    out = rectify_(given, kept=KEPT)
    expected = cells.relu() * KEPT[..., None]
    assert torch.equal(out, expected)
    upstream = torch.randn(B, T, C)
    out.backward(upstream)
    assert torch.equal(cells.grad, upstream * (expected > 0))
