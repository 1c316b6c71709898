"""The precision to compute in: whether autocast lowers it, and what autocast does not know of.

Shapes: any.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def autocast(device: torch.device, *, bf16: bool) -> AbstractContextManager[Any]:
    """Compute in bfloat16 within, where PyTorch deems it safe, if `bf16` and that is of use.

    A CPU without instructions for bfloat16 goes on in float32, which is no less exact: PyTorch's
    loops for it took ten times as long there (Video Swin-T without AVX-512: 21.9 s a clip, in
    float32 2.2).  So what was trained on a GPU detects on a laptop.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16 and has_bf16(device))


def has_bf16(device: torch.device) -> bool:
    """Whether a product in bfloat16 takes no longer than in float32."""
    if device.type != "cpu":
        return True
    # As PyTorch's own compiler asks it; where it cannot be asked, autocast is taken at its word.
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is None or bool(supported())


def lowered(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """The same in the dtype of autocast, where that is on; float64 stays as it is."""
    kind = x.device.type
    if x.dtype == torch.float64 or not torch.is_autocast_enabled(kind):
        return x
    return x.to(torch.get_autocast_dtype(kind))
