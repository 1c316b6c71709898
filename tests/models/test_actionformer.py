"""ActionFormer as it is put together."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.core.config import dump, load
from untrimmed.models import actionformer
from untrimmed.nn.heads import point
from untrimmed.nn.protocols import Head, Temporal
from untrimmed.tensors import Padded, Targets, pad

CELLS, CLASSES = 32, 3
CHANNELS = (5, 4)


def config(**settings):
    head = {"width": 6, "ranges": ((0.0, 4.0), (4.0, 8.0), (8.0, 100.0))}
    settings = {"width": 8, "heads": 2, "branch_layers": 2, "window": 5} | settings
    return actionformer.Config(
        head=point.Config(**head, blind=settings.get("blind", False)), **settings
    )


def built(config):
    torch.manual_seed(0)
    return config.build(CLASSES, cells=CELLS, channels=CHANNELS)


@pytest.fixture
def features():
    torch.manual_seed(1)
    return pad([torch.randn(sum(CHANNELS), 20), torch.randn(sum(CHANNELS), 13)])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"backbone": "conv"},
        {"neck": "fpn", "neck_width": 10},
        {"project": (6, 2), "absolute_positions": True},
        {"window": (5, 3, None), "relative_positions": True},
        {"drop_path": 0.0, "embed_norm": False, "neck_norm": False},
    ],
)
def test_every_parameter_gets_a_gradient(features, settings):
    detector = built(config(**settings))
    assert isinstance(detector.temporal, Temporal)
    assert isinstance(detector.head, Head)
    assert detector.temporal.strides == (1, 2, 4)
    actions = [Targets(torch.tensor([[2.0, 9.0], [1.0, 4.0]]), torch.tensor([1, 0]))] * 2
    raw = detector.train()(Padded(features.values, features.valid)).raw
    sum(detector.head.loss(raw, actions).values()).backward()
    without = {
        name for name, p in detector.named_parameters() if p.grad is None or not p.grad.any()
    }
    noise = {name for name in without if name.endswith(("key.linear.bias", "key.norm.bias"))}
    assert {name for name in without - noise if not name.startswith("head.scales")} == set()


def test_blind_padding_changes_nothing(features):
    detector = built(config(blind=True)).eval()
    longer = Padded(F.pad(features.values, (0, 8)), F.pad(features.valid, (0, 8)))
    short, padded = detector(features).raw, detector(longer).raw
    for a, b in zip(short.logits, padded.logits, strict=True):
        torch.testing.assert_close(b[..., : a.shape[-1]], a)
        assert b[..., a.shape[-1] :].abs().sum() == 0


def test_blind_padding_leaves_every_gradient_finite(features):
    detector = built(config(blind=True)).train()
    longer = Padded(F.pad(features.values, (0, 12)), F.pad(features.valid, (0, 12)))
    actions = [Targets(torch.tensor([[2.0, 9.0]]), torch.tensor([1]))] * 2
    sum(detector.head.loss(detector(longer).raw, actions).values()).backward()
    assert all(p.grad.isfinite().all() for p in detector.parameters() if p.grad is not None)


def test_settings_come_back_from_what_is_written():
    for each in (config(), config(window=(5, 3, None), project=(6, 2))):
        assert load(actionformer.Config, dump(each)) == each


def test_short_videos_are_padded_to_the_window_and_long_ones_to_its_unit():
    thumos = actionformer.Config()
    lengths = [1, 2304, 2305, 2880, 2881]
    assert [thumos.padded(n, cells=2304) for n in lengths] == [2304, 2304, 2880, 2880, 3456]


def test_a_window_that_does_not_divide_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"2300 cells is not a multiple of 576.*take 1728 or 2304"):
        actionformer.Config().build(20, cells=2300, channels=[2048])
    with pytest.raises(ValueError, match=r"100 cells is not a multiple of 576.*take 576 cells"):
        actionformer.Config().build(20, cells=100, channels=[2048])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 4}, "windows must be odd and above 1, or null for all: 4"),
        ({"window": (5, 5)}, "2 windows for 3 levels"),
        ({"first_level": 3}, "first_level must be one of 3 levels, got 3"),
        ({"neck_width": 7}, "identity keeps the 8 channels of the backbone"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        config(**settings)


def test_foreign_weights_are_refused():
    with pytest.raises(ValueError, match=r"neck\.gamma is not a weight of the authors"):
        actionformer.rename({"module.neck.gamma": torch.zeros(1)})


def test_under_autocast_losses_and_gradients_are_finite(features):
    detector = built(config()).train()
    with torch.autocast("cpu", torch.bfloat16):
        raw = detector(features).raw
    losses = detector.head.loss(raw, [Targets(torch.zeros(0, 2), torch.zeros(0).long())] * 2)
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in detector.parameters() if p.grad is not None)
