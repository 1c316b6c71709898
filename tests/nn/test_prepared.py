"""What is made of weights once."""

import torch

from untrimmed.nn.ops.prepared import prepared, weights_unchanged


def twice(weight, times=2):
    return weight * times


def test_within_it_is_made_once():
    weight = torch.ones(3)
    with weights_unchanged():
        first = prepared(twice, weight)
        assert torch.equal(first, twice(weight))
        assert prepared(twice, weight) is first


def test_outside_it_is_made_of_the_weight_as_it_is_now():
    weight = torch.ones(3)
    with weights_unchanged():
        prepared(twice, weight)
    weight += 1
    assert torch.equal(prepared(twice, weight), torch.full((3,), 4.0))
    with weights_unchanged():
        assert torch.equal(prepared(twice, weight), torch.full((3,), 4.0))


def test_other_weights_and_settings_have_results_of_their_own():
    with weights_unchanged():
        assert prepared(twice, torch.tensor(1.0)) == 2
        assert prepared(twice, torch.tensor(5.0)) == 10
        weight = torch.tensor(1.0)
        assert prepared(twice, weight, 3) == 3
        assert prepared(twice, weight, 4) == 4
