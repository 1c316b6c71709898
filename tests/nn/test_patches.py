import pytest
import torch

from untrimmed.nn.encoders import video_swin
from untrimmed.nn.layers.patches import Merging, is_cut

TOY = {"size": None, "embed": 8, "depths": (1, 1), "heads": (1, 2), "window": (2, 3, 3)}


@pytest.mark.parametrize("height", [40, 41])
def test_a_large_map_is_merged_in_pieces_as_in_one(height):
    merging = Merging(8).double()
    x = torch.randn(2, 11, height, 42, 8, dtype=torch.float64)
    in_one = merging(x)
    with torch.no_grad():
        assert is_cut(x)
        in_pieces = merging(x)
    torch.testing.assert_close(in_pieces, in_one, rtol=0, atol=1e-12)


@pytest.mark.parametrize("frozen_stages", [None, 0, 1])
def test_features_of_large_clips_do_not_depend_on_whether_a_gradient_is_wanted(frozen_stages):
    """Without gradient the pixels, 9 frames padded to 10, are worked on a few frames at a time."""
    encoder = video_swin.Config(**TOY, frozen_stages=frozen_stages).build().double().eval()
    clips = torch.randint(256, (2, 3, 9, 211, 226), dtype=torch.uint8)
    wanted = encoder(clips)
    with torch.no_grad():
        assert is_cut(clips)
        found = encoder(clips)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_a_convolutional_stem_sees_all_frames_at_once():
    encoder = video_swin.Config(**TOY, stem="conv").build().double().eval()
    clips = torch.randint(256, (1, 3, 10, 211, 226), dtype=torch.uint8)
    wanted = encoder(clips)
    with torch.no_grad():
        found = encoder(clips)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_where_a_gradient_is_wanted_nothing_is_cut():
    assert not is_cut(torch.zeros(2**19))
