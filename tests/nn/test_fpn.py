"""Feature pyramid network."""

import pytest
import torch

from untrimmed.nn.temporal.fpn import FPN
from untrimmed.tensors import Padded, Pyramid, pad

STRIDES = (4, 8, 16)


def pyramid(lengths, *, cells):
    """Three random levels of videos of these lengths, the finest `cells` long."""
    torch.manual_seed(0)
    levels = []
    for _ in STRIDES:
        levels.append(pad([torch.randn(3, length) for length in lengths], length=cells))
        lengths, cells = [-(-length // 2) for length in lengths], -(-cells // 2)
    return Pyramid(tuple(levels), STRIDES)


@pytest.fixture(params=["batch", "group"])
def fpn(request):
    torch.manual_seed(1)
    return FPN(3, 5, levels=3, norm=request.param, groups=1).eval()


def test_lengths_and_strides_stay(fpn):
    out = fpn(pyramid([13, 6], cells=13))
    assert [tuple(level.values.shape) for level in out.levels] == [(2, 5, 13), (2, 5, 7), (2, 5, 4)]
    assert out.strides == STRIDES


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("cells", [1, 6])
def test_padding_changes_nothing(fpn, training, cells):
    fpn.train(training)
    short = pyramid([13, 6], cells=13)
    longer = pyramid([13, 6], cells=13 + cells)
    for level, wanted in zip(fpn(longer).levels, fpn(short).levels, strict=True):
        T = wanted.values.shape[-1]
        torch.testing.assert_close(level.values[..., :T], wanted.values)
        assert level.values[..., T:].abs().sum() == 0


def test_batch_is_its_videos_one_by_one(fpn):
    both = pyramid([13, 6], cells=13)
    alone = tuple(
        Padded.whole(level.values[1:, :, :T])
        for level, T in zip(both.levels, [6, 3, 2], strict=True)
    )
    for level, wanted in zip(fpn(both).levels, fpn(Pyramid(alone, STRIDES)).levels, strict=True):
        torch.testing.assert_close(level.values[1, :, : wanted.values.shape[-1]], wanted.values[0])


def test_a_coarse_cell_reaches_the_finer_cells_it_stands_for():
    fpn = FPN(3, 5, levels=3).eval()  # a group norm would let all reach all
    levels = pyramid([13], cells=13).levels
    coarse = levels[2].values.requires_grad_()
    fpn(Pyramid(levels, STRIDES)).levels[0].values[..., 9].sum().backward()
    # cells 8, 9, 10 of level 0 are seen by its convolution: cells 2, 2, 2 of level 2
    assert (coarse.grad.abs().amax((0, 1)) > 0).tolist() == [False, False, True, False]


def test_fine_levels_reach_no_coarser_one(fpn):
    levels = pyramid([13], cells=13).levels
    fine = levels[0].values.requires_grad_()
    coarser = fpn(Pyramid(levels, STRIDES)).levels[1].values.sum()
    assert torch.autograd.grad(coarser, fine, allow_unused=True) == (None,)


def test_every_parameter_gets_a_gradient(fpn):
    out = fpn(pyramid([13, 6], cells=13))
    sum(level.values.square().sum() for level in out.levels).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in fpn.parameters())


def test_its_size_is_that_of_the_authors():
    assert sum(p.numel() for p in FPN(512, 256, levels=5).parameters()) == 1_643_520


def test_levels_may_have_channels_of_their_own():
    torch.manual_seed(0)
    fpn = FPN((3, 4, 4), 5, levels=3).eval()
    assert [lateral.conv.weight.shape[1] for lateral in fpn.laterals] == [3, 4, 4]
    levels = tuple(
        Padded.whole(torch.randn(2, C, T)) for C, T in zip((3, 4, 4), (13, 7, 4), strict=True)
    )
    out = fpn(Pyramid(levels, STRIDES)).levels
    assert [tuple(level.values.shape) for level in out] == [(2, 5, 13), (2, 5, 7), (2, 5, 4)]
    middle = (
        fpn.laterals[1](levels[1]).values
        + fpn.laterals[2](levels[2]).values.repeat_interleave(2, 2)[..., :7]
    )
    torch.testing.assert_close(out[1].values, fpn.outputs[1](Padded.whole(middle)).values)


def test_channels_of_another_number_of_levels_are_refused():
    with pytest.raises(ValueError, match="channels of 2 levels, where 3 were meant"):
        FPN((3, 4), 5, levels=3)


def test_another_number_of_levels_is_refused():
    with pytest.raises(ValueError, match="pyramid of 3 levels, where 2 were meant"):
        FPN(3, 5, levels=2)(pyramid([13], cells=13))
