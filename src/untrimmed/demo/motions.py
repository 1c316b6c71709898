"""The motions of the demo data: what an action, or a distraction, does to a figure.

A pose has five numbers that add up, so that motions are superimposed by their sum: x and y in
pixels (rightwards, downwards), angle in radians (clockwise as seen), and the natural logarithms
of size and of brightness.  A motion is a displacement of the pose: zero until it starts, and from
its end on either zero again (pulse, wave, jump) or what it has led to (move, turn).

No picture alone tells which motion goes on, or whether any does.  When and by whom motions are
made is not decided here (`scene`).

Shapes: F pictures of a video.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

X, Y, ANGLE, SIZE, LIGHT = range(5)
"""Columns of a pose."""

CLASSES = (
    "move left",
    "move right",
    "turn clockwise",
    "turn counterclockwise",
    "pulse",
    "wave",
    "jump",
)
"""Motions that are actions; the position is the label."""

DISTRACTIONS = ("rise", "sink", "circle", "blink")
"""Motions that are none."""

PACES = {
    "move left": (18.0, 40.0),  # pixels per second
    "move right": (18.0, 40.0),
    "rise": (14.0, 30.0),
    "sink": (14.0, 30.0),
    "turn clockwise": (0.4, 0.9),  # turns per second
    "turn counterclockwise": (0.4, 0.9),
    "circle": (0.35, 0.6),
    "pulse": (0.9, 1.7),  # beats per second
    "wave": (1.5, 2.5),
    "jump": (1.0, 1.8),
    "blink": (0.8, 1.5),
}
"""Slowest and fastest pace of each motion."""

_TURN = 2 * np.pi

STEADY = {
    "move left": (X, -1.0),
    "move right": (X, 1.0),
    "rise": (Y, -1.0),
    "sink": (Y, 1.0),
    "turn clockwise": (ANGLE, _TURN),
    "turn counterclockwise": (ANGLE, -_TURN),
}
"""Motions that lead somewhere: the column they change, and by how much per unit of reach."""

_RAMP_S = 0.2
"""How long a motion takes to come up to full speed or strength, and to come to rest."""


class Motion(NamedTuple):
    """One motion of one figure.

    kind: of `CLASSES` or `DISTRACTIONS`.
    end_s: at least 0.4 s after `start_s`.
    pace: how fast, in the unit of `PACES`.
    """

    kind: str
    start_s: float
    end_s: float
    pace: float

    @property
    def reach(self) -> float:
        """How far a steady motion leads in all, in the unit of its pace without "per second"."""
        return self.pace * (self.end_s - self.start_s - _RAMP_S)


def displacement(motion: Motion, times_s: Float64[np.ndarray, " F"]) -> Float64[np.ndarray, "F 5"]:
    """What the motion adds to the pose of its figure at each time.

    Raises:
        ValueError: if there is no motion of this kind.
    """
    length_s = motion.end_s - motion.start_s
    elapsed_s = np.clip(times_s - motion.start_s, 0.0, length_s)
    strength = np.minimum(np.minimum(elapsed_s, length_s - elapsed_s) / _RAMP_S, 1.0)
    beat = _TURN * motion.pace * elapsed_s

    poses = np.zeros((len(times_s), 5))
    match motion.kind:
        case kind if kind in STEADY:
            column, step = STEADY[kind]
            poses[:, column] = step * motion.pace * _at_full_speed_s(elapsed_s, length_s)
        case "pulse":
            poses[:, SIZE] = 0.28 * strength * (1 - np.cos(beat))
        case "wave":
            poses[:, ANGLE] = 0.7 * strength * np.sin(beat)
        case "jump":
            poses[:, Y] = -18.0 * strength * np.abs(np.sin(beat / 2))
        case "circle":
            poses[:, X] = 8.0 * strength * np.sin(beat)
            poses[:, Y] = 8.0 * strength * (1 - np.cos(beat))
        case "blink":
            poses[:, LIGHT] = -0.35 * strength * (1 - np.cos(beat))
        case _:
            raise ValueError(f"no motion is called {motion.kind!r}")
    return poses


def _at_full_speed_s(
    elapsed_s: Float64[np.ndarray, " F"], length_s: float
) -> Float64[np.ndarray, " F"]:
    """Integral of a speed that rises from 0 to 1, stays there, and falls to 0 again."""
    starting = np.minimum(elapsed_s, _RAMP_S)
    stopping = np.maximum(elapsed_s - (length_s - _RAMP_S), 0.0)
    between = elapsed_s - starting - stopping
    speeding_up = starting**2 / (2 * _RAMP_S)
    slowing_down = stopping - stopping**2 / (2 * _RAMP_S)
    total: Float64[np.ndarray, " F"] = speeding_up + between + slowing_down
    return total
