"""DaoTAD as it is put together."""

import math

import pytest
import torch
import torch.nn.functional as F

from untrimmed.core.config import dump, load
from untrimmed.models import daotad
from untrimmed.nn.encoders import conv3d
from untrimmed.nn.heads import anchor
from untrimmed.nn.protocols import Encoder, Head, Temporal
from untrimmed.tensors import Clips, Padded, Targets, pad

CHANNELS, CELLS, CLASSES = 16, 20, 3

CONFIG = daotad.Config(
    encoder=conv3d.Config(channels=(8, CHANNELS)),
    head=anchor.Config(width=6, stacked=1, scales=2, delta_clamp=None),
    levels=3,
    width=12,
    fpn_width=5,
)


@pytest.fixture
def detector():
    torch.manual_seed(0)
    detector = CONFIG.build(CLASSES, cells=CELLS)
    for weight in detector.head.parameters():  # the first values of the head are all but zero
        if weight.ndim > 1:
            torch.nn.init.xavier_uniform_(weight)
    return detector


def test_it_is_made_of_what_the_protocols_ask_for(detector):
    assert isinstance(detector.encoder, Encoder)
    assert isinstance(detector.temporal, Temporal)
    assert isinstance(detector.head, Head)
    assert (detector.temporal.channels, detector.temporal.strides) == (5, (1, 2, 4))


def test_padding_changes_nothing(detector):
    torch.manual_seed(1)
    detector.eval()
    features = pad([torch.randn(CHANNELS, 13), torch.randn(CHANNELS, 6)])
    longer = Padded(F.pad(features.values, (0, 5)), F.pad(features.valid, (0, 5)))
    short, padded = (detector.temporal(x).levels for x in (features, longer))
    for level, wanted in zip(padded, short, strict=True):
        T = wanted.values.shape[-1]
        torch.testing.assert_close(level.values[..., :T], wanted.values)
        assert level.values[..., T:].abs().sum() == 0


def test_every_parameter_gets_a_gradient(detector):
    torch.manual_seed(1)
    frames = torch.randint(256, (2, 1, 3, 2 * CELLS, 12, 10), dtype=torch.uint8)
    memory = Padded.whole(torch.zeros(2, CHANNELS, CELLS))
    output = detector.train()(Clips(frames, torch.zeros(2, 1).long(), memory))
    actions = [Targets(torch.tensor([[1.0, 5.0], [2.0, 18.0]]), torch.tensor([0, 1]))] * 2
    sum(detector.head.loss(output.raw, actions).values()).backward()
    missing = [
        name for name, p in detector.named_parameters() if p.grad is None or not p.grad.any()
    ]
    assert missing == []


@torch.no_grad()
def test_a_candidate_may_be_as_long_as_the_network_says(detector):
    """TALLFormer, whose head is the same, cuts it at e times its anchor."""
    detector.eval()
    detector.head.deltas.weight.zero_()
    detector.head.deltas.bias[1::2] = 1.5
    features = Padded.whole(torch.randn(1, CHANNELS, CELLS))
    found = detector.head.candidates(detector.locate(features)).segments[0]
    start, end = found[2 * 10].tolist()  # anchor 0 at cell 10 of the finest level, 2 cells long
    assert end - start == pytest.approx(2 * math.exp(1.5), rel=1e-5)


def test_the_convolutions_of_the_pyramid_start_wide():
    torch.manual_seed(0)
    pyramid = daotad.Config().temporal(64).parts[0]
    for stage in pyramid.stages:
        assert stage.conv.weight.std().item() == pytest.approx((2 / (512 * 3)) ** 0.5, rel=0.02)


def test_settings_are_read_by_name():
    config = load(daotad.Config, {"encoder": {"name": "i3d"}, "levels": 6})
    assert config.encoder.projection is None
    assert config.head == daotad.Config().head
    assert load(daotad.Config, dump(config)) == config


def test_it_is_the_authors_network():
    with torch.device("meta"):
        detector = daotad.Config().build(20, cells=96)
    assert sum(p.numel() for p in detector.parameters()) == 36_431_278
    assert sum(p.numel() for p in detector.parameters() if p.requires_grad) == 36_094_574


def test_published_weights_have_their_places():
    with torch.device("meta"):
        state = daotad.Config().build(20, cells=96).state_dict()
    shapes = {
        "backbone.layer3.5.conv2.conv.weight": (256, 256, 1, 3, 3),
        "backbone.layer1.0.downsample.bn.running_mean": (256,),
        "neck.1.layer1.0.conv.weight": (512, 2048, 3),
        "neck.1.layer4.0.bn.running_var": (512,),
        "neck.2.lateral_convs.0.conv.weight": (256, 2048, 1),
        "neck.2.lateral_convs.4.conv.weight": (256, 512, 1),
        "neck.2.fpn_convs.4.bn.num_batches_tracked": (),
        "head.cls_convs.3.conv.weight": (256, 256, 3),
        "head.retina_cls.bias": (100,),
    }
    renamed = daotad.rename({key: torch.empty(shape) for key, shape in shapes.items()})
    assert len(renamed) == len(shapes)
    for name, value in renamed.items():
        assert state[name].shape == value.shape


def test_counts_of_batches_are_left_out_where_norms_count_none():
    counts = ("backbone.conv1.bn", "neck.1.layer1.0.bn", "neck.2.fpn_convs.1.bn")
    state = {f"{key}.num_batches_tracked": torch.zeros(()) for key in counts}
    assert list(daotad.rename(state)) == ["temporal.parts.1.outputs.1.norm.num_batches_tracked"]


@pytest.mark.parametrize(
    "key",
    [
        "neck.0.srm.weight",
        "neck.1.layer1.1.conv.weight",
        "backbone.layer5.0.conv1.conv.weight",
        "fc.num_batches_tracked",
    ],
)
def test_foreign_weights_are_refused(key):
    with pytest.raises(ValueError, match="not"):
        daotad.rename({key: torch.zeros(1)})


@pytest.mark.parametrize("setting", ["levels", "width", "fpn_width", "clips_at_once"])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=f"^{setting}: wanted a number above 0"):
        daotad.Config(**{setting: 0})
