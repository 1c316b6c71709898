"""Inception I3D: clips of pixels to features, by an image network blown up to three dimensions.

Carreira & Zisserman, Quo Vadis, Action Recognition?, CVPR 2017, in the layout of the public
`rgb_imagenet` weights, up to its last map (`Mixed_5c`).  AFSD (Lin et al., CVPR 2021) and
TALLFormer-12 (Cheng & Bertasius, ECCV 2022) train it end to end; its norms keep the statistics of
Kinetics, so no clip sees another.  There is no classifier here, and no file is read: `rename`
takes tensors.

Shapes: N clips; L frames of a clip; H W pixels; C channels; K = L / 8 cells of a clip; k l h w
positions of a map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from untrimmed.core.bounds import above_0, finite
from untrimmed.core.errors import ConfigError
from untrimmed.nn.layers.fixed_norm import FixedNorm
from untrimmed.nn.layers.padding import ceil_padded
from untrimmed.nn.layers.pixels import normalised
from untrimmed.nn.names.unknown import UnknownNamesError

Triple = tuple[int, int, int]

_GROUPS = 32


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the encoder; the defaults are those of the public weights.

    Args:
        projection: channels to which one convolution over the whole of the last map brings each
            cell, as in AFSD (512); if null, the map is averaged over space and C is 1024.
        map_size: height and width of the last map, a 32nd of the pictures', which a projection
            must know; without one it has no influence.
        train_norms: whether scale and shift of the norms are trained; their statistics never are.
        mean, std: of red, green and blue, in 0 to 255.

    Raises:
        ConfigError: if a setting is out of range.
    """

    projection: int | None = None
    map_size: tuple[int, int] = (7, 7)
    train_norms: bool = False
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)

    def __post_init__(self) -> None:
        if self.projection is not None and (self.projection < 1 or self.projection % _GROUPS):
            raise ConfigError(
                f"wanted a multiple of {_GROUPS} above 0, got {self.projection}", path="projection"
            )
        above_0(self, "map_size", "std")
        finite(self, "mean")

    def build(self) -> I3D:
        """The encoder, with random weights."""
        return I3D(self)


class I3D(nn.Module):
    """Clips (N, 3, L, H, W) to features (N, C, L / 8).

    channels: C.
    stride: frames per cell.
    """

    stride = 8

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.parts = nn.ModuleList(_parts(trained=config.train_norms))
        self.projection = None
        if config.projection is not None:
            self.projection = _Projection(_WIDTH, config.projection, map_size=config.map_size)
        self.channels = config.projection or _WIDTH
        for module in self.modules():
            # Norms without statistics normalise nothing: first values that keep the variance do.
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, clips: Num[Tensor, "N 3 L H W"]) -> Float[Tensor, "N C K"]:
        """Encode pixels, 0 to 255, uint8 or floating.

        Raises:
            ValueError: if L is not a whole number of cells, or the pictures do not have the size
                that a projection was made for.
        """
        L = clips.shape[2]
        if L % self.stride:
            raise ValueError(f"a clip of {L} frames is not a whole number of cells of 8 frames")
        dtype = next(self.parameters()).dtype
        pixels = normalised(clips, mean=self.config.mean, std=self.config.std, dtype=dtype)
        for x in self._maps(pixels):
            last = x
        if self.projection is None:
            return last.mean((-2, -1))
        features: Tensor = self.projection(last)
        return features

    def maps(self, pixels: Float[Tensor, "N 3 L H W"]) -> dict[str, Float[Tensor, "N _ _ _ _"]]:
        """What every part makes of normalised pixels, by the authors' name of the part."""
        return dict(zip(_PARTS, self._maps(pixels), strict=True))

    def _maps(self, x: Tensor) -> Iterator[Tensor]:
        for part in self.parts:
            x = part(x)
            yield x


class _Conv(nn.Module):
    """A convolution, a norm and a ReLU; zeros around the input as `ceil_padded` has them."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        trained: bool,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, kernel, stride=stride, bias=False)
        self.norm = FixedNorm(out_channels, eps=1e-3, trained=trained)

    def forward(self, x: Float[Tensor, "N _ k h w"]) -> Float[Tensor, "N _ _ _ _"]:
        kernel, stride = self.conv.kernel_size, self.conv.stride
        x = self.conv(ceil_padded(x, kernel, stride=stride))
        return F.relu(self.norm(x))


class _Pool(nn.Module):
    """Maxima; zeros around the input, which is nowhere negative, change none."""

    def __init__(self, kernel: Triple, *, stride: Triple) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride

    def forward(self, x: Float[Tensor, "N C k h w"]) -> Float[Tensor, "N C _ _ _"]:
        return F.max_pool3d(
            ceil_padded(x, self.kernel, stride=self.stride), self.kernel, self.stride
        )


class _Mixed(nn.Module):
    """An inception block: four views of the same map, side by side in the channels."""

    def __init__(self, in_channels: int, widths: tuple[int, ...], *, trained: bool) -> None:
        super().__init__()
        one, before_two, two, before_three, three, pooled = widths

        def conv(wide: int, out: int, kernel: int = 1) -> _Conv:
            return _Conv(wide, out, kernel=kernel, trained=trained)

        self.branches = nn.ModuleList(
            (
                nn.Sequential(conv(in_channels, one)),
                nn.Sequential(conv(in_channels, before_two), conv(before_two, two, 3)),
                nn.Sequential(conv(in_channels, before_three), conv(before_three, three, 3)),
                nn.Sequential(_Pool((3, 3, 3), stride=(1, 1, 1)), conv(in_channels, pooled)),
            )
        )

    def forward(self, x: Float[Tensor, "N _ k h w"]) -> Float[Tensor, "N _ k h w"]:
        return torch.cat([branch(x) for branch in self.branches], 1)


class _Projection(nn.Module):
    """One vector of a whole picture, normalised over groups of channels and the cells of a clip."""

    def __init__(self, in_channels: int, out_channels: int, *, map_size: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, (1, *map_size))
        self.norm = nn.GroupNorm(_GROUPS, out_channels)

    def forward(self, x: Float[Tensor, "N _ K h w"]) -> Float[Tensor, "N C K"]:
        if x.shape[-2:] != self.conv.kernel_size[1:]:
            got, wanted = tuple(x.shape[-2:]), self.conv.kernel_size[1:]
            raise ValueError(f"pictures whose last map is {got}; the projection is for {wanted}")
        return F.relu(self.norm(self.conv(x)[..., 0, 0]))


# Carreira & Zisserman, fig. 3.  Of a block: channels of the branches, as `_Mixed` takes them.
_BLOCKS = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "MaxPool3d_4a_3x3": (),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "MaxPool3d_5a_2x2": (),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
_STEM = ("Conv3d_1a_7x7", "MaxPool3d_2a_3x3", "Conv3d_2b_1x1", "Conv3d_2c_3x3", "MaxPool3d_3a_3x3")
_PARTS = (*_STEM, *_BLOCKS)
_WIDTH = 1024


def _parts(*, trained: bool) -> Iterator[nn.Module]:
    yield _Conv(3, 64, kernel=7, stride=2, trained=trained)
    yield _Pool((1, 3, 3), stride=(1, 2, 2))
    yield _Conv(64, 64, trained=trained)
    yield _Conv(64, 192, kernel=3, trained=trained)
    yield _Pool((1, 3, 3), stride=(1, 2, 2))
    channels = 192
    for name, widths in _BLOCKS.items():
        if widths:
            yield _Mixed(channels, widths, trained=trained)
            one, _, two, _, three, pooled = widths
            channels = one + two + three + pooled
        else:
            side = int(name[-1])
            yield _Pool((side, side, side), stride=(2, 2, 2))


_BRANCHES = {"b0": "0.0", "b1a": "1.0", "b1b": "1.1", "b2a": "2.0", "b2b": "2.1", "b3b": "3.1"}
_LEFT_OUT = re.compile(r"^logits\.|\.num_batches_tracked$")


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Public weights under the names of an `I3D`.

    Understands the layout of pytorch-i3d, as published and as AFSD and TALLFormer wrap it, with
    their projection.  Classifier and counts of batches are left out.

    Raises:
        UnknownNamesError: if there are other entries.
    """
    names = {key: _ours(key) for key in state if not _LEFT_OUT.search(key)}
    unknown = [key for key, name in names.items() if name is None]
    if unknown:
        raise UnknownNamesError(unknown, of="an Inception I3D")
    return {name: state[key] for key, name in names.items() if name}


def _ours(key: str) -> str | None:
    """Our name of an entry, None if there is none."""
    match key.removeprefix("_model.").split("."):
        case ["proj_out", "0", "conv3d", leaf]:
            return f"projection.conv.{leaf}"
        case ["proj_out", "1", leaf]:
            return f"projection.norm.{leaf}"
        case [part, ("conv3d" | "bn") as module, leaf] if part in _STEM:
            return f"parts.{_PARTS.index(part)}.{_MODULES[module]}.{leaf}"
        case [part, branch, ("conv3d" | "bn") as module, leaf] if (
            part in _BLOCKS and branch in _BRANCHES
        ):
            place = f"parts.{_PARTS.index(part)}.branches.{_BRANCHES[branch]}"
            return f"{place}.{_MODULES[module]}.{leaf}"
    return None


_MODULES = {"conv3d": "conv", "bn": "norm"}
