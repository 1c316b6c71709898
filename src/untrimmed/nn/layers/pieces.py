"""A long sequence piece by piece, where every result depends on a few cells around it alone.

At inference, what is between two layers is then as long as a piece and stays in the cache.

Shapes: B videos, C channels in and D out, T cells.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from untrimmed.nn.ops.prepared import weights_unchanged
from untrimmed.tensors import Padded

_CELLS = 2304
"""Of a piece, without what is computed twice; with 512 channels 4.5 MiB of float32."""


def by_pieces(
    part: Callable[[Padded, slice], Padded], x: Padded, *, reach: int | None, stride: int = 1
) -> Padded:
    """What `part` gives for a sequence, values (B, C, T) to (B, D, ceil(T / stride)).

    It is given pieces that overlap, each with the cells that it holds, and of the results those are
    kept that see no end of a piece.
    With gradients, for short sequences, and where every cell sees all, it is given the whole.

    Args:
        reach: largest distance from input cell stride * t to one that result t depends on; None
            if there is none.
    """
    T = x.values.shape[-1]
    whole = torch.is_grad_enabled() or torch.compiler.is_compiling() or T <= 2 * _CELLS
    if whole or reach is None:
        return part(x, slice(0, T))
    halo = -(-reach // stride) * stride
    piece = _CELLS // stride * stride
    values, valid = None, x.valid[:, ::stride]
    with weights_unchanged():
        for first in range(0, T, piece):
            cells = slice(max(0, first - halo), min(T, first + piece + halo))
            found = part(Padded(x.values[..., cells], x.valid[:, cells]), cells).values
            kept = found[..., (first - cells.start) // stride :][..., : piece // stride]
            if values is None:  # (B, D, ceil(T / stride)), with channels last in memory
                B, D, _ = kept.shape
                values = kept.new_empty(B, valid.shape[1], D).transpose(1, 2)
            values[..., first // stride : first // stride + kept.shape[-1]] = kept
    assert values is not None
    return Padded(values, valid)
