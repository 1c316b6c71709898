"""Group normalisation of padded sequences."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from untrimmed.nn.layers.group_norm import GroupNorm
from untrimmed.tensors import Padded, pad

C, G = 6, 2


@pytest.fixture
def norm():
    torch.manual_seed(0)
    norm = GroupNorm(G, C)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def sequences(*lengths):
    torch.manual_seed(1)
    return [3 + 5 * torch.randn(C, length) for length in lengths]


def test_without_padding_it_is_that_of_torch_also_in_its_state(norm):
    values = torch.stack(sequences(7, 7, 7))
    theirs = nn.GroupNorm(G, C)
    theirs.load_state_dict(norm.state_dict())
    torch.testing.assert_close(norm(Padded.whole(values)).values, theirs(values))


def test_padding_changes_nothing(norm):
    short, longer = (norm(pad(sequences(9, 4), length=length)) for length in (9, 14))
    torch.testing.assert_close(longer.values[..., :9], short.values)
    assert torch.equal(longer.values[..., 9:], torch.zeros(2, C, 5))


def test_a_video_is_normalised_alone(norm):
    both = norm(pad(sequences(9, 4)))
    alone = norm(Padded.whole(sequences(9, 4)[1][None]))
    torch.testing.assert_close(both.values[1:, :, :4], alone.values)


def test_what_is_not_valid_may_lie_anywhere(norm):
    (sequence,) = sequences(5)
    valid = torch.tensor([[False, True, True, False, True]])
    inside = norm(Padded.of(sequence[None], valid)).values[..., valid[0]]
    wanted = F.group_norm(sequence[None][..., valid[0]], G, norm.weight, norm.bias)
    torch.testing.assert_close(inside, wanted)


def test_a_video_without_valid_cells_is_zero_and_harms_no_gradient(norm):
    values = torch.randn(2, C, 3, requires_grad=True)
    valid = torch.tensor([[True] * 3, [False] * 3])
    out = norm(Padded.of(values, valid)).values
    assert out[1].abs().max() == 0
    out.square().sum().backward()
    assert values.grad.isfinite().all()


def test_half_precision_is_normalised_in_full(norm):
    values = torch.stack(sequences(50)) * 100
    half = norm(Padded.whole(values.half())).values
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), norm(Padded.whole(values)).values, rtol=0, atol=5e-3)


def test_channels_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="6 channels do not divide into 4 groups"):
        GroupNorm(4, 6)
