"""Two classes are told apart by everyone, as far as colours can."""

import numpy as np
import pytest

from untrimmed.report.palette import DARK, LIGHT, colour, style_rules

# Linear RGB as people without one kind of cone see it.
# Source: Machado, Oliveira & Fernandes, IEEE TVCG 15 (2009), severity 1.
SIGHT = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Source: Ottosson, "A perceptual color space for image processing" (2020).
CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
OKLAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def least_distance(colours, sight):
    """Smallest distance of two colours in Oklab, where 0.02 is about what can just be seen."""
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(SIGHT[sight]), 0, 1)
    places = np.cbrt(seen @ np.transpose(CONES)) @ np.transpose(OKLAB)
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return distances[~np.eye(len(colours), dtype=bool)].min()


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("ground", [LIGHT, DARK])
def test_the_first_eight_colours_are_far_apart_for_everyone(sight, ground):
    assert least_distance(ground[:8], sight) > 0.07


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("ground", [LIGHT, DARK])
def test_all_twenty_colours_differ_for_everyone(sight, ground):
    assert least_distance(ground, sight) > 0.03


def test_colours_repeat_after_twenty():
    assert colour(23) == colour(3)


def test_the_style_gives_every_colour_on_both_grounds():
    assert all(value in style_rules() for value in (*LIGHT, *DARK))
