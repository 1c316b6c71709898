import pytest
import torch

from untrimmed.core.errors import ConfigError
from untrimmed.nn.encoders.conv3d import Config
from untrimmed.nn.protocols import Encoder

N, L, H, W = 3, 6, 18, 21


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Config(channels=(8, 16, 24)).build()


@pytest.fixture
def clips():
    torch.manual_seed(1)
    return torch.randint(0, 256, (N, 3, L, H, W), dtype=torch.uint8)


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, Encoder)
    assert encoder.stride == 2


@pytest.mark.parametrize(("frames", "height", "width"), [(2, 1, 1), (6, 18, 21), (10, 7, 33)])
def test_two_frames_give_a_cell_whatever_the_size(encoder, frames, height, width):
    clips = torch.zeros(2, 3, frames, height, width, dtype=torch.uint8)
    assert encoder(clips).shape == (2, 24, frames // 2)


def test_a_batch_equals_its_clips_one_by_one(encoder, clips):
    together = encoder(clips)
    for n in range(N):
        torch.testing.assert_close(together[n : n + 1], encoder(clips[n : n + 1]))


def test_clips_are_independent(encoder, clips):
    values = clips.float().requires_grad_()
    encoder(values)[1].sum().backward()
    assert values.grad[1].abs().max() > 0
    assert values.grad[[0, 2]].abs().max() == 0


def test_every_parameter_gets_a_gradient(encoder, clips):
    encoder(clips).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in encoder.parameters())


def test_training_and_evaluation_are_the_same(encoder, clips):
    assert torch.equal(encoder.train()(clips), encoder.eval()(clips))


def test_what_stands_still_is_not_seen(encoder, clips):
    background = torch.randint(0, 100, (N, 3, 1, H, W), dtype=torch.uint8)
    moving = clips // 2
    torch.testing.assert_close(encoder(moving + background), encoder(moving))


def test_whole_and_floating_pixels_are_the_same(encoder, clips):
    assert torch.equal(encoder(clips), encoder(clips.float()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finite_at_the_largest_changes(encoder, dtype):
    clips = torch.zeros(N, 3, L, H, W, dtype=torch.uint8)
    clips[:, :, ::2] = 255
    cells = encoder.to(dtype)(clips)
    assert cells.dtype == dtype
    assert cells.isfinite().all()


def test_a_clip_without_change_is_finite(encoder):
    assert encoder(torch.full((N, 3, L, H, W), 77, dtype=torch.uint8)).isfinite().all()


def test_the_direction_of_a_motion_is_seen(encoder):
    torch.manual_seed(2)
    rightwards = torch.zeros(1, 3, L, H, W)
    for frame in range(L):
        rightwards[..., frame, 4:9, 2 * frame : 2 * frame + 5] = 255
    cells = encoder(rightwards), encoder(rightwards.flip(-1))
    assert (cells[0] - cells[1]).abs().max() > 1e-2


def test_the_default_is_small():
    assert 3e5 < sum(p.numel() for p in Config().build().parameters()) < 6e5


def test_half_a_cell_is_refused(encoder):
    with pytest.raises(ValueError, match="a clip of 5 frames is not a whole number of cells"):
        encoder(torch.zeros(1, 3, 5, H, W))


@pytest.mark.parametrize("channels", [(16,), (16, 20), (0, 8)])
def test_channels_that_make_no_encoder_are_refused(channels):
    with pytest.raises(ConfigError, match="channels: wanted at least two positive multiples of 8"):
        Config(channels=channels)
