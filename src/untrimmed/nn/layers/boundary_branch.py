"""Look at a first guess of a segment again, at its two boundaries.

Proposal branch of AFSD (Lin et al., CVPR 2021, sec. 3.3): for every position of a level, what is
strongest around the start and the end of the segment that was guessed there.

Shapes: B videos, C channels, T positions of a level.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.nn.layers.normed_conv import NormedConv
from untrimmed.nn.ops.boundary_pooling import boundary_pool, boundary_windows
from untrimmed.nn.ops.refinement import around
from untrimmed.tensors import Padded


class Refined(NamedTuple):
    """What a branch sees.

    features: of each position, its guess and the boundaries of that, (B, C, T).
    boundaries: of each position as a start (first C channels) and as an end (others), (B, 2C, T).
    """

    features: Padded
    boundaries: Padded


class BoundaryBranch(nn.Module):
    """Features of positions joined with those of the boundaries of the segments they mean.

    Args:
        groups: of channels, that are normalised.
    """

    def __init__(self, channels: int, *, groups: int) -> None:
        super().__init__()
        unit = partial(NormedConv, kernel=1, bias=True, norm="group", groups=groups, rectify=True)
        self.position = unit(channels, channels)
        self.boundaries = unit(channels, 2 * channels)
        self.region = unit(channels, channels)
        self.join = unit(4 * channels, channels)

    def forward(self, x: Padded, *, region: Padded, distances: Float[Tensor, "B 2 T"]) -> Refined:
        """Join all that is known of each position's guess.

        Args:
            x: features of the level, (B, C, T).
            region: maxima of finer features around both boundaries, (B, C, T).
            distances: from each position to start and end of its guess, in positions; without a
                gradient.
        """
        position = torch.arange(x.values.shape[2], device=x.values.device)
        segments = position[:, None] + around(distances.mT)  # (B, T, 2)
        boundaries = self.boundaries(x)
        pooled = boundary_pool(boundaries, boundary_windows(segments, distances.sum(1)))
        views = [self.region(region).values, pooled, self.position(x).values]
        joined = self.join(Padded.of(torch.cat(views, 1), x.valid))  # (B, 4C, T) to (B, C, T)
        return Refined(joined, boundaries)
