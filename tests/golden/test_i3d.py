"""The Inception I3D encoder against the authors' code, with weights that both compute."""

import numpy as np
import pytest
import torch

from untrimmed.nn.encoders import i3d


def check(actual, wanted, *, rtol=1e-4, of_max=2e-5):
    actual = np.asarray(actual.detach())
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=of_max * np.abs(wanted).max())


@pytest.fixture
def arrays(golden):
    return golden("tallformer/i3d.npz")


@pytest.fixture
def keys(arrays):
    """Of all entries of the authors' encoder and its projection, and of the encoder alone."""
    wrapped = arrays["afsd/keys"].tolist()
    trunk = [key.removeprefix("_model.") for key in wrapped if key.startswith("_model.")]
    return wrapped, trunk


@pytest.fixture
def build(arrays, procedural):
    """A function from the authors' keys to an encoder with their weights, for pixels as they are.

    Raises if an entry of the encoder is none of theirs, or the other way round.
    """

    def encoder_of(keys, **settings):
        encoder = i3d.Config(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), **settings).build()
        shapes = {name: value.shape for name, value in encoder.state_dict().items()}
        seed, gain = int(arrays["seed"]), float(arrays["gain"])
        weights = {}
        for key in keys:
            for name in i3d.rename({key: torch.empty(0)}):
                value = procedural(key, tuple(shapes[name]), seed=seed, gain=gain)
                weights[name] = torch.from_numpy(value)
        encoder.load_state_dict(weights)
        return encoder.eval()

    return encoder_of


def test_every_map_is_the_authors(arrays, keys, build):
    encoder = build(keys[1])
    maps = encoder.maps(torch.from_numpy(arrays["in"]))
    sums = {key.removeprefix("sum/"): arrays[key] for key in arrays if key.startswith("sum/")}
    assert sums.keys() == maps.keys()
    for name, wanted in sums.items():
        values = maps[name].detach().double()
        found = torch.stack([values.sum(), values.abs().sum(), values.square().sum()])
        check(found, wanted)
    check(maps["Mixed_4f"], arrays["out/Mixed_4f"])
    check(maps["Mixed_5c"], arrays["out/Mixed_5c"])


def test_features_are_the_last_map_averaged_over_space(arrays, keys, build):
    encoder = build(keys[1])
    features = encoder(torch.from_numpy(arrays["in"]))
    check(features, arrays["out/Mixed_5c"].mean((-2, -1)))


def test_with_a_projection_features_are_those_of_afsd(arrays, keys, build):
    encoder = build(keys[0], projection=512, map_size=(3, 3))
    clips = torch.from_numpy(arrays["afsd/in"].astype(np.float32))
    check(encoder(clips), arrays["afsd/out"])


def test_every_entry_of_the_published_weights_has_a_place(golden):
    names = golden("tallformer/state_dict_names.json")["pytorch_i3d_400"]["entries"]
    with torch.device("meta"):
        encoder = i3d.Config().build()
        weights = {key: torch.empty(shape) for key, (shape, _, _) in names.items()}
    given = {key: value.shape for key, value in i3d.rename(weights).items()}
    assert given == {key: value.shape for key, value in encoder.state_dict().items()}
