from __future__ import annotations

import pytest
import torch
from torch import nn

from untrimmed.train.optimizer import OptimizerConfig, Schedule, optimizer_for, parameter_groups

THUMOS14 = Schedule(warmup_steps=500, warmup_from=0.1, floor=0.01, cycles=10, stairs=1000)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.norm = nn.LayerNorm(4)
        self.bias_table = nn.Parameter(torch.zeros(7, 2))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.conv = nn.Conv1d(4, 5, 3)
        self.scale = nn.Parameter(torch.ones(()))
        self.encoder_of_positions = nn.Linear(2, 2, bias=False)


def named(model, group):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [names[id(parameter)] for parameter in group["params"]]


def test_groups_are_encoder_and_rest_with_and_without_decay():
    model = Model()
    groups = parameter_groups(model, OptimizerConfig(lr=1.0, encoder_lr=0.4, weight_decay=0.05))
    assert [(named(model, g), g["lr"], g["weight_decay"]) for g in groups] == [
        (["encoder.linear.weight"], 0.4, 0.05),
        (
            [
                "encoder.bias_table",
                "encoder.linear.bias",
                "encoder.norm.weight",
                "encoder.norm.bias",
            ],
            0.4,
            0.0,
        ),
        (["conv.weight", "encoder_of_positions.weight"], 1.0, 0.05),
        (["scale", "conv.bias"], 1.0, 0.0),
    ]


def test_decay_all_decays_norms_biases_and_tables_too():
    groups = parameter_groups(Model(), OptimizerConfig(decay_all=True))
    assert [g["weight_decay"] for g in groups] == [0.05, 0.05]
    assert sum(len(g["params"]) for g in groups) == 9


def test_the_encoder_is_as_fast_as_the_rest_unless_told_otherwise():
    assert {g["lr"] for g in parameter_groups(Model(), OptimizerConfig(lr=0.3))} == {0.3}


def test_an_encoder_rate_of_zero_is_not_the_rate_of_the_rest():
    groups = parameter_groups(Model(), OptimizerConfig(lr=0.3, encoder_lr=0.0))
    assert [g["lr"] for g in groups] == [0.0, 0.0, 0.3, 0.3]


def test_frozen_parameters_are_in_no_group():
    model = Model()
    model.encoder.requires_grad_(False)
    groups = parameter_groups(model, OptimizerConfig(encoder_lr=0.1))
    assert [named(model, g)[0] for g in groups] == ["conv.weight", "scale"]


def test_a_shared_parameter_is_in_one_group_once():
    model = Model()
    model.shared = model.conv
    parameters = [p for g in parameter_groups(model, OptimizerConfig()) for p in g["params"]]
    assert len(parameters) == len({id(p) for p in parameters}) == 9


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="nothing to train"):
        optimizer_for(Model().requires_grad_(False), OptimizerConfig())


@pytest.mark.parametrize(
    ("config", "moved"),
    [
        # Gradient 2, weight 1, rate 0.1, decay 0.5.
        (OptimizerConfig(kind="sgd", lr=0.1, weight_decay=0.5), 1 - 0.1 * (2 + 0.5)),
        (OptimizerConfig(kind="adam", lr=0.1, weight_decay=0.5), 1 - 0.1),
        (OptimizerConfig(kind="adamw", lr=0.1, weight_decay=0.5), 1 - 0.1 * 0.5 - 0.1),
    ],
)
def test_each_kind_moves_a_weight_as_its_paper_says(config, moved):
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    optimizer = optimizer_for(model, config)
    model.weight.grad = torch.full((1, 1), 2.0)
    optimizer.step()
    assert model.weight.item() == pytest.approx(moved, abs=1e-6)


def test_momentum_and_betas_reach_the_optimizer():
    sgd = optimizer_for(Model(), OptimizerConfig(kind="sgd", momentum=0.7, nesterov=True))
    assert (sgd.defaults["momentum"], sgd.defaults["nesterov"]) == (0.7, True)
    adamw = optimizer_for(Model(), OptimizerConfig(betas=(0.8, 0.95)))
    assert adamw.defaults["betas"] == (0.8, 0.95)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 0.0}, "lr: wanted a number above 0"),
        ({"encoder_lr": -1.0}, "encoder_lr"),
        ({"weight_decay": float("nan")}, "weight_decay"),
        ({"kind": "sgd", "nesterov": True, "momentum": 0.0}, "nesterov needs a momentum"),
    ],
)
def test_rates_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        OptimizerConfig(**settings)


def test_iteration_9_of_thumos14_has_the_rate_of_the_authors_log():
    assert 0.01 * THUMOS14.factor(9, steps=13_000) == pytest.approx(0.001162, abs=5e-7)


@pytest.mark.parametrize("step", [800, 999])
def test_epoch_4_of_thumos14_has_the_rate_of_the_authors_log(step):
    # That log counts 200 iterations an epoch.
    assert 0.01 * THUMOS14.factor(step, steps=200_000) == pytest.approx(0.009961, abs=5e-7)


def test_warm_up_starts_at_its_share_and_ends_at_the_full_rate():
    schedule = Schedule(kind="constant", warmup_steps=4, warmup_from=0.2)
    rates = [schedule.factor(step, steps=9) for step in range(6)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_a_warm_up_before_the_rest_ends_at_the_full_rate_and_delays_it():
    schedule = Schedule(warmup="before", warmup_from=0, warmup_epochs=1)
    rates = [schedule.factor(step, steps=9, epochs=3) for step in range(9)]
    assert rates[:4] == pytest.approx([0, 0.5, 1, 1])
    alone = [Schedule().factor(step, steps=6) for step in range(6)]
    assert rates[3:] == pytest.approx(alone)


def test_a_warm_up_in_epochs_needs_to_know_of_epochs():
    with pytest.raises(ValueError, match="a run without epochs; give warmup_steps"):
        Schedule(warmup_epochs=2).factor(0, steps=10)


def test_two_lengths_of_the_warm_up_are_refused():
    with pytest.raises(ValueError, match="warmup_steps or warmup_epochs, not both"):
        Schedule(warmup_epochs=2, warmup_steps=3)


def test_a_cosine_is_half_way_in_the_middle_and_nears_its_floor():
    schedule = Schedule(floor=0.1)
    assert schedule.factor(0, steps=1000) == 1
    assert schedule.factor(500, steps=1000) == pytest.approx(0.55)
    assert schedule.factor(999, steps=1000) == pytest.approx(0.1, abs=1e-5)


def test_every_cycle_repeats_the_first():
    schedule = Schedule(cycles=3)
    rates = [schedule.factor(step, steps=12) for step in range(12)]
    assert rates[:4] == rates[4:8] == rates[8:]
    assert len(set(rates)) == 4


def test_stairs_hold_the_rate_between_them():
    schedule = Schedule(stairs=3)
    rates = [schedule.factor(step, steps=6) for step in range(6)]
    assert rates == pytest.approx([1, 1, 0.75, 0.75, 0.25, 0.25])


def test_milestones_are_shares_of_the_run():
    schedule = Schedule(kind="multistep", milestones=(0.8, 0.9), gamma=0.1)
    rates = [schedule.factor(step, steps=10) for step in (0, 7, 8, 9)]
    assert rates == pytest.approx([1, 1, 0.1, 0.01])


@pytest.mark.parametrize("step", [-1, 10])
def test_a_step_outside_of_the_run_has_no_rate(step):
    with pytest.raises(ValueError, match=f"step {step} of a run of 10 steps"):
        Schedule().factor(step, steps=10)


@pytest.mark.parametrize(
    "settings",
    [
        {"floor": 2.0},
        {"warmup_from": -0.1},
        {"warmup_steps": -1},
        {"cycles": 0},
        {"stairs": 0},
        {"milestones": (0.5, 8.0)},
    ],
)
def test_a_schedule_out_of_range_is_refused(settings):
    with pytest.raises(ValueError, match="wanted"):
        Schedule(**settings)
