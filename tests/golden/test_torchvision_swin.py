"""The Video Swin encoder with torchvision's layout of the weights, against torchvision itself.

Only where torchvision is installed; the weights are drawn here, none are fetched.
"""

import pytest
import torch

from untrimmed.nn.encoders import video_swin
from untrimmed.runs.encoder_weights import load_public

swin_transformer = pytest.importorskip("torchvision.models.video.swin_transformer")

SIZES = {
    "whole windows": (16, 48, 48),
    "sides to be padded": (9, 37, 46),
    "maps narrower than a window": (5, 13, 17),
}
SETTINGS = {"embed": 12, "depths": (2, 2), "heads": (2, 3), "window": (4, 3, 3)}


@pytest.fixture(scope="module")
def theirs():
    """A small network of torchvision, in double precision and evaluation."""
    network = swin_transformer.SwinTransformer3d(
        patch_size=[2, 4, 4],
        embed_dim=SETTINGS["embed"],
        depths=list(SETTINGS["depths"]),
        num_heads=list(SETTINGS["heads"]),
        window_size=list(SETTINGS["window"]),
        num_classes=5,
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            # None may stay at 0 or 1, for then its name could be mistaken unseen.
            weight.copy_(torch.randn(weight.shape, generator=generator) * len(weight) ** -0.5)
    return network.double().eval()


@pytest.fixture(scope="module")
def ours(theirs, tmp_path_factory):
    """Our encoder with its weights, from a file as torchvision saves it."""
    file = tmp_path_factory.mktemp("weights") / "swin3d.pth"
    torch.save(theirs.state_dict(), file)
    encoder = video_swin.Config(size=None, **SETTINGS).build().double()
    load_public(encoder, file)
    return encoder.eval()


@pytest.fixture(params=SIZES.values(), ids=SIZES)
def pixels(request):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, *request.param, generator=generator, dtype=torch.float64)


def their_map(network, pixels):
    """What torchvision averages before it classifies, (N, K, H, W, C)."""
    return network.norm(network.features(network.patch_embed(pixels)))


def our_map(encoder, pixels):
    return encoder.norm(encoder.maps(pixels)[-1].movedim(1, -1))


def check(actual, wanted, *, of_max=1e-12):
    atol = of_max * float(wanted.detach().abs().max())
    torch.testing.assert_close(actual, wanted, rtol=0, atol=atol)


@pytest.mark.parametrize("learns", [True, False])
def test_maps_are_those_of_torchvision(theirs, ours, pixels, learns):
    with torch.set_grad_enabled(learns):
        check(our_map(ours, pixels), their_map(theirs, pixels))


def test_gradients_are_those_of_torchvision(theirs, ours, pixels):
    theirs.zero_grad()
    ours.zero_grad()
    last = their_map(theirs, pixels)
    gradient = torch.randn(last.shape, generator=torch.Generator().manual_seed(2)).double()
    last.backward(gradient)
    our_map(ours, pixels).backward(gradient)

    wanted = video_swin.rename({name: weight.grad for name, weight in theirs.named_parameters()})
    weights = dict(ours.named_parameters())
    assert wanted.keys() == weights.keys()
    for name, weight in weights.items():
        check(weight.grad, wanted[name])


def test_pixels_become_features_as_behind_the_transforms_of_torchvision(theirs, ours):
    generator = torch.Generator().manual_seed(3)
    clips = torch.randint(256, (2, 3, 8, 28, 36), dtype=torch.uint8, generator=generator)
    sides = clips.shape[-2:]
    weights = swin_transformer.Swin3D_T_Weights.KINETICS400_V1
    transforms = weights.transforms(crop_size=sides, resize_size=sides)
    with torch.no_grad():
        pixels = transforms(clips.transpose(1, 2).contiguous()).double()
        wanted = their_map(theirs, pixels).mean((2, 3)).transpose(1, 2)  # (N, C, K)
        # The transforms work in single precision.
        check(ours(clips), wanted, of_max=1e-6)


@pytest.mark.parametrize(("letter", "size"), [("t", "tiny"), ("s", "small"), ("b", "base")])
def test_a_network_of_torchvision_fits_by_name_and_shape(letter, size):
    with torch.device("meta"):
        state = getattr(swin_transformer, f"swin3d_{letter}")().state_dict()
        encoder = video_swin.Config(size=size).build()
    shapes = {name: weight.shape for name, weight in video_swin.rename(state).items()}
    assert shapes == {name: weight.shape for name, weight in encoder.state_dict().items()}
