"""Temporal down-sampling."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.temporal.reduce import Reduce
from untrimmed.tensors import Padded, pad


@pytest.fixture
def x():
    torch.manual_seed(0)
    return pad([torch.randn(3, 21), torch.randn(3, 14)])


@pytest.fixture
def reduce():
    torch.manual_seed(1)
    return Reduce(3, 5, factor=4)


def test_four_cells_become_one(reduce, x):
    out = reduce(x)
    assert out.values.shape == (2, 5, 6)
    assert out.valid.sum(1).tolist() == [6, 4]


def test_padding_changes_nothing(reduce, x):
    longer = Padded(F.pad(x.values, (0, 7)), F.pad(x.valid, (0, 7)))
    torch.testing.assert_close(reduce(longer).values[..., :6], reduce(x).values)


def test_batch_is_its_videos_one_by_one(reduce, x):
    alone = reduce(Padded.whole(x.values[1:, :, :14])).values[0]
    torch.testing.assert_close(reduce(x).values[1, :, :4], alone)


def test_padding_stays_zero(reduce, x):
    assert reduce(x).values[1, :, 4:].abs().max() == 0


def test_moving_the_input_by_four_cells_moves_the_output_by_one(reduce):
    values = torch.randn(1, 3, 16)
    out = reduce(Padded.whole(F.pad(values, (8, 8)))).values
    moved = reduce(Padded.whole(F.pad(values, (12, 4)))).values
    torch.testing.assert_close(moved[..., 2:7], out[..., 1:6])


def test_the_last_convolution_is_not_rectified(reduce, x):
    assert reduce(x).values.min() < 0


def test_the_first_convolution_is_rectified(reduce, x):
    with torch.no_grad():
        reduce.convs[0].bias.fill_(-1000)
    assert reduce(x).values[0].std(dim=1)[0] == 0


def test_a_factor_of_one_keeps_every_cell(x):
    reduce = Reduce(3, 5, factor=1)
    assert reduce(x).values.shape == (2, 5, 21)
    assert len(reduce.convs) == 1


def test_every_parameter_gets_a_gradient(reduce, x):
    reduce(x).values.square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in reduce.parameters())


def test_its_size_is_that_of_the_authors():
    assert sum(p.numel() for p in Reduce(1024, 512, factor=4).parameters()) == 2_360_320


@pytest.mark.parametrize("factor", [0, 3, -2])
def test_a_factor_that_is_no_power_of_two_is_refused(factor):
    with pytest.raises(ValueError, match=f"{factor} is not a power of two"):
        Reduce(3, 5, factor=factor)
