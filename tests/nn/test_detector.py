"""Encoder, temporal model and head as one detector.

The encoder and the head here are the smallest that fulfil the protocols: the mean colour of every
two frames, and a score per cell.
"""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from untrimmed.nn.detector import Detector
from untrimmed.nn.protocols import Encoder, Head
from untrimmed.nn.temporal.chain import Chain
from untrimmed.nn.temporal.reduce import Reduce
from untrimmed.tensors import Candidates, Clips, Padded

B, N, L, H, W = 2, 4, 6, 5, 7  # videos, clips of a window, frames of a clip, pixels
C, K = 8, 3
T = N * K


class Colour(nn.Module):
    """Clips (N, 3, L, H, W) to (N, C, L / 2)."""

    channels, stride = C, 2

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, C)

    def forward(self, clips):
        pairs = clips.float().mean((3, 4)).unflatten(2, (-1, 2)) / 255  # (N, 3, K, 2)
        return self.linear(pairs.transpose(1, 2).flatten(2)).tanh().transpose(1, 2)


class Raw(NamedTuple):
    logits: Tensor
    valid: Tensor


class Scorer(nn.Module):
    """One score for every cell of the finest level."""

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, 1)

    def forward(self, pyramid):
        level = pyramid.levels[0]
        return Raw(self.linear(level.values.transpose(1, 2)), level.valid)

    def loss(self, raw, targets):
        return {"score": raw.logits.square().mean() + 0 * len(targets)}

    def candidates(self, raw):
        cells = torch.arange(raw.logits.shape[1]).expand(len(raw.logits), -1).float()
        scores = raw.logits.sigmoid() * raw.valid[..., None]
        return Candidates(torch.stack((cells, cells + 1), 2), scores)


@pytest.fixture
def detector():
    torch.manual_seed(0)
    return Detector(Colour(), Chain(Reduce(C, 5, factor=2)), Scorer(5))


@pytest.fixture
def video():
    """All frames of two windows, (B, N, 3, L, H, W)."""
    return torch.randint(256, (B, N, 3, L, H, W), dtype=torch.uint8)


def window(video, place, *, memory=None, valid=None):
    """Those clips of a video, and a memory of the rest."""
    place = torch.as_tensor(place)
    frames = torch.stack([clips[row] for clips, row in zip(video, place, strict=True)])
    values = torch.zeros(B, C, T) if memory is None else memory
    valid = torch.ones(B, T, dtype=torch.bool) if valid is None else valid
    return Clips(frames, place, Padded.of(values, valid))


def everything(video, **memory):
    return window(video, [list(range(N))] * B, **memory)


def test_the_parts_here_are_what_the_protocols_ask_for(detector):
    assert isinstance(detector.encoder, Encoder)
    assert isinstance(detector.head, Head)


def test_with_every_clip_fresh_memory_has_no_influence(detector, video):
    raw = detector(everything(video)).raw
    stale = detector(everything(video, memory=torch.randn(B, C, T))).raw
    assert torch.equal(stale.logits, raw.logits)


def test_fresh_and_remembered_features_give_the_same(detector, video):
    whole = detector(everything(video))
    remembered = whole.fresh.transpose(1, 2).flatten(2)  # (B, C, T)
    part = detector(window(video, [[1, 3], [2, 0]], memory=remembered))
    torch.testing.assert_close(part.raw.logits, whole.raw.logits)
    features = detector(Padded.whole(remembered))
    torch.testing.assert_close(features.raw.logits, whole.raw.logits)
    assert features.fresh is None


def test_what_is_not_encoded_now_comes_from_memory(detector, video):
    remembered = torch.randn(B, C, T)
    features, _ = detector.encode(window(video, [[1], [2]], memory=remembered))
    assert torch.equal(features.values[0, :, :3], remembered[0, :, :3])
    assert torch.equal(features.values[0, :, 6:], remembered[0, :, 6:])
    assert torch.equal(features.values[1, :, :6], remembered[1, :, :6])


def test_fresh_features_are_those_of_the_encoder_clip_by_clip(detector, video):
    fresh = detector(window(video, [[3, 1], [0, 2]])).fresh
    assert fresh.shape == (B, 2, C, K)
    torch.testing.assert_close(fresh[0, 0], detector.encoder(video[0, 3:4])[0])
    torch.testing.assert_close(fresh[1, 1], detector.encoder(video[1, 2:3])[0])


def test_fresh_features_for_the_memory_have_no_graph(detector, video):
    assert not detector(everything(video)).fresh.requires_grad


def test_the_encoder_is_trained_through_its_clips(detector, video):
    features, fresh = detector.encode(window(video, [[1], [2]]))
    fresh.retain_grad()
    features.values.sum().backward()
    assert torch.equal(fresh.grad, torch.ones_like(fresh))
    assert detector.encoder.linear.weight.grad.abs().min() > 0


def test_every_parameter_gets_a_gradient(detector, video):
    output = detector(window(video, [[1], [2]]))
    sum(detector.head.loss(output.raw, []).values()).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in detector.parameters())


@pytest.mark.parametrize("clips_at_once", [1, 3, 4, 100])
def test_the_number_of_clips_encoded_at_once_changes_nothing(detector, video, clips_at_once):
    clips = window(video, [[3, 1], [0, 2]])
    wanted = detector(clips)
    detector.clips_at_once = clips_at_once
    output = detector(clips)
    torch.testing.assert_close(output.raw.logits, wanted.raw.logits)
    torch.testing.assert_close(output.fresh, wanted.fresh)


def test_fresh_cells_beyond_the_end_of_a_video_are_zero(detector, video):
    valid = torch.arange(T) < torch.tensor([[T], [7]])
    features, _ = detector.encode(everything(video, valid=valid))
    assert features.values[1, :, 7:].abs().max() == 0
    assert features.values[1, :, :7].abs().min() > 0
    assert torch.equal(features.valid, valid)


def test_frames_beyond_the_end_change_nothing(detector, video):
    valid = torch.arange(T) < torch.tensor([[T], [6]])
    other = video.clone()
    other[1, 2:] = 0
    raw, changed = (detector(everything(v, valid=valid)).raw for v in (video, other))
    assert torch.equal(raw.logits, changed.logits)


def test_batch_is_its_videos_one_by_one(detector, video):
    clips = window(video, [[3, 1], [0, 2]], memory=torch.randn(B, C, T))
    raw = detector(clips).raw
    for row in range(B):
        one = slice(row, row + 1)
        memory = Padded(clips.memory.values[one], clips.memory.valid[one])
        alone = detector(Clips(clips.frames[one], clips.place[one], memory)).raw
        torch.testing.assert_close(raw.logits[one], alone.logits)


@pytest.mark.parametrize("precision", [torch.float32, torch.float16])
def test_under_autocast_memory_may_have_any_precision(detector, video, precision):
    memory = torch.randn(B, C, T).to(precision)
    clips = window(video, [[1], [2]], memory=memory)
    with torch.autocast("cpu", torch.bfloat16):
        lower = detector(clips).raw.logits
    full = detector(window(video, [[1], [2]], memory=memory.float())).raw.logits
    torch.testing.assert_close(lower.float(), full, rtol=0.05, atol=0.05)


def test_half_precision_memory_needs_no_autocast(detector, video):
    clips = window(video, [[1], [2]], memory=torch.randn(B, C, T).half())
    assert detector(clips).raw.logits.dtype == torch.float32


def test_a_detector_of_features_refuses_frames(detector, video):
    features_only = Detector(None, detector.temporal, detector.head)
    with pytest.raises(ValueError, match="without an encoder"):
        features_only(everything(video))


def test_a_window_without_clips_is_refused(detector, video):
    with pytest.raises(ValueError, match="no clip to encode"):
        detector(window(video, torch.zeros(B, 0, dtype=torch.int64)))
