"""The three parts of a detector, as the others see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Num
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
