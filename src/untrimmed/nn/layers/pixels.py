"""Pixels as an encoder wants them.

Shapes: N clips, L frames of a clip, H W pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor


def normalised(
    clips: Num[Tensor, "N 3 L H W"],
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    dtype: torch.dtype,
) -> Float[Tensor, "N 3 L H W"]:
    """Pixels less the mean of their colour, over its spread.

    Args:
        mean, std: of red, green and blue, in the unit of the pixels.
        dtype: of the result; it is computed in float32 at least.
    """
    precise = torch.promote_types(dtype, torch.float32)
    values = clips.to(precise, copy=True)
    # Numbers, not buffers, for these would be rounded with the weights.
    for colour, (middle, spread) in enumerate(zip(mean, std, strict=True)):
        values[:, colour].sub_(middle).div_(spread)
    return values.to(dtype)
