"""What passes between the parts of a network: named tuples of tensors.

Shapes: B videos (windows), T cells, C channels, M clips encoded now, L frames of a clip,
H W pixels, N actions or candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int64, Num
from torch import Tensor


class Padded(NamedTuple):
    """Sequences of different length in one tensor.  Law: zero where not valid.

    Make one with `Padded.of`, which keeps the law, or with the constructor where it already
    holds.
    """

    values: Float[Tensor, "B C T"]
    valid: Bool[Tensor, "B T"]

    @classmethod
    def of(cls, values: Float[Tensor, "B C T"], valid: Bool[Tensor, "B T"]) -> Padded:
        """Values with what is not valid set to zero; no gradient passes there."""
        return cls(torch.where(valid[:, None], values, values.new_zeros(())), valid)

    @classmethod
    def whole(cls, values: Float[Tensor, "B C T"]) -> Padded:
        """Values that are valid everywhere."""
        B, _, T = values.shape
        return cls(values, torch.ones(B, T, dtype=torch.bool, device=values.device))


class Clips(NamedTuple):
    """A window of video: the clips to encode now, and what is remembered of the rest.

    frames: RGB pixels, 0 to 255, of the M clips to encode; uint8 as decoded, floating once
        augmented.
    place: the position of each in the window, in clips, without repeats in a row.
    memory: features of the whole window, remembered from earlier steps; not valid where the
        video has no frames.
    shift: cells of each window's first clip that lie before the window; None if it has none.
    """

    frames: Num[Tensor, "B M 3 L H W"]
    place: Int64[Tensor, "B M"]
    memory: Padded
    shift: Int64[Tensor, " B"] | None = None


class Pyramid(NamedTuple):
    """The same window at several resolutions.

    levels: finest first.
    strides: cells of the network's input per cell of each level.
    whole: features that represent the window as a whole; None where no head asks for them.
    """

    levels: tuple[Padded, ...]
    strides: tuple[int, ...]
    whole: Padded | None = None


class Targets(NamedTuple):
    """The actions of one window; positions in cells of the network's input."""

    segments: Float[Tensor, "N 2"]
    labels: Int64[Tensor, " N"]


class Candidates(NamedTuple):
    """Segments that may be actions, before any is suppressed.

    segments: start and end in cells of the network's input.
    scores: of every class, in [0, 1]; 0 at padding.
    """

    segments: Float[Tensor, "B N 2"]
    scores: Float[Tensor, "B N K"]


Losses = dict[str, Tensor]
"""Scalars by name, already weighted: the total is their sum."""


P = TypeVar("P", Padded, Targets)


def moved(parts: P, device: torch.device) -> P:
    """The same on another device; itself where it is there already."""
    return type(parts)(*(part.to(device, non_blocking=True) for part in parts))


def pad(sequences: Sequence[Float[Tensor, "C _"]], *, length: int | None = None) -> Padded:
    """Sequences (C, T_i) side by side, zeros behind the shorter ones.

    Args:
        length: cells of the result; the longest sequence if not given.

    Raises:
        ValueError: if there is no sequence, or one is longer than `length`.
    """
    if not sequences:
        raise ValueError("no sequence to pad")
    longest = max(sequence.shape[-1] for sequence in sequences)
    T = longest if length is None else length
    if longest > T:
        raise ValueError(f"a sequence of {longest} cells does not fit into {T}")
    values = sequences[0].new_zeros(len(sequences), sequences[0].shape[0], T)
    valid = torch.zeros(len(sequences), T, dtype=torch.bool, device=values.device)
    for row, sequence in enumerate(sequences):
        values[row, :, : sequence.shape[-1]] = sequence
        valid[row, : sequence.shape[-1]] = True
    return Padded(values, valid)
