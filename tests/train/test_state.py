from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from untrimmed.core.errors import UserError
from untrimmed.train.ema import Averaged
from untrimmed.train.optimizer import OptimizerConfig, Schedule, optimizer_for
from untrimmed.train.state import State, load_weights, save_weights

STEPS = 10
SCHEDULE = Schedule(warmup_steps=3)


def network():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))


def training(*, seed, kind="sgd", averaged=True):
    torch.manual_seed(seed)
    model = network()
    optimizer = optimizer_for(model, OptimizerConfig(kind=kind, lr=0.1))
    generators = {
        "frames": torch.Generator().manual_seed(seed),
        "clips": np.random.default_rng(seed),
    }
    average = Averaged(model, decay=0.9) if averaged else None
    return State(model=model, optimizer=optimizer, averaged=average, generators=generators)


def go_on(state, steps):
    """A loop that needs all of the state: momentum, average, schedule, dropout, both generators."""
    rates = [group["lr"] for group in state.optimizer.param_groups]
    losses = []
    for _ in range(steps):
        for group, rate in zip(state.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * SCHEDULE.factor(state.step, steps=STEPS)
        x = torch.randn(5, 4, generator=state.generators["frames"])
        y = torch.from_numpy(state.generators["clips"].normal(size=(5, 3)).astype(np.float32))
        loss = F.mse_loss(state.model(x), y)
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        state.averaged.update(state.model)
        state.step += 1
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_twice_five_steps_equal_ten_bit_for_bit(tmp_path, kind):
    whole = training(seed=1, kind=kind)
    losses = go_on(whole, STEPS)

    first = training(seed=1, kind=kind)
    before = go_on(first, 5)
    first.save(tmp_path / "state.pt")
    second = training(seed=2, kind=kind)  # another draw: all must come from the file
    second.load(tmp_path / "state.pt")
    after = go_on(second, 5)

    assert before + after == losses
    assert second.step == STEPS
    for mine, wanted in [
        (second.model, whole.model),
        (second.averaged.module, whole.averaged.module),
    ]:
        for name, value in wanted.state_dict().items():
            assert torch.equal(mine.state_dict()[name], value), name


def test_the_best_score_is_kept(tmp_path):
    state = training(seed=1)
    state.best = 0.59
    state.save(tmp_path / "state.pt")
    state.best = None
    state.load(tmp_path / "state.pt")
    assert state.best == 0.59


def test_the_rate_of_the_last_step_does_not_become_the_base_of_the_next(tmp_path):
    state = training(seed=1)
    go_on(state, 1)
    state.save(tmp_path / "state.pt")
    resumed = training(seed=1)
    resumed.load(tmp_path / "state.pt")
    assert [group["lr"] for group in resumed.optimizer.param_groups] == [0.1, 0.1]


def test_a_state_of_another_model_is_refused_and_nothing_changed(tmp_path):
    state = training(seed=1)
    state.save(tmp_path / "state.pt")
    other = training(seed=1)
    other.model.append(nn.Linear(3, 2))
    before = other.model[0].weight.clone()
    with pytest.raises(UserError, match=r"another model\n  2 missing: 4\.bias; 4\.weight"):
        other.load(tmp_path / "state.pt")
    assert torch.equal(other.model[0].weight, before)


def test_a_state_of_another_optimizer_is_refused(tmp_path):
    training(seed=1).save(tmp_path / "state.pt")
    other = training(seed=1)
    other.optimizer = torch.optim.SGD(other.model.parameters(), lr=0.1)
    with pytest.raises(UserError, match="belongs to another optimizer"):
        other.load(tmp_path / "state.pt")


@pytest.mark.parametrize("saved", [True, False])
def test_an_average_on_one_side_only_is_refused(tmp_path, saved):
    training(seed=1, averaged=saved).save(tmp_path / "state.pt")
    with pytest.raises(UserError, match="averaged weights, unlike this training"):
        training(seed=1, averaged=not saved).load(tmp_path / "state.pt")


def test_other_generators_are_refused(tmp_path):
    state = training(seed=1)
    state.save(tmp_path / "state.pt")
    state.generators = {}
    with pytest.raises(UserError, match=r"wanted generators \[\], got \['clips', 'frames'\]"):
        state.load(tmp_path / "state.pt")


def test_a_file_that_would_run_code_is_refused(tmp_path):
    (tmp_path / "state.pt").write_bytes(pickle.dumps(print, protocol=2))
    with pytest.raises(UserError, match="not the whole state"):
        training(seed=1).load(tmp_path / "state.pt")


def test_a_cut_off_state_is_refused(tmp_path):
    file = tmp_path / "state.pt"
    training(seed=1).save(file)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="not the whole state"):
        training(seed=1).load(file)


def test_something_else_that_torch_wrote_is_no_state(tmp_path):
    torch.save({"weights": torch.zeros(1)}, tmp_path / "state.pt")
    with pytest.raises(UserError, match="not a state that this version"):
        training(seed=1).load(tmp_path / "state.pt")


def test_a_state_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.pt: there is no such file"):
        training(seed=1).load(tmp_path / "none.pt")


def test_loaded_weights_are_those_that_were_saved(tmp_path):
    file = tmp_path / "weights.safetensors"
    saved, loaded = network(), network()
    saved[1].running_mean.fill_(3.0)
    save_weights(saved, file, metadata={"classes": "20"})
    assert load_weights(loaded, file) == {"classes": "20"}
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_weights_go_by_the_names_of_the_module(tmp_path):
    save_weights(network(), tmp_path / "weights.safetensors")
    assert load_file(tmp_path / "weights.safetensors").keys() == network().state_dict().keys()


def test_a_weight_with_two_names_is_saved_under_both(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    save_weights(model, tmp_path / "weights.safetensors")
    stored = load_file(tmp_path / "weights.safetensors")
    assert torch.equal(stored["0.weight"], stored["1.weight"])


def test_weights_that_do_not_fit_are_reported_whole_and_change_nothing(tmp_path):
    file = tmp_path / "weights.safetensors"
    save_weights(nn.ModuleDict({"head": nn.Linear(2, 3), "old": nn.Linear(1, 1)}), file)
    model = nn.ModuleDict({"head": nn.Linear(2, 4), "new": nn.Linear(1, 1)})
    before = model["head"].weight.clone()
    with pytest.raises(UserError) as caught:
        load_weights(model, file)
    assert str(caught.value).splitlines() == [
        f"{file}: these weights belong to another model",
        "  2 missing: new.bias; new.weight",
        "  2 unexpected: old.bias; old.weight",
        "  2 of another shape: head.bias (3,), wanted (4,); head.weight (3, 2), wanted (4, 2)",
    ]
    assert torch.equal(model["head"].weight, before)


def test_a_long_report_is_cut(tmp_path):
    save_weights(nn.Linear(1, 1), tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match=r"20 missing: .*; and 12 more"):
        load_weights(
            nn.Sequential(*[nn.Linear(1, 1) for _ in range(10)]), tmp_path / "weights.safetensors"
        )


@pytest.mark.parametrize("content", [b"", b"not safetensors at all"])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path, content):
    (tmp_path / "weights.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="not a whole safetensors file"):
        load_weights(network(), tmp_path / "weights.safetensors")


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.safetensors: there is no such file"):
        load_weights(network(), tmp_path / "none.safetensors")
