"""Convolution over sequences with padding."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from untrimmed.nn.layers.conv import Conv
from untrimmed.tensors import Padded, pad


@pytest.fixture
def x():
    torch.manual_seed(0)
    return pad([torch.randn(3, 9), torch.randn(3, 6)])


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_without_padding_it_is_conv1d(stride):
    torch.manual_seed(0)
    values = torch.randn(2, 3, 9)
    ours = Conv(3, 4, kernel=5, stride=stride)
    theirs = nn.Conv1d(3, 4, 5, stride=stride, padding=2)
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(Padded.whole(values)).values, theirs(values))


@pytest.mark.parametrize("stride", [1, 2])
def test_padding_cannot_be_told_from_the_end(x, stride):
    conv = Conv(3, 4, stride=stride)
    alone = conv(Padded.whole(x.values[1:, :, :6])).values[0]
    torch.testing.assert_close(conv(x).values[1, :, : alone.shape[-1]], alone)


def test_bias_does_not_reach_padding(x):
    conv = Conv(3, 4)
    nn.init.ones_(conv.bias)
    assert conv(x).values[1, :, 6:].abs().max() == 0


def test_output_cell_is_valid_where_its_middle_is(x):
    assert Conv(3, 4, stride=2)(x).valid.tolist() == [[True] * 5, [True] * 3 + [False] * 2]


def test_cells_before_the_start_are_padding_too(x):
    late = Padded(F.pad(x.values, (3, 0)), F.pad(x.valid, (3, 0)))
    out = Conv(3, 4, stride=2)(late)
    assert out.valid[0].tolist() == [False] * 2 + [True] * 4  # cell 1 has its middle in cell 2
    assert out.values[:, :, :2].abs().max() == 0


def test_output_cell_is_centred_on_its_stride():
    conv = Conv(1, 1, stride=2, bias=False)
    conv.weight.data = torch.tensor([[[1.0, 10.0, 100.0]]])
    impulse = F.one_hot(torch.tensor([[4]]), 9).float()
    assert conv(Padded.whole(impulse)).values.tolist() == [[[0, 0, 10, 0, 0]]]


def test_kernel_without_middle_is_refused():
    with pytest.raises(ValueError, match="kernel of 4 cells has no middle"):
        Conv(3, 4, kernel=4)


@pytest.mark.parametrize("stride", [1, 2])
def test_channels_can_be_convolved_each_on_their_own(stride):
    torch.manual_seed(0)
    values = torch.randn(2, 3, 9)
    ours = Conv(3, 3, kernel=5, stride=stride, groups=3, bias=False)
    theirs = nn.Conv1d(3, 3, 5, stride=stride, padding=2, groups=3, bias=False)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(Padded.whole(values)).values, theirs(values))


@pytest.mark.parametrize(("width", "kernel"), [(4, 1), (4, 5), (200, 3), (130, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_results_are_the_same_with_channels_last_in_memory(width, kernel, bias):
    torch.manual_seed(0)
    cells = torch.randn(2, 11, 130)
    ours = Conv(130, width, kernel=kernel, bias=bias)
    theirs = nn.Conv1d(130, width, kernel, padding=kernel // 2, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    leaves = [(values, conv) for values, conv in ((cells.clone(), ours), (cells.clone(), theirs))]
    mine, right = (values.requires_grad_() for values, _ in leaves)
    found = ours(Padded.whole(mine.mT)).values
    wanted = theirs(right.mT)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    found.square().sum().backward()
    wanted.square().sum().backward()
    torch.testing.assert_close(mine.grad, right.grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, atol=1e-3, rtol=1e-4)
