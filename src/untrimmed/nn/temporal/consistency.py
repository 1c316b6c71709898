"""Make fresh and remembered features agree: TALLFormer's temporal consistency module.

Features of a window come from different steps of training; attention over all of them evens out
what differs only for that reason (Cheng & Bertasius, ECCV 2022, sec. 3.3, eq. 1).

Shapes: B videos, C channels, T cells, h heads, W the longest sequence.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from untrimmed.nn.layers.attention import Attention, visible
from untrimmed.nn.layers.droppath import DropPath
from untrimmed.tensors import Padded


class Consistency(nn.Module):
    """Transformer layers over the whole sequence, values (B, C, T) to (B, C, T).

    Positions enter as a learned bias of each distance and head.  The residual stream starts at
    the input as it is and ends without a norm, as in the authors' code.

    Args:
        layers: L of eq. 1.
        drop_path: chance, equal in all layers, that a branch is left out for a video in training.
        max_cells: W; distances beyond have no bias to learn.

    Raises:
        ValueError: if the width does not divide into the heads; on a call, if T is above W.
    """

    # Deviates: the layers start from values of their own.  The authors copy one layer, so that
    # all start alike; the effect on the score is not measured.
    def __init__(
        self,
        width: int,
        *,
        layers: int = 3,
        heads: int = 16,
        drop_path: float = 0.1,
        max_cells: int,
    ) -> None:
        super().__init__()
        self.channels = width
        self.strides: tuple[int, ...] = (1,)
        self.layers = nn.ModuleList(
            Layer(width, heads=heads, drop_path=drop_path, max_cells=max_cells)
            for _ in range(layers)
        )

    def forward(self, x: Padded) -> Padded:
        seen = visible(x.valid)
        values = x.values.transpose(1, 2)  # (B, T, C)
        for layer in self.layers:
            values = layer(values, visible=seen)
        return Padded.of(values.transpose(1, 2), x.valid)


class Layer(nn.Module):
    """One pre-norm transformer layer, values (B, T, C) to (B, T, C)."""

    def __init__(self, width: int, *, heads: int, drop_path: float, max_cells: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads=heads)
        self.position = RelativePosition(heads, max_cells=max_cells)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.drop_path = DropPath(drop_path)

    def forward(
        self, x: Float[Tensor, "B T C"], *, visible: Bool[Tensor, "B 1 T T"]
    ) -> Float[Tensor, "B T C"]:
        bias = self.position(x.shape[1])
        mixed = self.attention(self.attention_norm(x), visible=visible, bias=bias)
        x = x + self.drop_path(mixed)
        changed: Tensor = self.drop_path(self.mlp(self.mlp_norm(x)))
        return x + changed


class RelativePosition(nn.Module):
    """A learned number for every distance between two cells and every head."""

    def __init__(self, heads: int, *, max_cells: int) -> None:
        super().__init__()
        self.max_cells = max_cells
        self.table = nn.Parameter(torch.empty(2 * max_cells - 1, heads))
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self, cells: int) -> Float[Tensor, "h T T"]:
        """What is added to the logit of cell i (middle dimension) looking at cell j (last).

        Raises:
            ValueError: if there are more cells than `max_cells`.
        """
        is_exporting = torch.compiler.is_exporting()
        if not is_exporting and cells > self.max_cells:
            raise ValueError(
                f"a sequence of {cells} cells, where positions are learned for {self.max_cells}"
            )
        place = torch.arange(cells, device=self.table.device)
        row = place[:, None] - place + self.max_cells - 1  # (T, T)
        if is_exporting:  # for any length at once; farther away is only padding
            row = row.clamp(0, 2 * self.max_cells - 2)
        return self.table[row].permute(2, 0, 1)
