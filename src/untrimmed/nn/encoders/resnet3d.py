"""I3D on a ResNet-50: clips of pixels to features, by residual blocks of which some see time.

Carreira & Zisserman, CVPR 2017, on He et al., CVPR 2016, as mmaction has it (Wang et al., CVPR
2018, sec. 3.1: kernels of 3 x 1 x 1) and as DaoTAD (Wang et al., 2021, "RGB Stream Is Enough for
Temporal Action Detection") trains it: the last map is averaged over space.  The norms keep the
statistics of Kinetics, so no clip sees another.  There is no classifier here, and no file is
read: `rename` takes tensors.

Shapes: N clips; L frames of a clip; H W pixels; C channels; K = L / 8 cells of a clip; k h w
positions of a map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from untrimmed.core.bounds import above_0, finite
from untrimmed.core.errors import ConfigError
from untrimmed.nn.layers.fixed_norm import FixedNorm
from untrimmed.nn.layers.pixels import normalised
from untrimmed.nn.names.unknown import UnknownNamesError

Triple = tuple[int, int, int]

_EXPANSION = 4
_ONE = (1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the encoder; the defaults are those of the public weights.

    Args:
        width: channels of the stem; the features have 32 times as many.
        temporal: for each stage, for each of its blocks, whether it sees the cell before and the
            one behind.
        frozen_stages: the stem and this many stages are never trained; none of them if not given.
            DaoTAD has 1.
        train_norms: whether scale and shift of the norms are trained; their statistics never are.
        mean, std: of red, green and blue, in 0 to 255.

    Raises:
        ConfigError: if a setting is out of range.
    """

    width: int = 64
    temporal: tuple[tuple[bool, ...], ...] = (
        (True, True, True),
        (True, False, True, False),
        (True, False, True, False, True, False),
        (False, True, False),
    )
    frozen_stages: int | None = None
    train_norms: bool = True
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        above_0(self, "width", "std")
        finite(self, "mean")
        if len(self.temporal) != 4 or not all(self.temporal):
            raise ConfigError(
                f"wanted four stages with at least a block, got {self.temporal}", path="temporal"
            )
        if not 0 <= (self.frozen_stages or 0) <= len(self.temporal):
            raise ConfigError(
                f"wanted 0 to {len(self.temporal)} stages, got {self.frozen_stages}",
                path="frozen_stages",
            )

    def build(self) -> ResNet3d:
        """The encoder, with random weights."""
        return ResNet3d(self)


class ResNet3d(nn.Module):
    """Clips (N, 3, L, H, W) to features (N, C, L / 8).

    channels: C.
    stride: frames per cell.
    """

    stride = 8

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.stem = _Conv(
            3, config.width, (5, 7, 7), stride=(2, 2, 2), train_norms=config.train_norms
        )
        stages = []
        channels = config.width
        for number, blocks in enumerate(config.temporal):
            narrow = config.width << number
            stages.append(_stage(channels, narrow, blocks, halves=number > 0, config=config))
            channels = narrow * _EXPANSION
        self.stages = nn.ModuleList(stages)
        self.channels = channels
        if config.frozen_stages is not None:
            for part in (self.stem, *stages[: config.frozen_stages]):
                part.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, clips: Num[Tensor, "N 3 L H W"]) -> Float[Tensor, "N C K"]:
        """Encode pixels, 0 to 255, uint8 or floating.

        Raises:
            ValueError: if L is not a whole number of cells.
        """
        L = clips.shape[2]
        if L % self.stride:
            raise ValueError(f"a clip of {L} frames is not a whole number of cells of 8 frames")
        dtype = self.stem.conv.weight.dtype
        pixels = normalised(clips, mean=self.config.mean, std=self.config.std, dtype=dtype)
        for x in self._maps(pixels):
            last = x
        return last.mean((-2, -1))

    def maps(self, pixels: Float[Tensor, "N 3 L H W"]) -> tuple[Float[Tensor, "N _ _ _ _"], ...]:
        """The map of every stage, of normalised pixels."""
        return tuple(self._maps(pixels))

    def _maps(self, pixels: Float[Tensor, "N 3 L H W"]) -> Iterator[Tensor]:
        x = F.max_pool3d(F.relu(self.stem(pixels)), (1, 3, 3), (2, 2, 2), (0, 1, 1))
        for number, stage in enumerate(self.stages):
            x = stage(x)
            yield x
            if number == 0:
                x = F.max_pool3d(x, (2, 1, 1), (2, 1, 1))


class _Conv(nn.Module):
    """A convolution and its norm."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Triple,
        *,
        stride: Triple = _ONE,
        train_norms: bool,
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv3d(
            in_channels, out_channels, kernel, stride=stride, padding=padding, bias=False
        )
        self.norm = FixedNorm(out_channels, eps=1e-5, trained=train_norms)

    def forward(self, x: Float[Tensor, "N _ k h w"]) -> Float[Tensor, "N _ _ _ _"]:
        normed: Tensor = self.norm(self.conv(x))
        return normed


class _Block(nn.Module):
    """Adds to its input what three convolutions make of it: through time, space and neither.

    Args:
        stride: of the second convolution; with it, or with other channels, the input is brought
            to the same form by a convolution of its own.
    """

    def __init__(
        self, in_channels: int, narrow: int, *, stride: Triple, temporal: bool, train_norms: bool
    ) -> None:
        super().__init__()
        wide = narrow * _EXPANSION
        through_time = (3, 1, 1) if temporal else _ONE
        self.convs = nn.ModuleList(
            (
                _Conv(in_channels, narrow, through_time, train_norms=train_norms),
                _Conv(narrow, narrow, (1, 3, 3), stride=stride, train_norms=train_norms),
                _Conv(narrow, wide, _ONE, train_norms=train_norms),
            )
        )
        self.shortcut = None
        if in_channels != wide or stride != _ONE:
            self.shortcut = _Conv(in_channels, wide, _ONE, stride=stride, train_norms=train_norms)

    def forward(self, x: Float[Tensor, "N _ k h w"]) -> Float[Tensor, "N _ _ _ _"]:
        first, second, third = self.convs
        changed = third(F.relu(second(F.relu(first(x)))))
        return F.relu(changed + (x if self.shortcut is None else self.shortcut(x)))


def _stage(
    in_channels: int, narrow: int, blocks: tuple[bool, ...], *, halves: bool, config: Config
) -> nn.Sequential:
    """Blocks of one width, of which the first may halve height and width."""
    layers = []
    for number, temporal in enumerate(blocks):
        first = number == 0
        layers.append(
            _Block(
                in_channels if first else narrow * _EXPANSION,
                narrow,
                stride=(1, 2, 2) if first and halves else _ONE,
                temporal=temporal,
                train_norms=config.train_norms,
            )
        )
    return nn.Sequential(*layers)


_LEFT_OUT = re.compile(r"^(cls_head|fc)\.|\.num_batches_tracked$")
_MODULES = {"conv": "conv", "bn": "norm"}


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Public weights under the names of a `ResNet3d`.

    Understands the layout of mmaction's 3-D ResNets with bottlenecks, also under `backbone.`.
    Classifier and counts of batches are left out.

    Raises:
        UnknownNamesError: if there are other entries.
    """
    names = {key: _ours(key) for key in state if not _LEFT_OUT.search(key)}
    unknown = [key for key, name in names.items() if name is None]
    if unknown:
        raise UnknownNamesError(unknown, of="an I3D on a ResNet")
    return {name: state[key] for key, name in names.items() if name}


def _ours(key: str) -> str | None:
    """Our name of an entry, None if there is none."""
    match key.removeprefix("backbone.").split("."):
        case ["conv1", ("conv" | "bn") as module, leaf]:
            return f"stem.{_MODULES[module]}.{leaf}"
        case [stage, block, conv, ("conv" | "bn") as module, leaf]:
            known = re.fullmatch(
                r"layer([1-4])\.\d+\.(?:conv([123])|downsample)", f"{stage}.{block}.{conv}"
            )
            if known is None:
                return None
            part = f"convs.{int(known[2]) - 1}" if known[2] else "shortcut"
            return f"stages.{int(known[1]) - 1}.{block}.{part}.{_MODULES[module]}.{leaf}"
    return None
