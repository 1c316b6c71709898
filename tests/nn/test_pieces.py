"""Long sequences piece by piece."""

import pytest
import torch

from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.layers.pieces import by_pieces
from untrimmed.tensors import pad

LONG = 7001


@pytest.fixture
def x():
    torch.manual_seed(0)
    return pad([torch.randn(2, LONG), torch.randn(2, 4000)])


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (5, 2), (7, 4)])
def test_pieces_together_are_the_whole(x, kernel, stride):
    conv = Conv(2, 3, kernel=kernel, stride=stride)
    with torch.no_grad():
        found = by_pieces(lambda piece, _: conv(piece), x, reach=kernel // 2, stride=stride)
        whole = conv(x)
    torch.testing.assert_close(found.values, whole.values)
    assert torch.equal(found.valid, whole.valid)


def test_no_piece_is_much_longer_than_the_others(x):
    seen = []

    def part(piece, _):
        seen.append(piece.values.shape[-1])
        return piece

    with torch.no_grad():
        assert torch.equal(by_pieces(part, x, reach=10).values, x.values)
    assert len(seen) > 2
    assert max(seen) < LONG / 2


def test_a_part_is_told_which_cells_it_has(x):
    def part(piece, cells):
        assert torch.equal(piece.values, x.values[..., cells])
        assert torch.equal(piece.valid, x.valid[:, cells])
        return piece

    with torch.no_grad():
        by_pieces(part, x, reach=3)


@pytest.mark.parametrize("reach", [1, None])
def test_the_whole_is_given_where_all_is_seen_or_learnt_from(x, reach):
    seen = []

    def part(piece, _):
        seen.append(piece.values.shape[-1])
        return piece

    with torch.set_grad_enabled(reach is not None):
        by_pieces(part, x, reach=reach)
    assert seen == [LONG]
