"""A small 3-D convolutional encoder of motion, for small machines and small pictures.

It is what the demo trains on two CPU cores, from nothing, on pictures of some 40 by 32 pixels in
which a few small figures move.  It is *not* a published network and has no public weights: for
real footage use `video_swin`.

It sees how each pixel changes from frame to frame, not the pixel itself.  What stands still is
gone from the start, and with it the background by which a network tells a handful of training
videos apart instead of learning what moves in them.  Of every cell the strongest responses
anywhere in the picture are kept, for what acts is small and most of the picture does not.

Clips are independent of one another: everything is normalised within a clip (GroupNorm), nothing
over the batch.

Shapes: N clips, L frames of a clip, H W pixels, C channels, K = L / 2 cells of a clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional as F

from untrimmed.core.bounds import at_least_0
from untrimmed.core.errors import ConfigError

_GROUP = 8
_SPREAD = 32.0  # about how much a pixel changes, of 255, where something moves


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the encoder; the default has 0.5 million parameters.

    Args:
        channels: of the stem and of each stage after it, finest first; multiples of 8.  The
            first stage halves time, and each halves height and width.
        blocks: residual blocks behind the convolution that opens a stage.

    Raises:
        ConfigError: if there are fewer than two numbers of channels, or one is not a multiple
            of 8, or `blocks` is negative.
    """

    channels: tuple[int, ...] = (16, 32, 48, 96)
    blocks: int = 1

    def __post_init__(self) -> None:
        if len(self.channels) < 2 or any(wide < 1 or wide % _GROUP for wide in self.channels):
            raise ConfigError(
                f"wanted at least two positive multiples of {_GROUP}, got {self.channels}",
                path="channels",
            )
        at_least_0(self, "blocks")

    def build(self) -> Conv3d:
        """The encoder with weights drawn at random."""
        return Conv3d(self)


class Conv3d(nn.Module):
    """Clips of pixels to one vector for every two frames.

    Args:
        config: its settings.
    """

    stride = 2

    def __init__(self, config: Config) -> None:
        super().__init__()
        first, *rest = config.channels
        self.channels = config.channels[-1]
        self.stem = _Layer(3, first, kernel=(3, 5, 5), stride=(1, 2, 2))
        stages = []
        width = first
        for depth, wider in enumerate(rest):
            opening = _Layer(width, wider, stride=(2 if depth == 0 else 1, 2, 2))
            stages.append(nn.Sequential(opening, *(_Block(wider) for _ in range(config.blocks))))
            width = wider
        self.stages = nn.Sequential(*stages)

    def forward(self, clips: Num[Tensor, "N 3 L H W"]) -> Float[Tensor, "N C K"]:
        """Features of each clip, computed from that clip alone.

        Args:
            clips: red, green, blue, 0 to 255, uint8 or floating; any height and width.

        Raises:
            ValueError: if L is odd.
        """
        L = clips.shape[2]
        if L % self.stride:
            raise ValueError(f"a clip of {L} frames is not a whole number of cells of 2 frames")
        pixels = clips.to(self.stem.conv.weight.dtype) / _SPREAD
        # The first frame of a clip has none before it: no change.
        changes = torch.diff(pixels, dim=2, prepend=pixels[:, :, :1])
        cells: Tensor = self.stages(self.stem(changes))  # (N, C, K, h, w)
        return cells.amax((-2, -1))


class _Layer(nn.Module):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: tuple[int, int, int] = (3, 3, 3),
        stride: tuple[int, int, int] = (1, 1, 1),
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv3d(
            in_channels, out_channels, kernel, stride=stride, padding=padding, bias=False
        )
        self.norm = nn.GroupNorm(out_channels // _GROUP, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class _Block(nn.Module):
    """Adds to its input what one layer makes of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = _Layer(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layer(x)
        return y
