import pytest
import torch

from untrimmed.nn.ops.anchors import level_anchors


def test_anchors_are_centred_where_their_position_starts():
    anchors = level_anchors(3, stride=4, scales=2, base_scale=2.0)
    assert anchors.mean(1).tolist() == [0, 0, 4, 4, 8, 8]


def test_lengths_divide_an_octave_in_equal_ratios():
    anchors = level_anchors(1, stride=4, scales=3, base_scale=1.5)
    lengths = (anchors[:, 1] - anchors[:, 0]).tolist()
    assert lengths == pytest.approx([6, 6 * 2 ** (1 / 3), 6 * 2 ** (2 / 3)])


def test_the_next_level_goes_on_where_this_one_ends():
    fine = level_anchors(2, stride=4, scales=5, base_scale=2.0)
    coarse = level_anchors(1, stride=8, scales=5, base_scale=2.0)
    assert torch.allclose(2 * fine[:5], coarse)


def test_anchors_of_thumos14():
    levels = [
        level_anchors(length, stride=stride, scales=5, base_scale=2.0)
        for length, stride in zip((60, 30, 15, 8, 4), (8, 16, 32, 64, 128), strict=True)
    ]
    assert sum(map(len, levels)) == 585
    lengths = (levels[4][:5, 1] - levels[4][:5, 0]).tolist()
    assert lengths == pytest.approx([256.0, 294.1, 337.8, 388.0, 445.7], abs=0.05)


def test_a_level_without_positions_has_no_anchors():
    assert level_anchors(0, stride=4, scales=5, base_scale=2.0).shape == (0, 2)
