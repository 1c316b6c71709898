"""Change what clips look like, at random, on whatever device they are.

One draw per window serves all its clips, for they are one recording.  Frames come as decoded and
stay in [0, 255]; normalising them is the encoder's business.  What changes when something happens
is not here (`data.windows`), for it would change the targets too.

Shapes: B windows, M clips, L frames of a clip, H W pixels, h w pixels after cropping.

Source: TALLFormer's THUMOS14 training, whose photometric distortion is that of SSD (Liu et al.,
ECCV 2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int64, Num
from torch import Tensor
from torch.nn import functional as F

from untrimmed.core.bounds import above_0, at_least_0, finite, shares
from untrimmed.data.hsv import from_hsv, to_hsv


@dataclass(frozen=True, kw_only=True)
class Augment:
    """How likely each change is, and how large; a change of probability 0 is switched off.

    Args:
        crop: height and width of what is kept of a frame; null keeps all.
        photometric: probability that the colours change at all; each way to change them, from
            `brightness` to `swap`, then has its own.
        brightness, brightness_by: up to so much is added or taken, of 255.
        contrast, contrast_by: values are multiplied by a number between these two.
        saturation, saturation_by: as contrast.
        hue, hue_by: hues are turned by up to so many degrees, either way.
        swap: the channels change places, in any order.
        rotation, rotation_by: pictures are turned by up to so many degrees, either way.
        flip: left becomes right.
    """

    crop: tuple[int, int] | None = (224, 224)
    photometric: float = 0.5
    brightness: float = 0.5
    brightness_by: float = 32.0
    contrast: float = 0.5
    contrast_by: tuple[float, float] = (0.5, 1.5)
    saturation: float = 0.5
    saturation_by: tuple[float, float] = (0.5, 1.5)
    hue: float = 1.0
    hue_by: float = 18.0
    swap: float = 0.5
    rotation: float = 0.5
    rotation_by: float = 45.0
    flip: float = 0.5

    def __post_init__(self) -> None:
        above_0(self, "crop")
        shares(self, "photometric", "brightness", "contrast", "saturation", "hue", "swap")
        shares(self, "rotation", "flip")
        at_least_0(self, "brightness_by", "hue_by", "rotation_by")
        finite(self, "contrast_by", "saturation_by")
        for name in ("contrast_by", "saturation_by"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f"{name} must rise from 0 or more, got {low} to {high}")


class Draw(NamedTuple):
    """What happens to each window, on the CPU.

    top, left: place of the crop.
    distorted: whether colours change; the fields up to `order` say how.
    brightness: what is added; 0 changes nothing, as with angles, and 1 with factors.
    contrast: factor; with `contrast_first` before hue and saturation, else after.
    saturation: factor.
    hue, angle: in degrees; a positive angle turns counter-clockwise.
    order: which channel each is taken from.
    """

    top: Int64[Tensor, " B"]
    left: Int64[Tensor, " B"]
    distorted: Bool[Tensor, " B"]
    brightness: Float64[Tensor, " B"]
    contrast: Float64[Tensor, " B"]
    contrast_first: Bool[Tensor, " B"]
    saturation: Float64[Tensor, " B"]
    hue: Float64[Tensor, " B"]
    order: Int64[Tensor, "B 3"]
    angle: Float64[Tensor, " B"]
    flipped: Bool[Tensor, " B"]

    def at(self, rows: Num[Tensor, " N"] | slice) -> Draw:
        """The draws of some windows."""
        return Draw(*(each[rows] for each in self))


def augment(
    frames: Num[Tensor, "B M 3 L H W"], *, config: Augment, generator: torch.Generator
) -> Float[Tensor, "B M 3 L h w"]:
    """Crop, change colours, turn and flip, the same way in all clips of a window.

    Args:
        frames: RGB, 0 to 255, uint8 or floating.
        generator: on the CPU, wherever the frames are.

    Returns:
        Frames in float32, 0 to 255.

    Raises:
        ValueError: if the crop is larger than the frames.
    """
    drawn = draw(
        len(frames), margins=margins(frames, config=config), config=config, generator=generator
    )
    # One clip of every window at a time: all at once take memory, and on a CPU thrice the time.
    return torch.stack([changed(clips, drawn, config=config) for clips in frames.unbind(1)], 1)


def margins(frames: Num[Tensor, "*any H W"], *, config: Augment) -> tuple[int, int]:
    """By how much frames are higher and wider than the crop.

    Raises:
        ValueError: if the crop is larger than the frames.
    """
    H, W = frames.shape[-2:]
    height, width = config.crop or (H, W)
    _check_crop(frames, (height, width))
    return H - height, W - width


def changed(
    clips: Num[Tensor, "N 3 L H W"], drawn: Draw, *, config: Augment
) -> Float[Tensor, "N 3 L h w"]:
    """Clips as drawn: one draw for each, that of its window."""
    height, width = config.crop or clips.shape[-2:]
    result = clips.new_empty(*clips.shape[:-2], height, width, dtype=torch.float32)
    corners = zip(drawn.top.tolist(), drawn.left.tolist(), strict=True)
    for clip, kept, (top, left) in zip(clips, result, corners, strict=True):
        kept[:] = clip[..., top : top + height, left : left + width]
    _change(result, drawn.distorted, drawn, distort)
    _change(result, drawn.angle != 0, drawn, lambda some, of: rotate(some, of.angle))
    _change(result, drawn.flipped, drawn, lambda some, _: some.flip(-1))
    return result


def draw(
    windows: int, *, margins: tuple[int, int], config: Augment, generator: torch.Generator
) -> Draw:
    """What will happen to each of so many windows.

    As many numbers are drawn whatever is switched off, so that a run that differs in one change
    differs in nothing else.

    Args:
        margins: by how much the frames are higher and wider than the crop.
    """

    def uniform(low: float, high: float) -> Float64[Tensor, " B"]:
        return low + (high - low) * torch.rand(windows, generator=generator, dtype=torch.float64)

    def maybe(probability: float, low: float, high: float, without: float) -> Tensor:
        happens = uniform(0, 1) < probability
        return torch.where(happens, uniform(low, high), without)

    orders = torch.tensor(list(permutations(range(3))))
    return Draw(
        top=uniform(0, margins[0] + 1).long(),
        left=uniform(0, margins[1] + 1).long(),
        distorted=uniform(0, 1) < config.photometric,
        brightness=maybe(config.brightness, -config.brightness_by, config.brightness_by, 0),
        contrast=maybe(config.contrast, *config.contrast_by, 1),
        contrast_first=uniform(0, 1) < 0.5,
        saturation=maybe(config.saturation, *config.saturation_by, 1),
        hue=maybe(config.hue, -config.hue_by, config.hue_by, 0),
        order=orders[maybe(config.swap, 0, len(orders), 0).long()],
        angle=maybe(config.rotation, -config.rotation_by, config.rotation_by, 0),
        flipped=uniform(0, 1) < config.flip,
    )


def distort(frames: Float[Tensor, "B 3 L H W"], drawn: Draw) -> Float[Tensor, "B 3 L H W"]:
    """Change brightness, contrast, saturation, hue and the places of the channels, as drawn.

    Each step is cut to [0, 255].

    Source: SSD; the contrast changes before saturation and hue or after them.
    """
    before = torch.where(drawn.contrast_first, drawn.contrast, 1.0)
    after = torch.where(drawn.contrast_first, 1.0, drawn.contrast)
    frames = (frames + _wide(drawn.brightness, frames)).clamp_(0, 255)
    frames = frames.mul_(_wide(before, frames)).clamp_(0, 255)
    if bool((drawn.saturation != 1).any() or (drawn.hue != 0).any()):
        hue, saturation, value = to_hsv(frames)
        hue += _wide(drawn.hue, hue)
        saturation *= _wide(drawn.saturation, hue)
        frames = from_hsv(hue, saturation, value).clamp_(0, 255)
    frames = frames.mul_(_wide(after, frames)).clamp_(0, 255)
    windows = torch.arange(len(frames))[:, None]
    return frames[windows, drawn.order]


def rotate(
    frames: Float[Tensor, "B 3 L H W"], degrees: Float64[Tensor, " B"]
) -> Float[Tensor, "B 3 L H W"]:
    """Turn pictures counter-clockwise about their middle; their size stays.

    Between pixels bilinear; beyond the border the picture is reflected without repeating its
    outermost pixels.
    """
    H, W = frames.shape[-2:]
    y = torch.arange(H, device=frames.device)[:, None] - (H - 1) / 2
    x = torch.arange(W, device=frames.device) - (W - 1) / 2
    angle = torch.deg2rad(degrees)
    cos, sin = _wide(angle.cos(), frames[:, 0, 0]), _wide(angle.sin(), frames[:, 0, 0])
    # Where each pixel comes from; 1 is the middle of the outermost pixels.  Not `affine_grid`: it
    # is a matrix product, which autocast would round to bfloat16.
    source = (cos * x - sin * y) / max((W - 1) / 2, 1), (sin * x + cos * y) / max((H - 1) / 2, 1)
    turned = F.grid_sample(
        frames.flatten(1, 2),  # (B, 3L, H, W)
        torch.stack(source, -1),  # (B, H, W, 2)
        mode="bilinear",
        padding_mode="reflection",
        align_corners=True,
    )
    return turned.view_as(frames)


def centre_crop(frames: Num[Tensor, "*any H W"], size: tuple[int, int]) -> Num[Tensor, "*any h w"]:
    """The middle of every picture, for detection; a view.

    Raises:
        ValueError: if the crop is larger than the frames.
    """
    _check_crop(frames, size)
    top, left = (frames.shape[-2] - size[0]) // 2, (frames.shape[-1] - size[1]) // 2
    return frames[..., top : top + size[0], left : left + size[1]]


def _check_crop(frames: Tensor, size: tuple[int, int]) -> None:
    H, W = frames.shape[-2:]
    if size[0] > H or size[1] > W:
        raise ValueError(
            f"a crop of {size[0]} x {size[1]} pixels does not fit into frames of {H} x {W}"
        )


def _change(
    frames: Float[Tensor, "B 3 L H W"],
    chosen: Bool[Tensor, " B"],
    drawn: Draw,
    change: Callable[[Tensor, Draw], Tensor],
) -> None:
    """Replace the chosen windows; the others keep every bit."""
    rows = chosen.nonzero()[:, 0]
    if len(rows):
        frames[rows] = change(frames[rows], drawn.at(rows))


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """One number per window, ready to meet `like`."""
    return values.to(like).view(-1, *[1] * (like.ndim - 1))
