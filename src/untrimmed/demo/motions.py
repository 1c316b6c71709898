"""The motions of the demo data: what an action, or a distraction, does to a figure.

A pose has five numbers that add up, so that motions are superimposed by their sum: x and y in
pixels (rightwards, downwards), angle in radians (clockwise as seen), and the natural logarithms
of size and of brightness.  A motion is a displacement of the pose: zero until it starts,
and at its end either back at zero (jump, pulse, wave) or where it has led (move, turn).

No picture alone tells which motion goes on, or whether any does.  This module does not choose
when and by whom a motion is made (`scene`).

Shapes: F moments (frames).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

CLASSES = (
    "move left",
    "move right",
    "turn clockwise",
    "turn counterclockwise",
    "pulse",
    "wave",
    "jump",
)
"""Names of the motions that are actions; the position is the label."""

DISTRACTIONS = ("rise", "sink", "circle", "blink")
"""Names of the motions that are none."""

X, Y, ANGLE, SIZE, LIGHT = range(5)

_RAMP_S = 0.2
_TURN = 2 * np.pi


class Motion(NamedTuple):
    """One figure's motion from `start_s` to `end_s`.

    kind: of `CLASSES` or `DISTRACTIONS`.
    pace: how fast, in the unit of `PACES`.
    """

    kind: str
    start_s: float
    end_s: float
    pace: float

    @property
    def reach(self) -> float:
        """How far a steady motion leads: pace times its time at full speed (see `_progress`)."""
        return self.pace * (self.end_s - self.start_s - _RAMP_S)


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


def displacement(motion: Motion, times_s: Float64[np.ndarray, " F"]) -> Float64[np.ndarray, "F 5"]:
    """What the motion adds to the pose of its figure at each time."""
    elapsed = np.clip(times_s - motion.start_s, 0.0, motion.end_s - motion.start_s)
    left = motion.end_s - motion.start_s - elapsed
    strength = np.minimum(1.0, np.minimum(elapsed, left) / _RAMP_S)
    progress = motion.pace * _progress(elapsed, length_s=motion.end_s - motion.start_s)
    beat = _TURN * motion.pace * elapsed

    poses = np.zeros((len(times_s), 5))
    match motion.kind:
        case "move left":
            poses[:, X] = -progress
        case "move right":
            poses[:, X] = progress
        case "rise":
            poses[:, Y] = -progress
        case "sink":
            poses[:, Y] = progress
        case "turn clockwise":
            poses[:, ANGLE] = _TURN * progress
        case "turn counterclockwise":
            poses[:, ANGLE] = -_TURN * progress
        case "circle":
            poses[:, X] = 8.0 * strength * np.sin(beat)
            poses[:, Y] = 8.0 * strength * (1 - np.cos(beat))
        case "pulse":
            poses[:, SIZE] = 0.28 * strength * (1 - np.cos(beat))
        case "wave":
            poses[:, ANGLE] = 0.7 * strength * np.sin(beat)
        case "jump":
            poses[:, Y] = -18.0 * strength * np.abs(np.sin(beat / 2))
        case "blink":
            poses[:, LIGHT] = -0.35 * strength * (1 - np.cos(beat))
        case _:
            raise ValueError(f"no motion is called {motion.kind!r}")
    return poses


def _progress(elapsed: Float64[np.ndarray, " F"], *, length_s: float) -> Float64[np.ndarray, " F"]:
    """Seconds at full speed: speed grows for the first 0.2 s and falls for the last."""
    starting = np.minimum(elapsed, _RAMP_S)
    stopping = np.maximum(elapsed - (length_s - _RAMP_S), 0.0)
    cruising = elapsed - starting - stopping
    return starting**2 / (2 * _RAMP_S) + cruising + stopping - stopping**2 / (2 * _RAMP_S)
