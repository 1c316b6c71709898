"""The precision that autocast asks for, where what it does not know has to ask as well.

Shapes: any.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def lowered(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """The same in the dtype of autocast, where that is on; float64 stays as it is."""
    kind = x.device.type
    if x.dtype == torch.float64 or not torch.is_autocast_enabled(kind):
        return x
    return x.to(torch.get_autocast_dtype(kind))
