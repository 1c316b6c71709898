"""MobileNetV2 with a temporal shift: laws, and layouts of public weights."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from untrimmed.core.errors import ConfigError
from untrimmed.nn.encoders import mobilenet_tsm
from untrimmed.nn.encoders.mobilenet_tsm import Config
from untrimmed.nn.protocols import Encoder

N, K, STRIDE, H, W = 2, 3, 4, 40, 37
NARROW = 0.25


def build(**settings):
    torch.manual_seed(0)
    return Config(width=NARROW, stride=STRIDE, **settings).build().double()


@pytest.fixture
def clips():
    torch.manual_seed(1)
    return torch.randint(0, 256, (N, 3, K * STRIDE, H, W), dtype=torch.uint8)


def test_it_is_an_encoder(clips):
    encoder = build()
    assert isinstance(encoder, Encoder)
    assert encoder(clips).shape == (N, encoder.channels, K)
    assert encoder.channels == 1280


def test_the_usual_width_has_as_many_parameters_as_are_published():
    encoder = Config().build()
    biases = sum(p.numel() for name, p in encoder.named_parameters() if name.endswith("bias"))
    classifier = 1000 * 1280 + 1000
    # Scale and shift of a norm are folded into one bias.
    assert sum(p.numel() for p in encoder.parameters()) + biases + classifier == 3_504_872


def test_clips_are_independent(clips):
    values = clips.double().requires_grad_()
    build()(values)[1].sum().backward()
    assert values.grad[1].abs().max() > 0
    assert values.grad[0].abs().max() == 0


def test_a_batch_equals_its_clips_one_by_one(clips):
    encoder = build(seen=2)
    together = encoder(clips)
    for n in range(N):
        torch.testing.assert_close(together[n : n + 1], encoder(clips[n : n + 1]))


def test_every_parameter_gets_a_gradient(clips):
    encoder = build()
    encoder(clips).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())


def test_without_a_shift_a_cell_is_its_frames_alone(clips):
    encoder = build(shift=0.0, seen=2)
    alone = [encoder(clips[:, :, k * STRIDE : (k + 1) * STRIDE]) for k in range(K)]
    torch.testing.assert_close(encoder(clips), torch.cat(alone, 2))


def test_a_shift_shows_neighbours_from_both_sides(clips):
    encoder = build()
    changed = clips.clone()
    changed[:, :, STRIDE : 2 * STRIDE] = 0
    difference = (encoder(changed) - encoder(clips)).abs().amax((0, 1))
    assert (difference > 1e-6).all()


def test_a_shift_moves_channels_by_one_picture():
    x = torch.arange(2 * 3 * 8.0).view(2, 3, 8)  # clips, pictures, channels
    shifted = mobilenet_tsm._with_neighbours(x.view(6, 8, 1, 1), 3, channels=2).view(2, 3, 8)
    zeros = torch.zeros(2, 1, 2)
    assert torch.equal(shifted[..., :2], torch.cat((x[:, 1:, :2], zeros), 1))
    assert torch.equal(shifted[..., 2:4], torch.cat((zeros, x[:, :-1, 2:4]), 1))
    assert torch.equal(shifted[..., 4:], x[..., 4:])


def test_only_blocks_that_add_to_their_input_are_shifted():
    shifted = [block.shifted for block in Config().build().blocks]
    assert [index for index, count in enumerate(shifted) if count] == [
        2, 4, 5, 7, 8, 9, 11, 12, 14, 15,
    ]  # fmt: skip
    assert shifted[2] == 24 // 8


def test_frames_that_are_not_seen_have_no_influence(clips):
    encoder = build(seen=1)
    changed = clips.clone()
    changed[:, :, 0::STRIDE] = 0
    changed[:, :, 1::STRIDE] = 0
    changed[:, :, 3::STRIDE] = 0
    assert torch.equal(encoder(changed), encoder(clips))


def test_features_are_averaged_over_the_frames_of_a_cell(clips):
    each = Config(width=NARROW, stride=1, shift=0.0)
    torch.manual_seed(0)
    single = each.build().double()(clips)
    torch.testing.assert_close(
        build(seen=4, shift=0.0)(clips), single.unflatten(2, (K, STRIDE)).mean(3)
    )


def test_half_a_cell_is_refused(clips):
    with pytest.raises(ValueError, match="a clip of 10 frames is not a whole number of cells of 4"):
        build()(clips[:, :, :10])


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"width": 0.0}, "width"),
        ({"stride": 0}, "stride"),
        ({"stride": 2, "seen": 3}, "seen"),
        ({"seen": 0}, "seen"),
        ({"shift": 0.6}, "shift"),
        ({"std": (0.0, 1.0, 1.0)}, "std"),
    ],
)
def test_settings_out_of_range_are_refused(settings, path):
    with pytest.raises(ConfigError, match=f"{path}: wanted"):
        Config(**settings)


def plan():
    """Every convolution of the usual network: its place, channels, stride; by the paper's table 2.

    A place is a block from 0 and a layer of it, or "stem", or "last".
    """
    yield "stem", 3, 32, 2, False
    channels, block = 32, 0
    for expansion, wide, repeats, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
        (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for number in range(repeats):
            hidden, layer = channels * expansion, 0
            if expansion > 1:
                yield (block, layer), channels, hidden, 1, False
                layer += 1
            yield (block, layer), hidden, hidden, stride if number == 0 else 1, True
            yield (block, layer + 1), hidden, wide, 1, False
            channels, block = wide, block + 1
    yield "last", channels, 1280, 1, False


def torchvision_names(place):
    """A convolution and its norm in the file."""
    if place in ("stem", "last"):
        number = 0 if place == "stem" else 18
        return f"features.{number}.0", f"features.{number}.1"
    block, layer = place
    conv = f"features.{block + 1}.conv.{layer}"
    if layer == (1 if block == 0 else 2):
        return conv, f"features.{block + 1}.conv.{layer + 1}"
    return f"{conv}.0", f"{conv}.1"


def mmaction_names(place):
    if place in ("stem", "last"):
        name = "backbone.conv1" if place == "stem" else "backbone.conv2"
        return f"{name}.conv", f"{name}.bn"
    block, layer = place
    starts = [0, 1, 3, 6, 10, 13, 16]
    stage = max(number for number, start in enumerate(starts) if start <= block)
    inside = block - starts[stage]
    # Where a block adds to its input, TSM has wrapped its first layer.
    wrapped = ".net" if layer == 0 and inside > 0 else ""
    name = f"backbone.layer{stage + 1}.{inside}.conv.{layer}{wrapped}"
    return f"{name}.conv", f"{name}.bn"


def state_of(names):
    """Random weights in a layout, and what the network makes of pictures, layer by layer."""
    torch.manual_seed(3)
    state, layers = {}, []
    for place, wide_in, wide_out, stride, depthwise in plan():
        conv, norm = names(place)
        kernel = 3 if depthwise or place == "stem" else 1
        weight = torch.randn(wide_out, 1 if depthwise else wide_in, kernel, kernel).double()
        weight /= weight[0].numel() ** 0.5
        scale, shift, mean = torch.randn(3, wide_out).double()
        variance = torch.rand(wide_out).double() + 0.5
        state[f"{conv}.weight"] = weight
        state |= {f"{norm}.weight": scale, f"{norm}.bias": shift}
        state |= {f"{norm}.running_mean": mean, f"{norm}.running_var": variance}
        state[f"{norm}.num_batches_tracked"] = torch.tensor(7)
        layers.append((place, weight, (mean, variance, scale, shift), stride))
    return state, layers


def reference(x, layers):
    """The network without a shift, as the papers describe it."""
    start = x
    for place, weight, norm, stride in layers:
        if isinstance(place, tuple) and place[1] == 0:
            start = x
        groups = len(weight) if weight.shape[1] == 1 and weight.shape[-1] == 3 else 1
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)
        x = F.batch_norm(x, *norm)
        projects = isinstance(place, tuple) and place[1] == (1 if place[0] == 0 else 2)
        if not projects:
            x = F.relu6(x)
        elif start.shape == x.shape:
            x = x + start
    return x.mean((-2, -1))


@pytest.mark.parametrize("names", [torchvision_names, mmaction_names])
def test_norms_of_public_weights_are_folded(names):
    state, layers = state_of(names)
    encoder = (
        Config(stride=1, shift=0.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)).build().double()
    )
    encoder.load_state_dict(mobilenet_tsm.rename(state))
    pictures = torch.randn(2, 3, 3, 33, 34).double()  # clips, colours, pictures, height, width
    ours = encoder(pictures)
    theirs = reference(pictures.transpose(1, 2).flatten(0, 1), layers).view(2, 3, -1)
    torch.testing.assert_close(ours, theirs.transpose(1, 2))


@pytest.mark.parametrize("key", ["classifier.1.weight", "cls_head.fc_cls.bias", "052_CONV_2D_w"])
def test_classifiers_are_left_out(key):
    assert mobilenet_tsm.rename({key: torch.zeros(1)}) == {}


@pytest.mark.parametrize(
    "key",
    ["features.19.0.weight", "features.4.conv.5.0.weight", "backbone.layer8.0.conv.0.conv.weight",
     "053_CONV_2D_w", "head.weight", "features.30.conv.0.0.weight"],
)  # fmt: skip
def test_entries_of_other_networks_are_refused(key):
    with pytest.raises(ValueError, match=f"not of a MobileNetV2: {key}"):
        mobilenet_tsm.rename({key: torch.zeros(1)})


def test_a_norm_that_is_not_whole_is_refused():
    state, _ = state_of(torchvision_names)
    del state["features.5.conv.1.1.running_var"]
    with pytest.raises(ValueError, match=r"blocks\.4\.depthwise: wanted .*running_var"):
        mobilenet_tsm.rename(state)


def test_a_norm_of_another_size_is_refused():
    state, _ = state_of(torchvision_names)
    state["features.5.conv.1.1.running_var"] = torch.ones(7)
    with pytest.raises(ValueError, match=r"blocks\.4\.depthwise: .*'norm\.running_var': \(7,\)"):
        mobilenet_tsm.rename(state)


WORDS = {
    "cat.bmp": "cat",
    "bird.bmp": "chickadee",
    "parrot.jpg": "macaw",
    "hot_dog.jpg": "hotdog",
    "grace_hopper.bmp": "military uniform",
    "dragonfly.bmp": "dragonfly",
}
"""What is in the pictures; of the seventh, an owl, this network thinks a grouse."""


def test_imagenet_weights_know_what_is_in_a_picture(shared):
    folder = shared("data/mobilenetv2_imagenet")
    with np.load(folder / "mobilenetv2_weights_from_quant.npz") as arrays:
        state = {key: torch.from_numpy(arrays[key]) for key in arrays}
    grey = (127.5, 127.5, 127.5)
    encoder = Config(stride=1, shift=0.0, padding="ceil", mean=grey, std=grey).build()
    encoder.load_state_dict(mobilenet_tsm.rename(state))
    labels = (folder / "imagenet_labels.txt").read_text().splitlines()
    with np.load(folder / "test_images.npz") as images, torch.no_grad():
        pictures = [torch.from_numpy(images[name]).permute(2, 0, 1) for name in WORDS]
        features = encoder(torch.stack(pictures)[:, :, None])[:, :, 0]
    logits = F.linear(features, state["052_CONV_2D_w"][:, 0, 0], state["052_CONV_2D_b"])
    for word, best in zip(WORDS.values(), logits.argmax(1).tolist(), strict=True):
        assert word in labels[best]
