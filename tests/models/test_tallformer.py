"""TALLFormer as it is put together."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from untrimmed.core.config import dump, load
from untrimmed.models import tallformer
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.heads import anchor, refined_point
from untrimmed.nn.protocols import Encoder, Head, Temporal
from untrimmed.nn.video_class import Config as VideoClass
from untrimmed.tensors import Clips, Padded, Targets, pad

CHANNELS, CELLS, CLASSES = 16, 24, 3

CONFIG = tallformer.Config(
    encoder=video_swin.Config(size=None, embed=8, depths=(1, 1), heads=(1, 2), window=(2, 2, 2)),
    head=anchor.Config(width=6, stacked=1, scales=2),
    width=12,
    reduce=2,
    consistency_layers=1,
    consistency_heads=3,
    pyramid_heads=2,
    pyramid_kernels=(5, 3),
    fpn_width=10,
)


@pytest.fixture
def detector():
    torch.manual_seed(0)
    detector = CONFIG.build(CLASSES, cells=CELLS)
    for weight in detector.head.parameters():  # the first values of the head are all but zero
        if weight.ndim > 1:
            torch.nn.init.xavier_uniform_(weight)
    return detector.eval()


@pytest.fixture
def features():
    torch.manual_seed(1)
    return pad([torch.randn(CHANNELS, 20), torch.randn(CHANNELS, 13)])


def window(B, *, place, valid=None):
    torch.manual_seed(2)
    place = torch.tensor(place)
    frames = torch.randint(256, (B, place.shape[1], 3, 8, 8, 12), dtype=torch.uint8)
    valid = torch.ones(B, CELLS, dtype=torch.bool) if valid is None else valid
    return Clips(frames, place, Padded.of(torch.randn(B, CHANNELS, CELLS), valid))


def test_it_is_made_of_what_the_protocols_ask_for(detector):
    assert isinstance(detector.encoder, Encoder)
    assert isinstance(detector.temporal, Temporal)
    assert isinstance(detector.head, Head)
    assert (detector.temporal.channels, detector.temporal.strides) == (10, (2, 4, 8))


def test_padding_changes_nothing(detector, features):
    longer = Padded(F.pad(features.values, (0, 4)), F.pad(features.valid, (0, 4)))
    short, padded = (detector.temporal(x).levels for x in (features, longer))
    for level, wanted in zip(padded, short, strict=True):
        T = wanted.values.shape[-1]
        torch.testing.assert_close(level.values[..., :T], wanted.values)
        assert level.values[..., T:].abs().sum() == 0


def test_batch_is_its_videos_one_by_one(detector, features):
    together = detector.head.candidates(detector.locate(features))
    alone = detector.head.candidates(detector.locate(Padded.whole(features.values[1:, :, :13])))
    found = together.scores[1].amax(1) > 0
    torch.testing.assert_close(together.scores[1][found], alone.scores[0])
    torch.testing.assert_close(together.segments[1][found], alone.segments[0])


def test_every_parameter_gets_a_gradient(detector):
    detector.train()
    output = detector(window(2, place=[[0, 2, 5], [1, 4, 3]]))
    actions = [Targets(torch.tensor([[2.0, 9.0]]), torch.tensor([1]))] * 2
    sum(detector.head.loss(output.raw, actions).values()).backward()
    missing = [
        name for name, p in detector.named_parameters() if p.grad is None or not p.grad.any()
    ]
    assert missing == []


def test_frames_and_memory_beyond_the_end_change_nothing(detector):
    valid = torch.arange(CELLS) < torch.tensor([[CELLS], [8]])
    clips = window(2, place=[[0, 4], [1, 5]], valid=valid)
    other = clips._replace(frames=clips.frames.clone())
    other.frames[1, 1] = 0
    raw, changed = (detector(x).raw for x in (clips, other))
    for a, b in zip(raw.logits, changed.logits, strict=True):
        assert torch.equal(a, b)


def test_under_autocast_everything_is_finite(detector):
    clips = window(2, place=[[0, 4], [1, 5]])
    half = clips._replace(memory=clips.memory._replace(values=clips.memory.values.half()))
    with torch.autocast("cpu", torch.bfloat16):
        output = detector.train()(half)
        losses = detector.head.loss(
            output.raw, [Targets(torch.zeros(0, 2), torch.zeros(0).long())] * 2
        )
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in detector.parameters() if p.grad is not None)


def test_foreign_weights_are_refused():
    with pytest.raises(ValueError, match=r"neck\.4\.weight is not a weight of the authors"):
        tallformer.rename({"neck.4.weight": torch.zeros(1)})


# as on ActivityNet

ANET = replace(
    CONFIG,
    head=refined_point.Config(
        stacked=1, groups=2, steps=4, ranges=((0.0, 12.0), (6.0, 24.0), (12.0, 96.0))
    ),
    pyramid="convolutional",
    pyramid_levels=3,
    fpn_norm="group",
    groups=2,
    video_class=VideoClass(dropout=0.0),
)


@pytest.fixture(params=["encoder", "consistency"])
def anet(request):
    torch.manual_seed(0)
    config = replace(ANET, video_class=VideoClass(dropout=0.0, features=request.param))
    detector = config.build(CLASSES, cells=CELLS)
    for weight in detector.head.parameters():
        if weight.ndim > 1:
            torch.nn.init.xavier_uniform_(weight)
    return detector.eval()


def test_the_class_is_told_from_the_features_of_the_choice(anet, features):
    whole = (
        features
        if anet.temporal.whole == 0
        else anet.temporal.parts[1](anet.temporal.parts[0](features))
    )
    mean = whole.values.sum(-1) / whole.valid.sum(-1, keepdim=True)
    torch.testing.assert_close(anet.locate(features).logits, anet.head.classifier(mean))


def test_as_on_activitynet_a_batch_is_its_videos_one_by_one(anet, features):
    together = anet.head.candidates(anet.locate(features))
    alone = anet.head.candidates(anet.locate(Padded.whole(features.values[1:, :, :13])))
    found, wanted = (candidates.scores.amax(-1) > 0 for candidates in (together, alone))
    torch.testing.assert_close(together.scores[1][found[1]], alone.scores[0][wanted[0]])
    torch.testing.assert_close(together.segments[1][found[1]], alone.segments[0][wanted[0]])


def test_as_on_activitynet_every_parameter_gets_a_gradient(anet):
    anet.train()
    output = anet(window(2, place=[[0, 2, 5], [1, 4, 3]]))
    actions = [Targets(torch.tensor([[2.0, 9.0], [1.0, 23.0]]), torch.tensor([1, 2]))] * 2
    sum(anet.head.loss(output.raw, actions).values()).backward()
    missing = [name for name, p in anet.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []


def test_as_on_activitynet_a_candidate_is_of_two_classes(anet, features):
    scores = anet.head.candidates(anet.locate(features)).scores
    assert scores.shape[-1] == CLASSES
    assert [int(video.amax(0).count_nonzero()) for video in scores] == [2, 2]


def test_settings_are_read_by_name():
    settings = {
        "encoder": {"name": "i3d", "projection": 512},
        "head": {"name": "refined_point", "unit": 0.5},
        "pyramid": "convolutional",
        "fpn_norm": "group",
        "video_class": {"likeliest": 1},
    }
    config = load(tallformer.Config, settings)
    assert config.encoder.projection == 512
    assert config.head.unit == 0.5
    assert config.video_class == VideoClass(likeliest=1)
    assert load(tallformer.Config, dump(config)) == config


def test_a_pyramid_without_levels_is_refused():
    with pytest.raises(ValueError, match="pyramid_levels: wanted a number above 0, got 0"):
        tallformer.Config(pyramid_levels=0)
