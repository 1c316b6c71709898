"""How a map of positions is cut into 3-D windows that may be moved, and put together again.

What happens inside of a window is in `layers.window_attention`.

Channels come last here.  Shapes: N clips; D H W the sides of a map in time, height and width;
C channels; M windows; T positions of a window; R of these that are worked on at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Num
from torch import Tensor

Sides = tuple[int, int, int]
"""Time, height, width."""

_PIECE = 4096
"""Positions of a piece at most, or a window; with 96 channels 6 MiB of float32 in an MLP."""


class Piece(NamedTuple):
    """Windows of a map that are worked on at once, all of one kind.

    places: of their positions, window by window, in the map laid out as a row.
    kind: see `Layout.kinds`.
    """

    places: Int64[Tensor, " R"]
    kind: int


@dataclass
class Layout:
    """How a map of one size is cut into windows, for all blocks that work on it.

    A window is as large as `full` where the map has room, else as the map.  Moved windows that
    leave the map enter at its other end (a cyclic shift).  A map that is not a whole number of
    windows is padded with zeros behind; these are attended to like any position.

    Args:
        size: D, H, W of the map.
        full: sides of a window in a large map; the bias table holds the distances in it.
        exact: whether positions in a smaller window look up the bias of their own distance.
            Otherwise they take the first rows and columns of the full window's index, which is
            right where only time is shorter, scrambled in space, and what public weights expect.
        device: of the map.

    Source: Liu et al., Video Swin Transformer, CVPR 2022, sec. 3.2, and the authors' code.
    """

    size: Sides
    full: Sides
    exact: bool
    device: torch.device
    # Made when first asked for; torch.compile does not know functools.cached_property.
    _index: Tensor | None = field(default=None, init=False, repr=False, compare=False)
    _apart: Tensor | None = field(default=None, init=False, repr=False, compare=False)
    _kinds: Tensor | None = field(default=None, init=False, repr=False, compare=False)
    _pieces: dict[bool, list[Piece]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def window(self) -> Sides:
        """Sides of a window."""
        (D, H, W), (d, h, w) = self.size, self.full
        return min(D, d), min(H, h), min(W, w)

    @property
    def shift(self) -> Sides:
        """Positions by which windows move; none along a side that one window covers."""
        (D, H, W), (d, h, w) = self.size, self.full
        return d // 2 if d < D else 0, h // 2 if h < H else 0, w // 2 if w < W else 0

    @property
    def padded(self) -> Sides:
        """Sides of the map rounded up to whole windows."""
        (D, H, W), (d, h, w) = self.size, self.window
        return D + -D % d, H + -H % h, W + -W % w

    def cut(self, x: Num[Tensor, "N D H W C"], *, moved: bool) -> Num[Tensor, "N M T C"]:
        """The positions of each window; windows and positions in the order of the axes."""
        (D, H, W), (d, h, w) = self.size, self.padded
        if self.padded != self.size:
            x = F.pad(x, (0, 0, 0, w - W, 0, h - H, 0, d - D))
        if moved and any(self.shift):
            x = x.roll([-side for side in self.shift], (1, 2, 3))
        return _partition(x, self.window)

    def join(self, windows: Float[Tensor, "N M T C"], *, moved: bool) -> Float[Tensor, "N D H W C"]:
        """Undo `cut`."""
        (d, h, w), (D, H, W) = self.window, self.padded
        N, _, _, C = windows.shape
        x = windows.reshape(N, D // d, H // h, W // w, d, h, w, C)
        x = x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(N, D, H, W, C)
        if moved and any(self.shift):
            x = x.roll(self.shift, (1, 2, 3))
        D, H, W = self.size
        return x[:, :D, :H, :W]

    @property
    def index(self) -> Int64[Tensor, "T T"]:
        """Row of the bias table for every pair of positions of a window."""
        if self._index is None:
            sides = self.window if self.exact else self.full
            axes = (torch.arange(side, device=self.device) for side in sides)
            d, h, w = torch.cartesian_prod(*axes)[: prod(self.window)].unbind(1)
            # The table lists the distances 1 - side .. side - 1 of the axes in row-major order, so
            # a pair's row is the difference of its positions' codes, counted from the middle row.
            rows, height, width = (2 * side - 1 for side in self.full)
            code = (d * height + h) * width + w
            self._index = code[:, None] - code + rows * height * width // 2
        return self._index

    @property
    def apart(self) -> Bool[Tensor, "M T T"]:
        """Pairs of positions of a moved window that are no neighbours in the map."""
        if self._apart is None:
            self._apart = _differ(self._origins())
        return self._apart

    @property
    def kinds(self) -> Bool[Tensor, "kinds T T"]:
        """The same for windows of every kind, of which there are 8 at most.

        Windows are of a kind if the same pairs are apart in them.
        """
        if self._kinds is None:
            self._kinds = _differ(torch.unique(self._origins(), dim=0))
        return self._kinds

    def pieces(self, *, moved: bool) -> list[Piece]:
        """All windows of a map that is a whole number of them, a few of a kind at a time.

        Windows that rest are of one kind, 0.

        Raises:
            ValueError: if the map is no whole number of windows.
        """
        if self.padded != self.size:
            raise ValueError(f"a map of {self.size} is no whole number of {self.window}")
        moved = moved and any(self.shift)
        if moved not in self._pieces:
            self._pieces[moved] = self._cut_into_pieces(moved=moved)
        return self._pieces[moved]

    def _cut_into_pieces(self, *, moved: bool) -> list[Piece]:
        numbers = torch.arange(prod(self.size), device=self.device)
        places = self.cut(numbers.view(1, *self.size, 1), moved=moved)[0, :, :, 0]  # (M, T)
        M, T = places.shape
        kinds = torch.zeros(M, dtype=torch.long, device=self.device)
        if moved:
            kinds = torch.unique(self._origins(), dim=0, return_inverse=True)[1]
        return [
            Piece(some.flatten(), kind)
            for kind in range(int(kinds.max()) + 1)
            for some in torch.split(places[kinds == kind], max(1, _PIECE // T))
        ]

    def _origins(self) -> Int64[Tensor, "M T"]:
        """From which part of the map each position of a moved window came, as a number."""
        code = torch.zeros(1, *self.padded, 1, dtype=torch.long, device=self.device)
        for axis, (side, shift) in enumerate(zip(self.padded, self.shift, strict=True)):
            # Only windows at the end hold strangers: what came in from the other end.
            code.narrow(1 + axis, side - shift, shift).add_(1 << axis)
        return _partition(code, self.window)[0, :, :, 0]


def _partition(x: Num[Tensor, "N D H W C"], window: Sides) -> Num[Tensor, "N M T C"]:
    """The windows of a map that is a whole number of them."""
    (N, D, H, W, C), (d, h, w) = x.shape, window
    x = x.reshape(N, D // d, d, H // h, h, W // w, w, C)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(N, -1, d * h * w, C)


def _differ(origins: Int64[Tensor, "M T"]) -> Bool[Tensor, "M T T"]:
    return origins[:, :, None] != origins[:, None]
