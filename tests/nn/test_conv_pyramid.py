"""A pyramid by convolutions alone, and what ActionFormer has behind its pyramids."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from untrimmed.nn.protocols import Temporal
from untrimmed.nn.temporal.chain import Chain
from untrimmed.nn.temporal.conv_pyramid import ConvPyramid
from untrimmed.nn.temporal.depthwise_fpn import DepthwiseFPN
from untrimmed.nn.temporal.level_norm import LevelNorm
from untrimmed.nn.temporal.local_transformer import Embedding
from untrimmed.tensors import Padded, Pyramid, pad

CHANNELS, WIDTH, NECK = 5, 4, 6


def pyramid(*, blind=False, **settings):
    torch.manual_seed(0)
    embedding = Embedding([CHANNELS], WIDTH, norm=False)
    return awake(ConvPyramid(embedding, levels=3, stem_layers=1, blind=blind, **settings))


def awake(network):
    """With biases that do something."""
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    return network


@pytest.fixture
def x():
    torch.manual_seed(1)
    return pad([torch.randn(CHANNELS, 21), torch.randn(CHANNELS, 13)])


@pytest.fixture
def levels():
    torch.manual_seed(2)
    finest = pad([torch.randn(WIDTH, 12), torch.randn(WIDTH, 7)])
    coarse = pad([torch.randn(WIDTH, 6), torch.randn(WIDTH, 4)])
    return Pyramid((finest, coarse), (1, 2))


def longer(x, cells):
    return Padded(F.pad(x.values, (0, cells)), F.pad(x.valid, (0, cells)))


def test_every_level_is_half_as_long_and_valid_where_its_finer_one_is(x):
    network = pyramid()
    found = network(x)
    assert isinstance(network, Temporal)
    assert found.strides == network.strides == (1, 2, 4)
    assert [level.valid.sum(1).tolist() for level in found.levels] == [[21, 13], [11, 7], [6, 4]]


def test_a_block_is_two_convolutions_beside_its_shortcut():
    block = pyramid().branch[0]
    values = torch.randn(1, WIDTH, 10)
    hidden = F.relu(F.conv1d(values, block.widen.weight, block.widen.bias, stride=2, padding=1))
    branch = F.conv1d(hidden, block.narrow.weight, block.narrow.bias, padding=1)
    kept = F.conv1d(values, block.shortcut.weight, block.shortcut.bias, stride=2)
    torch.testing.assert_close(block(Padded.whole(values)).values, F.relu(branch + kept))


def test_blind_padding_changes_nothing_in_a_pyramid_of_convolutions(x):
    network = pyramid(blind=True)
    for short, padded in zip(network(x).levels, network(longer(x, 4)).levels, strict=True):
        T = short.values.shape[-1]
        torch.testing.assert_close(padded.values[..., :T], short.values)
        assert padded.values[..., T:].abs().sum() == 0


def test_the_finest_levels_can_be_left_out(x):
    found = pyramid(first_level=1)(x)
    assert found.strides == (2, 4)
    for level, wanted in zip(found.levels, pyramid()(x).levels[1:], strict=True):
        assert torch.equal(level.values, wanted.values)


def test_every_level_has_its_own_norm(levels):
    norm = LevelNorm(WIDTH, levels=2)
    nn.init.constant_(norm.norms[1].weight, 3.0)
    fine, coarse = (level.values for level in norm(levels).levels)
    torch.testing.assert_close(fine, F.layer_norm(levels.levels[0].values.mT, (WIDTH,)).mT)
    torch.testing.assert_close(coarse, 3 * F.layer_norm(levels.levels[1].values.mT, (WIDTH,)).mT)


def fpn(**settings):
    torch.manual_seed(0)
    return awake(DepthwiseFPN(WIDTH, NECK, levels=2, **settings))


def test_fine_levels_receive_coarse_ones(levels):
    network = fpn(norm=False)
    laterals = [
        lateral(x).values for lateral, x in zip(network.laterals, levels.levels, strict=True)
    ]
    summed = laterals[0] + laterals[1].repeat_interleave(2, 2)
    conv = network.convs[0]
    wanted = F.conv1d(summed, conv.weight, conv.bias, padding=1, groups=NECK)
    found = network(levels).levels[0]
    torch.testing.assert_close(found.values.mT[found.valid], wanted.mT[found.valid])


def test_blind_padding_changes_nothing_in_a_feature_pyramid(levels):
    network = fpn(blind=True)
    padded = Pyramid((longer(levels.levels[0], 4), longer(levels.levels[1], 2)), (1, 2))
    for short, long in zip(network(levels).levels, network(padded).levels, strict=True):
        T = short.values.shape[-1]
        torch.testing.assert_close(long.values[..., :T], short.values)
        assert long.values[..., T:].abs().sum() == 0


def test_a_chain_with_a_neck_keeps_strides_and_takes_its_width(x):
    chain = Chain(pyramid(), DepthwiseFPN(WIDTH, NECK, levels=3))
    assert (chain.channels, chain.strides) == (NECK, (1, 2, 4))
    assert chain(x).levels[2].values.shape == (2, NECK, 6)
