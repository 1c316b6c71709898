"""Positions as vectors.

Shapes: T cells, C channels.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def sinusoidal(
    cells: int, channels: int, *, device: torch.device | None = None
) -> Float[Tensor, "T C"]:
    """Sines (even channels) and cosines (odd) of positions 0 ... T - 1, in float32.

    The wavelengths grow geometrically from 2 pi to 10000 * 2 pi cells.  A position has the same
    vector whatever the length of its sequence.

    Raises:
        ValueError: if the channels are not even, as they go in pairs.

    Source: Vaswani et al., NeurIPS 2017, sec. 3.5.
    """
    if channels % 2:
        raise ValueError(f"sines and cosines go in pairs: {channels} channels are odd")
    pairs = torch.arange(0, channels, 2, device=device, dtype=torch.float32)
    frequency = torch.exp(pairs * (-math.log(10000.0) / channels))  # (C / 2,)
    angle = torch.arange(cells, device=device, dtype=torch.float32)[:, None] * frequency
    return torch.stack((angle.sin(), angle.cos()), dim=2).flatten(1)
