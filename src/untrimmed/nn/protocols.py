"""The three parts of a detector, as the others see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

from untrimmed.tensors import Candidates, Losses, Padded, Pyramid, Targets


@runtime_checkable
class Encoder(Protocol):
    """Clips of pixels (0 to 255, uint8 or floating) to features, each clip on its own.

    channels: C, of a cell.
    stride: frames per cell.
    """

    channels: int
    stride: int

    def __call__(self, clips: Num[Tensor, "N 3 L H W"]) -> Float[Tensor, "N C K"]: ...


@runtime_checkable
class Repeatable(Encoder, Protocol):
    """An encoder that can be called again for the same features without all of the work.

    What it leaves out at random is drawn beforehand, and its beginning, if that is never trained,
    is apart: its features are `trained(frozen(clips), keep=...)`.

    begins_frozen: whether `frozen` does anything.
    """

    @property
    def begins_frozen(self) -> bool: ...

    def draw_keep(
        self, n: int, generator: torch.Generator | None = None
    ) -> Bool[Tensor, "D {n}"]: ...

    def frozen(self, clips: Num[Tensor, "N 3 L H W"]) -> Num[Tensor, "N *map"]: ...

    def trained(
        self, begun: Num[Tensor, "N *map"], *, keep: Bool[Tensor, "D N"] | None
    ) -> Float[Tensor, "N C K"]: ...


@runtime_checkable
class Temporal(Protocol):
    """A sequence of features to a pyramid.

    channels: C, of every level.
    strides: cells of the input per cell of each level, finest first.
    """

    channels: int
    strides: tuple[int, ...]

    def __call__(self, features: Padded) -> Pyramid: ...


@runtime_checkable
class Head(Protocol):
    """A pyramid to candidates; what passes between its methods is its own affair."""

    def __call__(self, pyramid: Pyramid) -> Any: ...

    def loss(self, raw: Any, targets: Sequence[Targets]) -> Losses: ...

    def candidates(self, raw: Any) -> Candidates: ...


@runtime_checkable
class Quietable(Protocol):
    """A head that can be told, before training, of classes that never occur."""

    def quiet(self, labels: Sequence[int]) -> None: ...
