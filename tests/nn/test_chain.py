"""Parts one after another."""

import pytest
import torch

from untrimmed.nn.protocols import Temporal
from untrimmed.nn.temporal.chain import Chain
from untrimmed.nn.temporal.fpn import FPN
from untrimmed.nn.temporal.reduce import Reduce
from untrimmed.nn.temporal.tdm import TDM
from untrimmed.tensors import Padded


def test_strides_of_the_parts_multiply():
    chain = Chain(
        Reduce(3, 4, factor=2),
        Reduce(4, 6, factor=4),
        TDM(6, levels=3, heads=2, kernels=(3, 3)),
        FPN(6, 5, levels=3),
    )
    assert isinstance(chain, Temporal)
    assert (chain.channels, chain.strides) == (5, (8, 16, 32))
    pyramid = chain(Padded.whole(torch.randn(1, 3, 48)))
    assert pyramid.strides == (8, 16, 32)
    assert [tuple(level.values.shape) for level in pyramid.levels] == [(1, 5, T) for T in (6, 3, 2)]


def test_a_last_sequence_is_the_only_level():
    chain = Chain(Reduce(3, 4, factor=2))
    features = Padded.whole(torch.randn(1, 3, 8))
    (level,) = chain(features).levels
    assert torch.equal(level.values, chain.parts[0](features).values)
    assert chain.strides == chain(features).strides == (2,)


@pytest.mark.parametrize("seen", [0, 1, 2])
def test_what_some_parts_have_seen_stands_for_the_whole(seen):
    chain = Chain(Reduce(3, 4, factor=2), Reduce(4, 6, factor=4), whole=seen)
    x = features = Padded.whole(torch.randn(1, 3, 16))
    for part in chain.parts[:seen]:
        x = part(x)
    whole = chain(features).whole
    assert torch.equal(whole.values, x.values)
    assert torch.equal(whole.valid, x.valid)


def test_nothing_stands_for_the_whole_unless_asked_for():
    assert Chain(Reduce(3, 4, factor=2))(Padded.whole(torch.randn(1, 3, 8))).whole is None
