"""Laws of the Inception I3D encoder."""

import pytest
import torch

from untrimmed.core.errors import ConfigError
from untrimmed.nn.encoders import i3d
from untrimmed.nn.protocols import Encoder

N, L, H, W = 2, 8, 33, 40


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return i3d.Config().build()


@pytest.fixture(scope="module")
def projecting():
    torch.manual_seed(1)
    return i3d.Config(projection=64, map_size=(2, 1)).build()


@pytest.fixture
def clips():
    torch.manual_seed(2)
    return torch.randint(0, 256, (N, 3, L, H, W), dtype=torch.uint8)


def test_it_is_an_encoder(encoder, projecting):
    assert isinstance(encoder, Encoder)
    assert (encoder.channels, encoder.stride) == (1024, 8)
    assert (projecting.channels, projecting.stride) == (64, 8)


@pytest.mark.parametrize(("frames", "height", "width"), [(8, 32, 32), (16, 7, 33), (24, 50, 18)])
def test_eight_frames_give_a_cell_whatever_the_size(encoder, frames, height, width):
    clips = torch.zeros(1, 3, frames, height, width, dtype=torch.uint8)
    with torch.no_grad():
        assert encoder(clips).shape == (1, 1024, frames // 8)


def test_a_batch_equals_its_clips_one_by_one(encoder, projecting, clips):
    with torch.no_grad():
        for part in (encoder, projecting):
            frames = clips if part is encoder else clips[..., :32]
            together = part(frames)
            for n in range(N):
                alone = part(frames[n : n + 1])
                torch.testing.assert_close(together[n : n + 1], alone, rtol=1e-3, atol=1e-3)


def test_clips_are_independent_also_in_training(encoder, clips):
    values = clips.float().requires_grad_()
    encoder.train()(values)[1].sum().backward()
    assert values.grad[1].abs().max() > 0
    assert values.grad[0].abs().max() == 0


def test_training_changes_no_statistics_and_nothing_that_comes_out(encoder, clips):
    before = {name: value.clone() for name, value in encoder.named_buffers()}
    with torch.no_grad():
        assert torch.equal(encoder.train()(clips), encoder.eval()(clips))
    assert before
    for name, value in encoder.named_buffers():
        assert torch.equal(value, before[name])


def test_every_parameter_but_those_of_norms_gets_a_gradient(projecting, clips):
    projecting.zero_grad()
    projecting(clips[..., :32]).square().sum().backward()
    for name, parameter in projecting.named_parameters():
        trained = not name.startswith("parts.") or "norm" not in name
        assert (parameter.grad is not None and parameter.grad.abs().max() > 0) == trained, name


def test_norms_are_trained_if_asked_for():
    with torch.device("meta"):
        encoder = i3d.Config(train_norms=True).build()
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_whole_and_floating_pixels_are_the_same(encoder, clips):
    with torch.no_grad():
        assert torch.equal(encoder(clips), encoder(clips.float()))


def test_pixels_between_0_and_255_are_seen_between_minus_1_and_1(encoder):
    clips = torch.tensor([0.0, 127.5, 255.0]).expand(1, 8, 4, 5, 3).permute(0, 4, 1, 2, 3)
    seen = encoder.maps(torch.tensor([-1.0, 0.0, 1.0]).expand(1, 8, 4, 5, 3).permute(0, 4, 1, 2, 3))
    with torch.no_grad():
        torch.testing.assert_close(encoder(clips), seen["Mixed_5c"].mean((-2, -1)))


def test_bfloat16_is_finite_and_near_float32(clips):
    torch.manual_seed(0)
    encoder = i3d.Config().build()
    with torch.no_grad():
        wanted = encoder(clips)
        cells = encoder.bfloat16()(clips)
    assert cells.dtype == torch.bfloat16
    torch.testing.assert_close(cells.float(), wanted, rtol=0, atol=0.05 * float(wanted.max()))


def test_the_direction_of_a_motion_is_seen(encoder):
    rightwards = torch.zeros(1, 3, L, H, W)
    for frame in range(L):
        rightwards[..., frame, 4:16, 3 * frame : 3 * frame + 9] = 255
    with torch.no_grad():
        cells = encoder(rightwards), encoder(rightwards.flip(2))
    assert (cells[0] - cells[1]).abs().max() > 1e-2 * cells[0].abs().max()


def test_it_has_the_published_size(encoder):
    assert sum(p.numel() for p in encoder.parameters()) == 12_287_264


def test_weights_come_back_under_their_names(encoder):
    ours = encoder.state_dict()
    place = {name: key for key in authors_keys() for name in i3d.rename({key: torch.empty(0)})}
    assert place.keys() == ours.keys()
    assert place["parts.0.conv.weight"] == "Conv3d_1a_7x7.conv3d.weight"
    assert place["parts.15.branches.2.1.norm.running_var"] == "Mixed_5c.b2b.bn.running_var"
    wrapped = {f"_model.{key}": ours[name] for name, key in place.items()}
    wrapped["Mixed_5c.b0.bn.num_batches_tracked"] = torch.tensor(0)
    wrapped["logits.conv3d.bias"] = torch.zeros(400)
    assert i3d.rename(wrapped).keys() == ours.keys()


def authors_keys():
    stem = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
    blocks = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
    branches = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")
    units = [*stem, *(f"Mixed_{block}.{branch}" for block in blocks for branch in branches)]
    leaves = ("conv3d.weight", *(f"bn.{leaf}" for leaf in ("weight", "bias", "running_mean")))
    return [f"{unit}.{leaf}" for unit in units for leaf in (*leaves, "bn.running_var")]


@pytest.mark.parametrize(
    "key", ["Mixed_5d.b0.bn.weight", "Mixed_5c.b4.bn.weight", "Conv3d_1a_7x7.weight", "fc.weight"]
)
def test_foreign_weights_are_refused(key):
    with pytest.raises(ValueError, match=f"not of an Inception I3D: {key}"):
        i3d.rename({key: torch.zeros(1)})


def test_half_a_cell_is_refused(encoder):
    with pytest.raises(ValueError, match="a clip of 12 frames is not a whole number of cells of 8"):
        encoder(torch.zeros(1, 3, 12, H, W))


def test_pictures_of_another_size_are_refused_by_a_projection(projecting, clips):
    with pytest.raises(ValueError, match=r"whose last map is \(2, 2\); .* is for \(2, 1\)"):
        projecting(clips)


@pytest.mark.parametrize(
    ("setting", "value"), [("projection", 40), ("projection", 0), ("map_size", (0, 3))]
)
def test_settings_that_make_no_encoder_are_refused(setting, value):
    with pytest.raises(ConfigError, match=f"{setting}: wanted"):
        i3d.Config(**{setting: value})
