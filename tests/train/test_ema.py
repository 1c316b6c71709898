from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from untrimmed.train.ema import Averaged


def model_of(value):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    for parameter in model.parameters():
        nn.init.constant_(parameter, value)
    return model


def weight_of(averaged):
    return averaged.module[0].weight[0, 0].item()


def test_updates_follow_the_formula():
    averaged = Averaged(model_of(0.0), decay=0.15)
    averaged.update(model_of(1.0))  # keeps 1/10 of 0
    assert weight_of(averaged) == pytest.approx(0.9)
    averaged.update(model_of(2.0))  # keeps 0.15 of 0.9: the decay is below 2/11
    assert weight_of(averaged) == pytest.approx(0.15 * 0.9 + 0.85 * 2)


def test_early_updates_keep_less_than_the_decay():
    averaged = Averaged(model_of(0.0), decay=0.999)
    averaged.update(model_of(0.0))
    averaged.update(model_of(11.0))
    assert weight_of(averaged) == pytest.approx(9.0)


def test_a_decay_of_zero_copies():
    averaged = Averaged(model_of(0.0), decay=0.0)
    averaged.update(model_of(0.3))
    assert weight_of(averaged) == pytest.approx(0.3)


def test_buffers_are_copied_and_not_averaged():
    model = model_of(0.0)
    averaged = Averaged(model, decay=0.999)
    model[1].running_mean.fill_(7.0)
    model[1].num_batches_tracked.fill_(5)
    averaged.update(model)
    assert averaged.module[1].running_mean.tolist() == [7.0] * 3
    assert averaged.module[1].num_batches_tracked.item() == 5


def test_the_trained_model_is_left_as_it_is():
    model = model_of(1.0)
    before = copy.deepcopy(model.state_dict())
    averaged = Averaged(model, decay=0.5)
    averaged.update(model_of(3.0))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_average_is_ready_for_evaluation():
    averaged = Averaged(model_of(1.0), decay=0.5)
    assert not any(module.training for module in averaged.module.modules())
    assert not any(parameter.requires_grad for parameter in averaged.module.parameters())


def test_a_restored_average_goes_on_as_the_first():
    first = Averaged(model_of(0.0), decay=0.999)
    for value in (1.0, 2.0, 3.0):
        first.update(model_of(value))
    second = Averaged(model_of(5.0), decay=0.999)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for averaged in (first, second):
        averaged.update(model_of(4.0))
    assert weight_of(first) == weight_of(second)


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_a_decay_outside_of_its_range_is_refused(decay):
    with pytest.raises(ValueError, match="must lie in"):
        Averaged(model_of(0.0), decay=decay)


def test_without_a_warm_up_the_first_update_keeps_as_much_as_any():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    averaged = Averaged(model, decay=0.9, warm_up=False)
    nn.init.ones_(model.weight)
    averaged.update(model)
    assert averaged.module.weight.item() == pytest.approx(0.1)
