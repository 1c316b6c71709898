"""Anchors: the segments from which an anchor head starts.

Shapes: T positions of a level, A anchors at each.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def level_anchors(
    positions: int,
    *,
    stride: int,
    scales: int,
    base_scale: float,
    device: torch.device | None = None,
) -> Float[Tensor, "TA 2"]:
    """Segments around every position of a level, in cells of the network's input.

    Position t has `scales` anchors with their middle at `stride * t`, the start of what it covers,
    and lengths from `base_scale * stride` up to just below twice that, in equal ratios.  They are
    not cut at the ends of the window.

    Args:
        positions: T, of the level.
        stride: cells of the network's input per position.

    Returns:
        All anchors of position 0, shortest first, then those of position 1, and so on.

    Source: Lin et al., ICCV 2017, sec. 4 (several scales per octave); offset 0 as in DaoTAD.
    """
    half = torch.tensor(
        [stride * base_scale * 2 ** (i / scales) / 2 for i in range(scales)], device=device
    )
    middle = stride * torch.arange(positions, device=device)[:, None]
    return torch.stack([middle - half, middle + half], -1).flatten(0, 1)  # (TA, 2)
