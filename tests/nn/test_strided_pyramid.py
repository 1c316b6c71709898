"""A pyramid by strided convolutions."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.temporal.chain import Part
from untrimmed.nn.temporal.strided_pyramid import StridedPyramid
from untrimmed.tensors import Padded, pad

C = 6


def build(**settings):
    torch.manual_seed(0)
    return StridedPyramid(C, levels=4, groups=2, **settings).eval()


def features(*lengths, length=None):
    torch.manual_seed(1)
    return pad([torch.randn(C, T) for T in lengths], length=length)


@pytest.fixture(params=["first", "second"])
def pyramid(request):
    return build(centre=request.param, bias=True)


def test_every_level_has_half_the_cells_and_the_first_is_the_input(pyramid):
    assert isinstance(pyramid, Part)
    assert (pyramid.channels, pyramid.strides) == (C, (1, 2, 4, 8))
    x = features(13)
    levels = pyramid(x).levels
    assert [level.values.shape[-1] for level in levels] == [13, 7, 4, 2]
    assert torch.equal(levels[0].values, x.values)


@pytest.mark.parametrize(("centre", "zeros"), [("first", (1, 1)), ("second", (0, 1))])
def test_of_an_even_number_of_cells_a_kernel_stands_on_the_first_or_the_second(centre, zeros):
    pyramid = build(centre=centre, bias=True)
    x = features(8)
    stage = pyramid.stages[0]
    values = F.conv1d(F.pad(x.values, zeros), stage.conv.weight, stage.conv.bias, stride=2)
    wanted = F.group_norm(values, 2, stage.norm.weight, stage.norm.bias).relu()
    torch.testing.assert_close(pyramid(x).levels[1].values, wanted)


@pytest.mark.parametrize("cells", [1, 6])
def test_padding_changes_nothing(pyramid, cells):
    short, longer = (pyramid(features(13, 6, length=13 + more)) for more in (0, cells))
    for level, wanted in zip(longer.levels, short.levels, strict=True):
        T = wanted.values.shape[-1]
        torch.testing.assert_close(level.values[..., :T], wanted.values)
        assert level.values[..., T:].abs().sum() == 0


def test_a_cell_is_valid_where_the_cell_at_its_start_is(pyramid):
    x = features(13, 6)
    for number, level in enumerate(pyramid(x).levels):
        assert torch.equal(level.valid, x.valid[:, :: 2**number])
        assert level.values.abs().amax(1).gt(0).logical_and(~level.valid).sum() == 0


def test_batch_is_its_videos_one_by_one(pyramid):
    both = pyramid(features(13, 6))
    alone = pyramid(Padded.whole(features(13, 6).values[1:, :, :6]))
    for level, wanted in zip(both.levels, alone.levels, strict=True):
        torch.testing.assert_close(level.values[1, :, : wanted.values.shape[-1]], wanted.values[0])


def test_every_parameter_gets_a_gradient(pyramid):
    levels = pyramid(features(16, 9)).levels
    sum(level.values.square().sum() for level in levels).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in pyramid.parameters())


def test_all_levels_but_the_input_may_have_other_channels():
    torch.manual_seed(0)
    pyramid = StridedPyramid(C, 4, levels=4, groups=2)
    assert (pyramid.channels, pyramid.widths) == (4, (C, 4, 4, 4))
    x = features(13, 6)
    assert [level.values.shape[1] for level in pyramid(x).levels] == [C, 4, 4, 4]
    assert torch.equal(pyramid(x).levels[0].values, x.values)


def test_with_batch_statistics_a_level_is_normalised_over_the_batch():
    torch.manual_seed(0)
    pyramid = StridedPyramid(C, levels=2, norm="batch").train()
    values = pyramid.stages[0].conv(features(8)).values
    wanted = F.batch_norm(values, None, None, training=True).relu()
    torch.testing.assert_close(pyramid(features(8)).levels[1].values, wanted)


def test_with_fixed_statistics_training_changes_and_sees_none():
    torch.manual_seed(0)
    pyramid = StridedPyramid(C, levels=2, norm="fixed").train()
    norm = pyramid.stages[0].norm
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, C))
        norm.bias.fill_(0.25)
    x = features(8, 5)
    conv = pyramid.stages[0].conv(x)
    scaled = (conv.values * norm.weight[:, None] / (1 + 1e-5) ** 0.5 + 0.25).relu()
    wanted = Padded.of(scaled, conv.valid).values
    torch.testing.assert_close(pyramid(x).levels[1].values, wanted)
    assert norm.running_mean.tolist() == [0] * C
