"""Normalisation of sequences with padding."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from untrimmed.nn.layers.norm import BatchNorm, ChannelNorm
from untrimmed.tensors import Padded, pad

C = 3


@pytest.fixture
def norm():
    torch.manual_seed(0)
    norm = BatchNorm(C)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


@pytest.fixture
def x():
    torch.manual_seed(1)
    return pad([5 + 2 * torch.randn(C, 7), torch.randn(C, 4)])


def official(norm):
    """The same as `nn.BatchNorm1d`."""
    theirs = nn.BatchNorm1d(C)
    theirs.load_state_dict(norm.state_dict())
    return theirs.train(norm.training)


def test_without_padding_three_steps_are_those_of_batchnorm1d(norm):
    theirs = official(norm)
    for step in range(3):
        values = torch.randn(2, C, 5) * 3 + step
        torch.testing.assert_close(norm(Padded.whole(values)).values, theirs(values))
    for name, state in theirs.state_dict().items():
        torch.testing.assert_close(norm.state_dict()[name], state)


def test_gradient_is_that_of_batchnorm1d(norm):
    theirs = official(norm)
    values, upstream = torch.randn(2, C, 5), torch.randn(2, C, 5)
    mine, reference = values.clone().requires_grad_(), values.clone().requires_grad_()
    norm(Padded.whole(mine)).values.mul(upstream).sum().backward()
    theirs(reference).mul(upstream).sum().backward()
    torch.testing.assert_close(mine.grad, reference.grad)
    torch.testing.assert_close(norm.weight.grad, theirs.weight.grad)
    torch.testing.assert_close(norm.bias.grad, theirs.bias.grad)


def test_evaluation_is_that_of_batchnorm1d(norm):
    norm(Padded.whole(torch.randn(2, C, 5) + 4))
    values = torch.randn(2, C, 5)
    torch.testing.assert_close(norm.eval()(Padded.whole(values)).values, official(norm)(values))


def test_statistics_are_those_of_the_valid_positions_together(norm, x):
    together = torch.cat([x.values[0], x.values[1, :, :4]], dim=1)[None]
    theirs = official(norm)
    wanted = theirs(together)[0]
    out = norm(x).values
    torch.testing.assert_close(torch.cat([out[0], out[1, :, :4]], dim=1), wanted)
    torch.testing.assert_close(norm.running_var, theirs.running_var)


@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing(norm, x, training):
    norm.train(training)
    longer = Padded(F.pad(x.values, (0, 3)), F.pad(x.valid, (0, 3)))
    torch.testing.assert_close(norm(longer).values[..., :7], norm(x).values)


@pytest.mark.parametrize("training", [True, False])
def test_padding_stays_zero(norm, x, training):
    assert norm.train(training)(x).values[1, :, 4:].abs().max() == 0


def test_no_gradient_reaches_padding(norm, x):
    values = x.values.requires_grad_()
    norm(x).values.square().sum().backward()
    assert values.grad[1, :, 4:].abs().max() == 0


def test_a_single_valid_position_gives_the_bias(norm):
    values = torch.full((1, C, 1), 7.0, requires_grad=True)
    out = norm(Padded.whole(values)).values
    out.sum().backward()
    torch.testing.assert_close(out[0, :, 0], norm.bias)
    assert values.grad.isfinite().all()


def test_a_single_valid_position_says_nothing_of_variance(norm):
    norm(Padded.whole(torch.full((1, C, 1), 7.0)))
    assert norm.running_var.tolist() == [1] * C
    torch.testing.assert_close(norm.running_mean, torch.full((C,), 0.7))


def test_without_valid_positions_nothing_is_learnt(norm):
    out = norm(Padded(torch.zeros(2, C, 4), torch.zeros(2, 4, dtype=torch.bool)))
    assert out.values.abs().max() == 0
    assert (norm.running_mean.tolist(), norm.running_var.tolist()) == ([0] * C, [1] * C)


def test_half_precision_is_given_back_but_not_summed_in(norm):
    values = (1000 + 50 * torch.randn(2, C, 64)).bfloat16()
    out = norm(Padded.whole(values)).values
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), official(norm)(values.float()), rtol=1e-2, atol=1e-2)


@pytest.fixture
def channel_norm():
    torch.manual_seed(0)
    norm = ChannelNorm(C)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def test_channels_of_every_cell_are_normalised_as_by_layernorm(channel_norm, x):
    theirs = nn.LayerNorm(C)
    theirs.load_state_dict(channel_norm.state_dict())
    torch.testing.assert_close(channel_norm(x).values, theirs(x.values.mT).mT)


def test_padding_holds_the_bias_of_a_channel_norm(channel_norm, x):
    out = channel_norm(x).values
    torch.testing.assert_close(out[1, :, 4:], channel_norm.bias[:, None].expand(-1, 3))


def test_a_blind_channel_norm_keeps_padding_zero(channel_norm, x):
    blind = ChannelNorm(C, blind=True)
    blind.load_state_dict(channel_norm.state_dict())
    out = blind(x).values
    assert out[1, :, 4:].abs().max() == 0
    torch.testing.assert_close(out[0], channel_norm(x).values[0])
