"""Training through many clips in the memory of one call: the same gradient, and each thing once."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from untrimmed.nn.detector import Detector
from untrimmed.nn.encoders import conv3d, i3d, resnet3d, video_swin
from untrimmed.nn.protocols import Repeatable
from untrimmed.nn.splice import splice
from untrimmed.nn.temporal.chain import Chain
from untrimmed.nn.temporal.reduce import Reduce
from untrimmed.tensors import Clips, Padded

B, M, CLIPS, L, SIDE = 2, 3, 4, 8, 32  # videos, their clips encoded now and in all, frames, pixels
N = B * M
SWIN = video_swin.Config(
    size=None, embed=12, depths=(1, 2, 1), heads=(1, 2, 3), window=(2, 3, 3), drop_path=0.4
)


class Sum(nn.Module):
    """A head whose loss weighs every cell differently, so that no gradient cancels out."""

    def forward(self, pyramid):
        return pyramid.levels[0].values

    def loss(self, raw, targets):
        weights = torch.linspace(-1, 2, raw.numel(), dtype=raw.dtype).view_as(raw)
        return {"sum": (weights * raw.tanh()).sum() + 0 * len(targets)}

    def candidates(self, raw):
        raise NotImplementedError


def detector_of(encoder, dtype=torch.float64):
    torch.manual_seed(0)
    built = encoder.build() if hasattr(encoder, "build") else encoder
    temporal = Chain(Reduce(built.channels, 5, factor=2))
    return Detector(built, temporal, Sum()).to(dtype).train()


def window(detector, dtype=torch.float64):
    random = torch.Generator().manual_seed(1)
    frames = torch.randint(256, (B, M, 3, L, SIDE, SIDE), dtype=torch.uint8, generator=random)
    place = torch.tensor([[0, 2, 3], [1, 0, 2]])
    T = CLIPS * L // detector.encoder.stride
    memory = torch.randn(B, detector.encoder.channels, T, generator=random, dtype=dtype)
    return Clips(frames, place, Padded.whole(memory))


def gradient(detector, *, at_once, clips=None, dtype=torch.float64, **how):
    """Of every trained parameter, one behind the other."""
    detector = copy.deepcopy(detector)
    detector.clips_at_once = at_once
    torch.manual_seed(7)
    output = detector(clips or window(detector, dtype), **how)
    sum(detector.head.loss(output.raw, []).values()).backward()
    trained = [p for p in detector.parameters() if p.requires_grad]
    return torch.cat([p.grad.flatten() for p in trained])


def difference(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


ENCODERS = {
    "swin": SWIN,
    "swin, blocks recomputed": video_swin.Config(**{**vars(SWIN), "checkpoint": "block"}),
    "swin, stem frozen": video_swin.Config(**{**vars(SWIN), "frozen_stages": 0}),
    "swin, 1 stage frozen": video_swin.Config(**{**vars(SWIN), "frozen_stages": 1}),
    "i3d": i3d.Config(),
    "resnet": resnet3d.Config(width=4),
    "conv3d": conv3d.Config(channels=(8, 8)),
}


CALLS = [
    (name, at_once) for name in ENCODERS for at_once in ((1, 2, 4) if name == "swin" else (2,))
]


@pytest.mark.parametrize(("name", "at_once"), CALLS)
def test_the_gradient_is_that_of_one_call(name, at_once):
    detector = detector_of(ENCODERS[name])
    wanted = gradient(detector, at_once=None)
    assert wanted.norm() > 0
    assert difference(gradient(detector, at_once=at_once), wanted) < 1e-12


@pytest.mark.parametrize("name", ["swin", "i3d"])
def test_in_float32_it_is_so_to_rounding(name):
    detector = detector_of(ENCODERS[name], torch.float32)
    # oneDNN convolves batches of different sizes in different ways, and its rounding may push a
    # position of I3D over the kink of a ReLU.
    with torch.backends.mkldnn.flags(enabled=False):
        wanted = gradient(detector, at_once=None, dtype=torch.float32)
        found = gradient(detector, at_once=1, dtype=torch.float32)
    assert difference(found, wanted) < 1e-4


def test_drop_path_is_on_in_these_tests():
    detector = detector_of(SWIN)
    plain = detector_of(video_swin.Config(**{**vars(SWIN), "drop_path": 0.0}))
    plain.load_state_dict(detector.state_dict())
    assert difference(gradient(plain, at_once=1), gradient(detector, at_once=1)) > 0.1


def test_other_draws_of_drop_path_give_another_gradient():
    detector = detector_of(SWIN)
    draws = [detector.encoder.draw_keep(N, torch.Generator().manual_seed(n)) for n in (0, 0, 1)]
    first, same, other = (gradient(detector, at_once=2, keep=keep) for keep in draws)
    assert torch.equal(first, same)
    assert difference(other, first) > 0.1


class Noisy(nn.Module):
    """Draws dropout as it goes."""

    channels, stride = 6, 2

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.dropout = nn.Dropout(0.5)

    def forward(self, clips):
        pairs = clips.to(self.linear.weight.dtype).mean((3, 4)).unflatten(2, (-1, 2)) / 255
        return self.dropout(self.linear(pairs.transpose(1, 2).flatten(2))).transpose(1, 2)


def test_what_an_encoder_draws_itself_is_drawn_the_same_again():
    detector = detector_of(Noisy())
    found = gradient(detector, at_once=2)

    kept, clips = copy.deepcopy(detector), window(detector)
    torch.manual_seed(7)
    fresh = torch.cat([kept.encoder(some) for some in clips.frames.flatten(0, 1).split(2)])
    fresh = fresh.unflatten(0, (B, M))
    raw = kept.locate(splice(clips.memory, fresh, clips=clips.place))
    kept.head.loss(raw, [])["sum"].backward()
    wanted = torch.cat([p.grad.flatten() for p in kept.parameters()])
    assert difference(found, wanted) < 1e-12


def calls(detector, *, at_once, **how):
    """How often each part of a Video Swin Transformer is called in a step: stem, stages, norm."""
    detector = copy.deepcopy(detector)
    counts = dict.fromkeys(("stem", "stages.0", "stages.1", "stages.2"), 0)

    def count(name, *_):
        counts[name] += 1

    for name in counts:
        detector.encoder.get_submodule(name).register_forward_hook(partial(count, name))
    detector.clips_at_once = at_once
    output = detector(window(detector), **how)
    if output.raw.requires_grad:
        output.raw.sum().backward()
    return list(counts.values())


def test_one_call_is_not_repeated():
    assert calls(detector_of(SWIN), at_once=N) == [1] * 4
    assert calls(detector_of(SWIN), at_once=None) == [1] * 4


def test_every_call_but_the_last_is_repeated():
    assert calls(detector_of(SWIN), at_once=2) == [3 + 2] * 4
    assert calls(detector_of(SWIN), at_once=4) == [2 + 1] * 4


def test_frozen_stages_are_not_repeated():
    assert calls(detector_of(ENCODERS["swin, 1 stage frozen"]), at_once=2) == [3, 3, 5, 5]


def test_nothing_is_repeated_without_gradient():
    with torch.no_grad():
        assert calls(detector_of(SWIN), at_once=2) == [3] * 4
    frozen = detector_of(SWIN)
    frozen.encoder.requires_grad_(False)
    assert calls(frozen, at_once=2) == [3] * 4


def test_pixels_are_made_call_by_call_and_again():
    detector = detector_of(SWIN)
    asked = []

    def darker(clips, some):
        asked.append((some.start, len(clips)))
        return clips.double() / 2

    found = gradient(detector, at_once=4, pixels=darker)
    assert asked == [(0, 4), (4, 2), (0, 4)]
    clips = window(detector)
    halved = clips._replace(frames=clips.frames.double() / 2)
    assert difference(found, gradient(detector, at_once=None, clips=halved)) < 1e-12


class Normed(nn.Module):
    """With statistics of the batch, which a call moves in training."""

    channels, stride = 6, 2

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.norm = nn.BatchNorm1d(6)

    def forward(self, clips):
        pairs = clips.to(self.linear.weight.dtype).mean((3, 4)).unflatten(2, (-1, 2)) / 255
        return self.norm(self.linear(pairs.transpose(1, 2).flatten(2)).transpose(1, 2))


def test_running_statistics_count_every_clip_once():
    detector = detector_of(Normed())
    detector.clips_at_once = 2
    once = copy.deepcopy(detector.encoder)
    clips = window(detector)
    for some in clips.frames.flatten(0, 1).split(2):
        once(some)
    output = detector(clips)
    before = detector.encoder.linear.weight.grad
    detector.head.loss(output.raw, [])["sum"].backward()
    assert before is None
    assert detector.encoder.linear.weight.grad.norm() > 0
    for name, buffer in detector.encoder.named_buffers():
        assert torch.equal(buffer, once.get_buffer(name)), name


def test_in_bf16_many_calls_round_no_more_than_one():
    detector = detector_of(SWIN, torch.float32)
    exact = gradient(detector, at_once=None, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        one = difference(gradient(detector, at_once=None, dtype=torch.float32), exact)
        many = difference(gradient(detector, at_once=1, dtype=torch.float32), exact)
    assert 1e-4 < one < 0.1
    assert many < 1.2 * one


def test_only_an_encoder_that_can_be_repeated_in_part_says_so():
    assert isinstance(SWIN.build(), Repeatable)
    assert not isinstance(conv3d.Config(channels=(8, 8)).build(), Repeatable)
