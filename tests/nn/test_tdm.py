"""Transformer pyramid."""

import math

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.layers.position import sinusoidal
from untrimmed.nn.temporal.tdm import TDM, pairs
from untrimmed.tensors import Padded, pad


@pytest.fixture
def x():
    torch.manual_seed(0)
    return pad([torch.randn(6, 21), torch.randn(6, 13)])


@pytest.fixture
def tdm():
    torch.manual_seed(1)
    return TDM(6, levels=4, heads=3, kernels=(5, 3, 3)).eval()


def test_lengths_halve_upwards(tdm, x):
    levels = tdm(x).levels
    assert [level.values.shape[-1] for level in levels] == [21, 11, 6, 3]
    assert [level.valid.sum(1).tolist() for level in levels] == [[21, 13], [11, 7], [6, 4], [3, 2]]


def test_strides_double(tdm, x):
    assert tdm.strides == tdm(x).strides == (1, 2, 4, 8)


@pytest.mark.parametrize("cells", [1, 6])
def test_padding_changes_nothing(tdm, x, cells):
    longer = tdm(Padded(F.pad(x.values, (0, cells)), F.pad(x.valid, (0, cells))))
    for level, wanted in zip(longer.levels, tdm(x).levels, strict=True):
        T = wanted.values.shape[-1]
        torch.testing.assert_close(level.values[..., :T], wanted.values)
        assert level.values[..., T:].abs().sum() == 0


def test_batch_is_its_videos_one_by_one(tdm, x):
    alone = tdm(Padded.whole(x.values[1:, :, :13]))
    for level, wanted in zip(tdm(x).levels, alone.levels, strict=True):
        T = wanted.values.shape[-1]
        torch.testing.assert_close(level.values[1, :, :T], wanted.values[0])
        assert level.values[1, :, T:].abs().sum() == 0


def test_a_cell_sees_no_farther_than_its_kernel(tdm):
    values = torch.randn(1, 6, 20, requires_grad=True)
    tdm(Padded.whole(values)).levels[1].values[..., 5].square().sum().backward()
    seen = values.grad.abs().amax((0, 1)) > 0
    assert seen.tolist() == [False] * 6 + [True] * 10 + [False] * 4  # cells 3 ... 7 of level 1


def test_level_0_is_the_input_with_its_positions(tdm, x):
    position = tdm(Padded.whole(torch.zeros(1, 6, 21))).levels[0].values
    torch.testing.assert_close(position[0], sinusoidal(21, 6).T / math.sqrt(6))
    torch.testing.assert_close(tdm(x).levels[0].values[0], x.values[0] + position[0])


def test_pairs_keep_cells_before_channels():
    values = torch.arange(10.0).reshape(1, 2, 5)
    assert pairs(values)[0].tolist() == [[0, 5, 1, 6], [2, 7, 3, 8], [4, 9, 0, 0]]


def test_every_parameter_gets_a_gradient(tdm, x):
    sum(level.values[:, 0].square().sum() for level in tdm(x).levels).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in tdm.parameters())


def test_half_precision_is_finite(tdm, x):
    with torch.autocast("cpu", torch.bfloat16):
        levels = tdm(x).levels
    assert all(level.values.isfinite().all() for level in levels)


def test_its_size_is_that_of_the_authors():
    with torch.device("meta"):
        module = TDM(512)
    assert sum(p.numel() for p in module.parameters()) == 14_710_784


@pytest.mark.parametrize("kernels", [(7, 7), (7, 6, 5)])
def test_kernels_that_do_not_fit_the_levels_are_refused(kernels):
    with pytest.raises(ValueError, match="4 levels need 3 odd kernels"):
        TDM(6, levels=4, heads=3, kernels=kernels)


def test_a_position_has_the_same_vector_in_any_length():
    assert torch.equal(sinusoidal(9, 6)[:4], sinusoidal(4, 6))


def test_sines_and_cosines_alternate():
    position = sinusoidal(3, 4)
    wanted = [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)]
    torch.testing.assert_close(position[2], torch.tensor(wanted))


def test_odd_channels_have_no_sinusoids():
    with pytest.raises(ValueError, match="7 channels are odd"):
        sinusoidal(3, 7)
