"""MobileNetV2 with a temporal shift: clips to features for machines without a GPU.

Sandler et al., MobileNetV2, CVPR 2018: pictures one by one; Lin et al., TSM, ICCV 2019: in blocks
that add to their input, some channels come from the picture before and some from the one behind
(sec. 3.2, residual shift), which makes it a network of motion at no cost.  The norms of public
weights are folded into the convolutions, so no clip sees another; without public weights, nothing
keeps the maps in range while it learns.  There is no classifier here, and no file is read:
`rename` takes tensors.

Shapes: N clips; L frames of a clip; H W pixels; C channels; K = L / stride cells of a clip; F
pictures, those of a clip side by side; h w positions of a map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from untrimmed.core.bounds import above_0, finite
from untrimmed.core.errors import ConfigError
from untrimmed.nn.layers.padding import ceil_padded
from untrimmed.nn.layers.pixels import normalised
from untrimmed.nn.names.mobilenet import rename as rename  # whoever loads weights asks for it here

Padding = Literal["around", "ceil"]


class _Stage(NamedTuple):
    """Blocks of one width; the first one has the stride."""

    expansion: int
    channels: int
    blocks: int
    stride: int


# Sandler et al., table 2.
_STAGES = (
    _Stage(1, 16, 1, 1),
    _Stage(6, 24, 2, 2),
    _Stage(6, 32, 3, 2),
    _Stage(6, 64, 4, 2),
    _Stage(6, 96, 3, 1),
    _Stage(6, 160, 3, 2),
    _Stage(6, 320, 1, 1),
)
_STEM, _LAST = 32, 1280


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the encoder; the defaults are those of PyTorch's public weights.

    Args:
        width: channels of every layer, as a multiple of the usual; those of the last are never
            fewer.
        stride: frames per cell.
        seen: frames of a cell that are looked at, evenly spaced; their features are averaged.
        shift: share of the channels that come from the picture before, and of those from the one
            behind; 0 keeps pictures apart.
        padding: zeros `around` the maps, as PyTorch has them, or as few as TensorFlow (`ceil`),
            for weights from there, whose `mean` and `std` are 127.5.
        mean, std: of red, green and blue, in 0 to 255.

    Raises:
        ConfigError: if a setting is out of range.
    """

    width: float = 1.0
    stride: int = 4
    seen: int = 1
    shift: float = 0.125
    padding: Padding = "around"
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        above_0(self, "width", "stride", "std")
        finite(self, "mean")
        if not 1 <= self.seen <= self.stride:
            raise ConfigError(f"wanted 1 to {self.stride}, got {self.seen}", path="seen")
        if not 0 <= self.shift <= 0.5:
            raise ConfigError(f"wanted a share in [0, 0.5], got {self.shift}", path="shift")

    def build(self) -> MobileNetTSM:
        """The encoder, with random weights."""
        return MobileNetTSM(self)


class MobileNetTSM(nn.Module):
    """Clips (N, 3, L, H, W) to features (N, C, L / stride).

    channels: C.
    stride: frames per cell.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.stride = config.stride
        channels = _rounded(_STEM * config.width)
        self.stem = _Conv(3, channels, kernel=3, stride=2, padding=config.padding)
        blocks = []
        for stage in _STAGES:
            wide = _rounded(stage.channels * config.width)
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(_Block(channels, wide, stage.expansion, stride=stride, config=config))
                channels = wide
        self.blocks = nn.ModuleList(blocks)
        self.channels = _rounded(_LAST * max(1.0, config.width))
        self.last = _Conv(channels, self.channels)

    def forward(self, clips: Num[Tensor, "N 3 L H W"]) -> Float[Tensor, "N C K"]:
        """Encode pixels, 0 to 255, uint8 or floating.

        Raises:
            ValueError: if L is not a whole number of cells.
        """
        N, _, L, H, W = clips.shape
        if L % self.stride:
            raise ValueError(
                f"a clip of {L} frames is not a whole number of cells of {self.stride} frames"
            )
        config, K, seen = self.config, L // self.stride, self.config.seen
        places = [(2 * number + 1) * self.stride // (2 * seen) for number in range(seen)]
        frames = clips.reshape(N, 3, K, self.stride, H, W)[:, :, :, places].flatten(2, 3)
        dtype = self.stem.weight.dtype
        pixels = normalised(frames, mean=config.mean, std=config.std, dtype=dtype)
        pictures = pixels.transpose(1, 2).flatten(0, 1)  # (F, 3, H, W)
        # Channels last, for the convolutions are faster so on a CPU.
        x = _relu6(self.stem(pictures.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            x = block(x, K * seen)
        features = _relu6(self.last(x)).mean((-2, -1))  # (F, C)
        return features.view(N, K, seen, -1).mean(2).transpose(1, 2)


class _Conv(nn.Conv2d):
    """A convolution with zeros around as the weights were trained with."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        padding: Padding = "around",
    ) -> None:
        around = kernel // 2 if padding == "around" else 0
        super().__init__(in_channels, out_channels, kernel, stride, around, groups=groups)
        self.ceil = padding == "ceil"
        nn.init.kaiming_normal_(self.weight)

    def forward(self, x: Float[Tensor, "F _ h w"]) -> Float[Tensor, "F _ _ _"]:
        if self.ceil:
            x = ceil_padded(x, self.kernel_size, stride=self.stride)
        return super().forward(x)


class _Block(nn.Module):
    """An inverted residual: wide between narrow ends, added to its input if it has its form."""

    def __init__(
        self, in_channels: int, out_channels: int, expansion: int, *, stride: int, config: Config
    ) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.adds = stride == 1 and in_channels == out_channels
        self.shifted = int(in_channels * config.shift) if self.adds else 0
        self.expand = _Conv(in_channels, wide) if expansion > 1 else None
        self.depthwise = _Conv(
            wide, wide, kernel=3, stride=stride, groups=wide, padding=config.padding
        )
        self.project = _Conv(wide, out_channels)
        nn.init.kaiming_normal_(self.project.weight, nonlinearity="linear")

    def forward(self, x: Float[Tensor, "F _ h w"], frames: int) -> Float[Tensor, "F _ _ _"]:
        y: Tensor = _with_neighbours(x, frames, channels=self.shifted) if self.shifted else x
        if self.expand is not None:
            y = _relu6(self.expand(y))
        y = self.project(_relu6(self.depthwise(y)))
        return x + y if self.adds else y


def _with_neighbours(
    x: Float[Tensor, "F C h w"], frames: int, *, channels: int
) -> Float[Tensor, "F C h w"]:
    """The first channels of the picture behind, the next ones of the one before; else zeros.

    Args:
        frames: pictures of a clip; those of another clip are nobody's neighbours.
        channels: how many come from each side.

    Source: Lin et al., fig. 1b.
    """
    clips = x.view(-1, frames, *x.shape[1:])  # (N, frames, C, h, w)
    shifted = clips.clone()
    ahead, back = slice(0, channels), slice(channels, 2 * channels)
    shifted[:, :-1, ahead], shifted[:, -1, ahead] = clips[:, 1:, ahead], 0
    shifted[:, 1:, back], shifted[:, 0, back] = clips[:, :-1, back], 0
    return shifted.flatten(0, 1)


def _relu6(x: Tensor) -> Tensor:
    """Bounded to [0, 6], in place: nobody needs what came out of a convolution."""
    return F.relu6(x, inplace=True)


def _rounded(channels: float) -> int:
    """To the nearest multiple of 8, but never below nine tenths."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near if near >= 0.9 * channels else near + 8
