"""How `ops.winograd` saves multiplications: sums of inputs, and of products.

Winograd, 1980; Lavin & Gray, CVPR 2016, sec. 4.1.

Shapes: C channels in and D out; tiles of m outputs, that are computed from p = m + 2 inputs with
as many multiplications.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Transform = Callable[[Tensor, Tensor], None]
"""From a tensor to one whose memory is there already."""

_Gather = Callable[[Sequence[Tensor], Tensor], None]
"""Of products that may be overwritten, to a tensor whose memory is there already."""


class Form(NamedTuple):
    """A way to save multiplications: outputs y of inputs d by taps g, y = A [(G g) * (B d)].

    outputs: m.
    weights: G, (p, 3).
    spread: B, from cells (m * tiles + 2, C) to (p, tiles, C).
    gather: A, from p times (tiles, D) to cells (at most m * tiles, D); overwrites what is given.
    scatter: the transpose of A, from cells (m * tiles, D) to (p, tiles, D).
    """

    outputs: int
    weights: Sequence[Sequence[float]]
    spread: Transform
    gather: _Gather
    scatter: Transform

    @property
    def points(self) -> int:
        return len(self.weights)


def _spread_4(cells: Tensor, out: Tensor) -> None:
    tiles = out.shape[1]
    d0, d1, d2, d3, d4, d5 = (cells[i : i + 4 * tiles - 3 : 4] for i in range(6))
    v0, v1, v2, v3, v4, v5 = out
    torch.sub(d4, d2, alpha=4, out=v2)
    torch.sub(d3, d1, alpha=4, out=v0)
    torch.add(v2, v0, out=v1)
    v2.sub_(v0)
    torch.sub(d4, d2, out=v4)
    torch.sub(d3, d1, out=v0)
    torch.add(v4, v0, alpha=2, out=v3)
    v4.sub_(v0, alpha=2)
    torch.sub(d4, d2, alpha=5, out=v0).add_(d0, alpha=4)
    torch.sub(d5, d3, alpha=5, out=v5).add_(d1, alpha=4)


def _gather_4(given: Sequence[Tensor], out: Tensor) -> None:
    m0, m1, m2, m3, m4, m5 = given
    tiles = [-(-(out.shape[0] - i) // 4) for i in range(4)]  # the last may be cut off
    even = m1 + m2
    odd = m1.sub_(m2)
    far_even = torch.add(m3, m4, out=m2)
    far_odd = m3.sub_(m4)
    y0, y1, y2, y3 = (out[i::4] for i in range(4))
    n0, n1, n2, n3 = tiles
    torch.add(m0[:n0], even[:n0], out=y0).add_(far_even[:n0])
    torch.add(odd[:n1], far_odd[:n1], alpha=2, out=y1)
    torch.add(even[:n2], far_even[:n2], alpha=4, out=y2)
    torch.add(odd[:n3], far_odd[:n3], alpha=8, out=y3).add_(m5[:n3])


def _scatter_4(given: Tensor, out: Tensor) -> None:
    y0, y1, y2, y3 = (given[i::4] for i in range(4))
    e0, e1, e2, e3, e4, e5 = out
    torch.add(y0, y2, out=e2)
    torch.add(y1, y3, out=e0)
    torch.add(e2, e0, out=e1)
    e2.sub_(e0)
    torch.add(y0, y2, alpha=4, out=e4)
    torch.add(y1, y3, alpha=4, out=e0)
    torch.add(e4, e0, alpha=2, out=e3)
    e4.sub_(e0, alpha=2)
    e0.copy_(y0)
    e5.copy_(y3)


def _spread_2(cells: Tensor, out: Tensor) -> None:
    tiles = out.shape[1]
    d0, d1, d2, d3 = (cells[i : i + 2 * tiles - 1 : 2] for i in range(4))
    v0, v1, v2, v3 = out
    torch.sub(d0, d2, out=v0)
    torch.add(d1, d2, out=v1)
    torch.sub(d2, d1, out=v2)
    torch.sub(d3, d1, out=v3)


def _gather_2(given: Sequence[Tensor], out: Tensor) -> None:
    m0, m1, m2, m3 = given
    y0, y1 = out[0::2], out[1::2]
    n0, n1 = y0.shape[0], y1.shape[0]
    torch.add(m0[:n0], m1[:n0], out=y0).add_(m2[:n0])
    torch.sub(m1[:n1], m2[:n1], out=y1).add_(m3[:n1])


def _scatter_2(given: Tensor, out: Tensor) -> None:
    y0, y1 = given[0::2], given[1::2]
    e0, e1, e2, e3 = out
    e0.copy_(y0)
    torch.add(y0, y1, out=e1)
    torch.sub(y0, y1, out=e2)
    e3.copy_(y1)


FORMS = {
    torch.float32: Form(  # points 0, 1, -1, 2, -2 and infinity
        4,
        (
            (1 / 4, 0, 0),
            (-1 / 6, -1 / 6, -1 / 6),
            (-1 / 6, 1 / 6, -1 / 6),
            (1 / 24, 1 / 12, 1 / 6),
            (1 / 24, -1 / 12, 1 / 6),
            (0, 0, 1),
        ),
        _spread_4,
        _gather_4,
        _scatter_4,
    ),
    torch.bfloat16: Form(  # points 0, 1, -1 and infinity
        2,
        ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
        _spread_2,
        _gather_2,
        _scatter_2,
    ),
}
"""By the type of the inputs."""
