"""Colours as hue, saturation and value, and back to red, green and blue.

Shapes: B windows, L frames of a clip, H W pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def to_hsv(frames: Float[Tensor, "B 3 L H W"]) -> tuple[Tensor, Tensor, Tensor]:
    """Hue in degrees [0, 360], saturation [0, 1] and value [0, 255], each (B, L, H, W).

    Grey has hue 0, and black saturation 0.
    """
    red, green, blue = frames.unbind(1)
    value = frames.amax(1)
    chroma = value - frames.amin(1)
    slope = 60 / chroma.clamp(min=1e-6)
    hue = torch.where(
        value == red,
        (green - blue) * slope,
        torch.where(value == green, 120 + (blue - red) * slope, 240 + (red - green) * slope),
    )
    return hue.remainder_(360), chroma / value.clamp(min=1e-6), value


def from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Float[Tensor, "B 3 L H W"]:
    """The inverse of `to_hsv`; hues may lie outside of a turn.

    A saturation above 1 gives values below 0, which the caller cuts.
    """
    chroma = saturation * value
    sector = hue / 60
    channels = []
    for offset in (5, 3, 1):  # red, green, blue
        distance = (sector + offset).remainder_(6)
        share = torch.minimum(distance, 4 - distance).clamp_(0, 1)
        channels.append(value - chroma * share)
    return torch.stack(channels, 1)
