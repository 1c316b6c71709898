"""Whether to work on a few positions at a time.

What is between two layers then stays in the cache, and new memory, which is dear to get, is asked
for the result alone.

Shapes: any.
"""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor


def suits_pieces(x: Shaped[Tensor, "*S"]) -> bool:
    """On a CPU, where no gradient is wanted, and no graph made: sizes may be symbols there."""
    return (
        not torch.compiler.is_compiling() and not torch.is_grad_enabled() and x.device.type == "cpu"
    )
