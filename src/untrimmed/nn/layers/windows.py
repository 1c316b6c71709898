"""How a map of positions is cut into 3-D windows that may be moved, and put together again.

What happens inside of a window is in `layers.window_attention`.

Channels come last here.  Shapes: N clips; D H W the sides of a map in time, height and width;
C channels; M windows; T positions of a window, t of a box; R of these that are worked on at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
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
"""Positions of a piece at most, or a box; with 96 channels 6 MiB of float32 in an MLP."""


class Boxes(NamedTuple):
    """Some boxes of a kind in a piece.

    rows: of the piece that they fill, one box behind the other.
    kind: see `Cut.kinds`.
    """

    rows: slice
    kind: int


class Piece(NamedTuple):
    """Boxes of a map that are worked on at once.

    places: of their positions in the map laid out as a row.
    boxes: all of the piece, by kind.
    """

    places: Int64[Tensor, " R"]
    boxes: tuple[Boxes, ...]


class Cut(NamedTuple):
    """How a map is worked on a few boxes at a time.

    A box holds the positions of a window that are neighbours in the map: all of a window that
    rests, of one that was moved up to 8 parts.  No box attends to another.

    pieces: with all boxes of the map in them.
    back: for each place of the map, which of the positions of all pieces, one behind the other.
    kinds: row of the bias table for every pair of positions of a box, for boxes of each kind.
    """

    pieces: tuple[Piece, ...]
    back: Int64[Tensor, " places"]
    kinds: tuple[Int64[Tensor, "_ _"], ...]


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
    _by_boxes: dict[bool, Cut] = field(default_factory=dict, init=False, repr=False, compare=False)

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
            with _outlives_inference():
                self._index = self._looked_up()
        return self._index

    @property
    def apart(self) -> Bool[Tensor, "M T T"]:
        """Pairs of positions of a moved window that are no neighbours in the map."""
        if self._apart is None:
            with _outlives_inference():
                origins = self._origins()
                self._apart = origins[:, :, None] != origins[:, None]
        return self._apart

    def by_boxes(self, *, moved: bool) -> Cut:
        """The same for work on a few boxes at a time, of a map that is a whole number of windows.

        Raises:
            ValueError: if the map is no whole number of windows.
        """
        if self.padded != self.size:
            raise ValueError(f"a map of {self.size} is no whole number of {self.window}")
        moved = moved and any(self.shift)
        if moved not in self._by_boxes:
            with _outlives_inference():
                self._by_boxes[moved] = self._cut_into_boxes(moved=moved)
        return self._by_boxes[moved]

    def _looked_up(self) -> Int64[Tensor, "T T"]:
        sides = self.window if self.exact else self.full
        axes = (torch.arange(side, device=self.device) for side in sides)
        d, h, w = torch.cartesian_prod(*axes)[: prod(self.window)].unbind(1)
        # The table lists the distances 1 - side .. side - 1 of the axes in row-major order, so a
        # pair's row is the difference of its positions' codes, counted from the middle row.
        rows, height, width = (2 * side - 1 for side in self.full)
        code = (d * height + h) * width + w
        return code[:, None] - code + rows * height * width // 2

    def _cut_into_boxes(self, *, moved: bool) -> Cut:
        numbers = torch.arange(prod(self.size), device=self.device)
        places = self.cut(numbers.view(1, *self.size, 1), moved=moved)[0, :, :, 0]  # (M, T)
        origins = self._origins() if moved else torch.zeros_like(places)
        alike, group = torch.unique(origins, dim=0, return_inverse=True)  # 8 rows at most
        kinds: list[Tensor] = []
        boxes: list[list[Tensor]] = []  # of each kind, places (boxes, t)
        for number, row in enumerate(alike):
            for origin in torch.unique(row):
                inside = (row == origin).nonzero()[:, 0]  # (t,)
                index = self.index[inside[:, None], inside]
                kind = next((k for k, known in enumerate(kinds) if torch.equal(known, index)), None)
                if kind is None:
                    kind = len(kinds)
                    kinds.append(index)
                    boxes.append([])
                boxes[kind].append(places[group == number][:, inside])
        pieces = tuple(_pieces([torch.cat(some) for some in boxes]))
        back = torch.empty_like(numbers)
        back[torch.cat([piece.places for piece in pieces])] = numbers
        return Cut(pieces, back, tuple(kinds))

    def _origins(self) -> Int64[Tensor, "M T"]:
        """From which part of the map each position of a moved window came, as a number."""
        code = torch.zeros(1, *self.padded, 1, dtype=torch.long, device=self.device)
        for axis, (side, shift) in enumerate(zip(self.padded, self.shift, strict=True)):
            # Only windows at the end hold strangers: what came in from the other end.
            code.narrow(1 + axis, side - shift, shift).add_(1 << axis)
        return _partition(code, self.window)[0, :, :, 0]


def _outlives_inference() -> AbstractContextManager[None]:
    """Tensors made within may be kept for training, whatever mode they were first asked for in."""
    return torch.inference_mode(mode=False)


def _partition(x: Num[Tensor, "N D H W C"], window: Sides) -> Num[Tensor, "N M T C"]:
    """The windows of a map that is a whole number of them."""
    (N, D, H, W, C), (d, h, w) = x.shape, window
    x = x.reshape(N, D // d, d, H // h, h, W // w, w, C)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(N, -1, d * h * w, C)


def _pieces(boxes: Sequence[Int64[Tensor, "_ _"]]) -> Iterator[Piece]:
    """Those of each kind, as many at a time as a piece holds."""
    parts: list[Tensor] = []
    groups: list[Boxes] = []
    filled = 0
    for kind, places in enumerate(boxes):
        for some in torch.split(places, max(1, _PIECE // places.shape[1])):
            if parts and filled + some.numel() > _PIECE:
                yield Piece(torch.cat(parts), tuple(groups))
                parts, groups, filled = [], [], 0
            parts.append(some.flatten())
            groups.append(Boxes(slice(filled, filled + some.numel()), kind))
            filled += some.numel()
    yield Piece(torch.cat(parts), tuple(groups))
