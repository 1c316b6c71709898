"""Networks can be traced for any number of clips, or are refused."""

import pytest
import torch

from untrimmed.core.errors import UserError
from untrimmed.detect.graphs import Encoding, Lengths, traced
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.encoders.conv3d import Config


def test_a_video_swin_encodes_any_number_of_clips_as_before():
    config = video_swin.Config(
        size=None, embed=4, depths=(2,), heads=(2,), window=(2, 3, 3), patch=(2, 4, 4)
    )
    encoding = Encoding(config.build()).eval()
    graph = traced(encoding, (3, 6, 12, 20), lengths=Lengths(1, None)).module()
    for clips in (1, 3, 11):
        generator = torch.Generator().manual_seed(clips)
        size = (clips, 3, 6, 12, 20)
        frames = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
        with torch.no_grad():
            torch.testing.assert_close(graph(frames), encoding(frames), atol=1e-5, rtol=1e-5)


class Counting(torch.nn.Module):
    channels, stride = 1, 1

    def forward(self, clips):
        return clips.float().mean((3, 4)).mean(1, keepdim=True) * len(clips)


def test_a_network_that_counts_its_clips_is_refused():
    with pytest.raises(UserError, match="any length"):
        traced(Encoding(Counting()).eval(), (3, 2, 4, 5), lengths=Lengths(1, 9))


def test_pixels_are_taken_as_they_are_decoded():
    encoding = Encoding(Config(channels=(8, 8)).build()).eval()
    program = traced(encoding, (3, 4, 8, 9), lengths=Lengths(1, 5))
    (frames,) = (each for each in program.graph.nodes if each.name == "frames")
    assert frames.meta["val"].dtype == torch.uint8
