"""Set some cells of a sequence to zero, in place.

Shapes: B videos, T cells, C channels.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def clear_(
    cells: Float[Tensor, "B T C"], *, kept: Bool[Tensor, "B T"] | Bool[Tensor, " T"]
) -> Float[Tensor, "B T C"]:
    """Zero in all cells but those that are kept; no gradient passes there.

    On a CPU only the cells that are cleared are touched.  They are few, and masked fills that read
    all took 2 % of ActionFormer's inference in bfloat16.
    """
    cleared = ~kept.expand(cells.shape[:2])
    if cells.device.type != "cpu" or torch.compiler.is_compiling():
        return cells.masked_fill_(cleared[..., None], 0)
    return cells.index_put_(cleared.nonzero(as_tuple=True), cells.new_zeros(()))
