"""Laws of the I3D on a ResNet-50."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.core.errors import ConfigError
from untrimmed.nn.encoders import resnet3d
from untrimmed.nn.protocols import Encoder

N, L, H, W = 3, 16, 37, 45
BLOCKS = (3, 4, 6, 3)
SMALL = ((True,), (False, True), (True,), (True, False))


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return resnet3d.Config(width=8, temporal=SMALL).build()


@pytest.fixture
def clips():
    torch.manual_seed(1)
    return torch.randint(0, 256, (N, 3, L, H, W), dtype=torch.uint8)


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, Encoder)
    assert (encoder.channels, encoder.stride) == (256, 8)


@pytest.mark.parametrize(("frames", "height", "width"), [(8, 32, 32), (16, 7, 33), (24, 50, 18)])
def test_eight_frames_give_a_cell_whatever_the_size(encoder, frames, height, width):
    clips = torch.zeros(2, 3, frames, height, width, dtype=torch.uint8)
    assert encoder(clips).shape == (2, 256, frames // 8)


def test_a_batch_equals_its_clips_one_by_one(encoder, clips):
    together = encoder(clips)
    for n in range(N):
        torch.testing.assert_close(together[n : n + 1], encoder(clips[n : n + 1]))


def test_clips_are_independent_also_in_training(encoder, clips):
    values = clips.float().requires_grad_()
    encoder.train()(values)[1].sum().backward()
    assert values.grad[1].abs().max() > 0
    assert values.grad[[0, 2]].abs().max() == 0


def test_training_changes_no_statistics_and_nothing_that_comes_out(encoder, clips):
    before = {name: value.clone() for name, value in encoder.named_buffers()}
    assert torch.equal(encoder.train()(clips), encoder.eval()(clips))
    assert before
    for name, value in encoder.named_buffers():
        assert torch.equal(value, before[name])


def test_every_parameter_gets_a_gradient(encoder, clips):
    encoder(clips).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in encoder.parameters())


@pytest.mark.parametrize(
    ("stages", "frozen"), [(None, ()), (0, ("stem.",)), (1, ("stem.", "stages.0."))]
)
def test_frozen_stages_are_not_trained(stages, frozen):
    encoder = resnet3d.Config(width=8, temporal=SMALL, frozen_stages=stages).build()
    for name, parameter in encoder.named_parameters():
        assert parameter.requires_grad != name.startswith(frozen or "nothing"), name


def test_norms_are_left_alone_if_asked_for():
    encoder = resnet3d.Config(width=8, temporal=SMALL, train_norms=False).build()
    for name, parameter in encoder.named_parameters():
        assert parameter.requires_grad == ("norm" not in name)


def test_whole_and_floating_pixels_are_the_same(encoder, clips):
    assert torch.equal(encoder(clips), encoder(clips.float()))


def test_features_are_the_last_map_of_normalised_pixels_averaged_over_space(encoder, clips):
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1, 1)
    *_, last = encoder.maps((clips - mean) / std)
    torch.testing.assert_close(encoder(clips), last.mean((-2, -1)))


def test_bfloat16_is_finite_and_near_float32(encoder, clips):
    with torch.no_grad():
        wanted = encoder(clips)
        cells = encoder.bfloat16()(clips)
    assert cells.dtype == torch.bfloat16
    torch.testing.assert_close(cells.float(), wanted, rtol=0, atol=0.05 * float(wanted.max()))


@pytest.mark.parametrize(("number", "sees_time"), [(0, False), (1, True)])
def test_blocks_see_time_where_they_are_told_to(encoder, number, sees_time):
    block = encoder.stages[1][number]
    x = torch.randn(1, 32 if number == 0 else 64, 5, 9, 10)
    order = torch.tensor([3, 0, 4, 2, 1])
    same = torch.allclose(block(x[:, :, order]), block(x)[:, :, order], atol=1e-5)
    assert same != sees_time


def test_the_first_stage_halves_neither_side(encoder):
    first, *_, last = encoder.maps(torch.randn(1, 3, L, 64, 96))
    assert first.shape == (1, 32, 4, 16, 24)
    assert last.shape == (1, 256, 2, 2, 3)


def test_it_has_the_published_size():
    with torch.device("meta"):
        encoder = resnet3d.Config().build()
    assert encoder.channels == 2048
    assert sum(p.numel() for p in encoder.parameters()) == 27_223_872


def authors_shapes():
    """Names and shapes of the published weights, written out from the ResNet-50."""
    shapes = {"conv1.conv.weight": (64, 3, 5, 7, 7), **norm("conv1", 64)}
    inflated = ((1, 1, 1), (1, 0, 1, 0), (1, 0, 1, 0, 1, 0), (0, 1, 0))
    before = 64
    for stage, temporal in enumerate(inflated):
        narrow = 64 << stage
        for block, sees_time in enumerate(temporal):
            name = f"layer{stage + 1}.{block}"
            time = 3 if sees_time else 1
            kernels = {
                "conv1": (narrow, before, time, 1, 1),
                "conv2": (narrow, narrow, 1, 3, 3),
                "conv3": (4 * narrow, narrow, 1, 1, 1),
            }
            if block == 0:
                kernels["downsample"] = (4 * narrow, before, 1, 1, 1)
            for conv, shape in kernels.items():
                shapes[f"{name}.{conv}.conv.weight"] = shape
                shapes |= norm(f"{name}.{conv}", shape[0])
            before = 4 * narrow
    return shapes


def norm(name, channels):
    leaves = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.bn.{leaf}": (channels,) for leaf in leaves}


def test_every_entry_of_the_published_weights_has_a_place():
    with torch.device("meta"):
        encoder = resnet3d.Config().build()
        published = {
            f"backbone.{key}": torch.empty(shape) for key, shape in authors_shapes().items()
        }
    published["backbone.layer1.0.conv1.bn.num_batches_tracked"] = torch.tensor(3)
    published["cls_head.fc_cls.weight"] = torch.zeros(400, 2048)
    given = {key: tuple(value.shape) for key, value in resnet3d.rename(published).items()}
    assert given == {key: tuple(value.shape) for key, value in encoder.state_dict().items()}


def test_a_block_adds_three_convolutions_to_its_input(encoder):
    block = encoder.stages[1][1]
    state = {key.removeprefix("stages.1.1."): value for key, value in encoder.state_dict().items()}
    torch.manual_seed(2)
    x = torch.rand(2, 64, 5, 7, 6)
    y = F.relu(F.conv3d(x, state["convs.0.conv.weight"], padding=(1, 0, 0)))
    y = F.relu(F.conv3d(y, state["convs.1.conv.weight"], padding=(0, 1, 1)))
    y = F.relu(x + F.conv3d(y, state["convs.2.conv.weight"]))
    torch.testing.assert_close(block(x), y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("key", ["layer5.0.conv1.conv.weight", "layer1.0.conv4.bn.bias", "x"])
def test_foreign_weights_are_refused(key):
    with pytest.raises(ValueError, match=f"not of an I3D on a ResNet: {key}"):
        resnet3d.rename({key: torch.zeros(1)})


def test_half_a_cell_is_refused(encoder):
    with pytest.raises(ValueError, match="a clip of 12 frames is not a whole number of cells of 8"):
        encoder(torch.zeros(1, 3, 12, H, W))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("width", 0), ("temporal", SMALL[:3]), ("temporal", (*SMALL[:3], ())), ("frozen_stages", 5)],
)
def test_settings_that_make_no_encoder_are_refused(setting, value):
    with pytest.raises(ConfigError, match=f"{setting}: wanted"):
        resnet3d.Config(**{setting: value})
