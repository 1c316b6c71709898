import colorsys

import pytest
import torch

from untrimmed.data.hsv import from_hsv, to_hsv

B, L, H, W = 4, 3, 6, 8


def random_colours(*shape):
    generator = torch.Generator().manual_seed(7)
    return torch.randint(0, 256, shape, generator=generator).float()


@pytest.fixture
def frames():
    return random_colours(B, 3, L, H, W)


def test_hsv_is_that_of_the_standard_library():
    colours = random_colours(50, 3, 1, 1, 1)
    edges = torch.tensor([[0, 0, 0], [9, 9, 9], [7, 7, 0], [0, 7, 7]])
    colours[:4] = edges.view(4, 3, 1, 1, 1)
    hue, saturation, value = (part.flatten().tolist() for part in to_hsv(colours))
    for index, colour in enumerate(colours.flatten(1).tolist()):
        h, s, v = colorsys.rgb_to_hsv(*colour)
        assert (hue[index], saturation[index], value[index]) == pytest.approx((360 * h, s, v))


def test_from_hsv_undoes_to_hsv(frames):
    torch.testing.assert_close(from_hsv(*to_hsv(frames)), frames, atol=1e-3, rtol=0)


def test_a_whole_turn_of_hue_changes_nothing(frames):
    hue, saturation, value = to_hsv(frames)
    for turn in (-360, 360):
        turned = from_hsv(hue + turn, saturation, value)
        torch.testing.assert_close(turned, frames, atol=2e-2, rtol=0)
