"""At which rate videos are read: the same for all, or as each needs to fit into a window."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Squeezed:
    """A rate of each video's own, at which the whole of it has no more than `frames`.

    A video of fewer is read at the rate that it has: it is squeezed, never stretched.

    Source: AFSD (Lin et al., CVPR 2021, supplement, sec. 2.1) and TALLFormer on ActivityNet.
    """

    frames: int

    def of(self, *, fps: float, duration_s: float) -> float:
        """Frames per second at which a video is read.

        Args:
            fps: that it has, above 0.
            duration_s: that it lasts, above 0.
        """
        return min(fps, self.frames / duration_s)


Rate = float | Squeezed
"""Frames per second, or how they follow from the video."""


def matches(rate: Rate, *, fps: float, frames: int, tolerance: float = 1e-9) -> bool:
    """Whether a copy of a whole video can be of that rate.

    Of a squeezed one it shows only that it is not of a higher rate: the original's is not known.

    Args:
        fps: of the copy.
        frames: of the copy, in all.
        tolerance: by which share rates may differ.
    """
    if isinstance(rate, Squeezed):
        return frames <= rate.frames
    return math.isclose(fps, rate, rel_tol=tolerance)


def described(rate: Rate) -> str:
    """A rate in words, for messages."""
    if isinstance(rate, Squeezed):
        return f"no more than {rate.frames} frames in all"
    return f"{rate:g} frames per second"
