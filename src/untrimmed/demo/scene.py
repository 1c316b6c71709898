"""What happens in one video of the demo data: who is there, who moves when, how the camera shakes.

Every figure is there from the first picture to the last and drifts a little in all directions,
so that neither presence nor place tells anything; actions and distractions are added to the
drift.  Nothing is drawn here (`render`).

Shapes: F pictures of the video, N actions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from untrimmed.core.actions import Actions
from untrimmed.demo.motions import (
    ANGLE,
    CLASSES,
    DISTRACTIONS,
    PACES,
    STEADY,
    Motion,
    X,
    Y,
    displacement,
)
from untrimmed.demo.shapes import SHAPES

WIDTH, HEIGHT = 160, 128
FPS = 20

LENGTHS_S = (20.0, 36.0)
"""Shortest and longest video unless told otherwise."""

_MOTION_S = (1.6, 6.5)  # shortest and longest, evenly on a logarithmic scale
_GAP_S = {CLASSES: (1.0, 4.0), DISTRACTIONS: (1.0, 6.0)}  # between one motion and the next
_OVERLAPPING = 0.2  # chance that a motion begins before the last has ended
_REST_S = 0.4  # of a figure between two of its motions
_FIGURES = 3
_RADIUS = (16.0, 21.0)
_MARGIN = 18.0  # no figure walks closer to the border, nor is at home there
_DRIFT = (5.0, 5.0, 0.35, 0.08, 0.05)  # of an idle figure; columns as in a pose
_LANE = 20.0  # no figure rises or sinks further from its home


@dataclass(frozen=True, eq=False)
class Figure:
    """One of the actors.

    Args:
        shape: of `shapes.SHAPES`.
        hue: of its body, in [0, 1).
        radius: pixels at size 1.
        poses: of every picture; columns as in `motions`.
    """

    shape: str
    hue: float
    radius: float
    poses: Float64[np.ndarray, "F 5"]


@dataclass(frozen=True, eq=False)
class Scene:
    """A video before it is drawn.

    Args:
        figures: those behind first.
        actions: what is done, in order of time; labels are positions in `motions.CLASSES`.
        hue: of the background, in [0, 1).
        camera: pixels by which the camera is off, (x, y) of every picture.
        backdrop: pixels by which the background has moved, (x, y) of every picture.
        light: brightness of every picture in the middle, and its change towards the sides.
        texture: seed of the background's pattern.
    """

    figures: tuple[Figure, ...]
    actions: Actions
    hue: float
    camera: Float64[np.ndarray, "F 2"]
    backdrop: Float64[np.ndarray, "F 2"]
    light: Float64[np.ndarray, "F 2"]
    texture: int

    @property
    def duration_s(self) -> float:
        return len(self.camera) / FPS


def plan(random: np.random.Generator, *, lengths_s: tuple[float, float] = LENGTHS_S) -> Scene:
    """A scene at random.

    Args:
        lengths_s: shortest and longest that it may be; in less than 3 s nothing may happen.
    """
    shortest, longest = (round(length_s * FPS) for length_s in lengths_s)
    pictures = int(random.integers(shortest, longest + 1))
    times_s = np.arange(pictures) / FPS
    stage = _Stage(random)
    end_s = pictures / FPS - 0.5
    acted = stage.cast(_timeline(random, CLASSES, end_s))
    stage.cast(_timeline(random, DISTRACTIONS, end_s))

    hue = float(random.random())
    return Scene(
        figures=stage.figures(times_s, background_hue=hue),
        actions=Actions(
            [(motion.start_s, motion.end_s) for motion in acted],
            [CLASSES.index(motion.kind) for motion in acted],
        ),
        hue=hue,
        camera=_wander(random, times_s, amplitude=[1.2, 1.2], period_s=(0.5, 2.5)),
        backdrop=_wander(random, times_s, amplitude=[10.0, 10.0], period_s=(10.0, 25.0)),
        light=np.array([0.86, 0.0])
        + _wander(random, times_s, amplitude=[0.10, 0.10], period_s=(4.0, 15.0)),
        texture=int(random.integers(2**31)),
    )


class _Stage:
    """The figures of a scene, where each is, and what each has been told to do."""

    def __init__(self, random: np.random.Generator) -> None:
        lanes = random.permutation(_FIGURES)  # one below the other: they seldom hide each other
        across = random.uniform(_MARGIN, WIDTH - _MARGIN, _FIGURES)
        lane = (HEIGHT - 2 * _MARGIN) / _FIGURES
        down = _MARGIN + (lanes + random.uniform(0.3, 0.7, _FIGURES)) * lane
        self._random = random
        self._homes = np.stack([across, down], axis=1)
        self._places = self._homes.copy()
        self._roles: list[list[Motion]] = [[] for _ in range(_FIGURES)]

    def cast(self, wanted: Iterable[Motion]) -> list[Motion]:
        """Give each motion, in order of time, to a figure that rests and has room for it.

        What leads somewhere is slowed down if the way is too short; a motion for which there is
        nobody, or no way, falls away.
        """
        made = []
        for motion in wanted:
            resting = [n for n, role in enumerate(self._roles) if not _busy(role, motion)]
            if not resting:
                continue
            figure = max(self._random.permutation(resting), key=lambda n: self._room(n, motion))
            room = self._room(figure, motion)
            if motion.reach > room:
                motion = motion._replace(pace=motion.pace * room / motion.reach)
            if motion.pace < 0.7 * PACES[motion.kind][0]:
                continue
            self._roles[figure].append(motion)
            made.append(motion)
            axis, step = STEADY.get(motion.kind, (None, 0.0))
            if axis in (X, Y):
                self._places[figure, axis] += step * motion.reach
        return made

    def _room(self, figure: int, motion: Motion) -> float:
        """How far the figure can go in the motion's direction before it leaves its range."""
        axis, step = STEADY.get(motion.kind, (None, 0.0))
        if axis not in (X, Y):
            return np.inf
        if axis == X:
            low, high = _MARGIN, WIDTH - _MARGIN
        else:
            low, high = self._homes[figure, Y] - _LANE, self._homes[figure, Y] + _LANE
        place = self._places[figure, axis]
        return float(high - place if step > 0 else place - low)

    def figures(
        self, times_s: Float64[np.ndarray, " F"], *, background_hue: float
    ) -> tuple[Figure, ...]:
        """The figures with all that they do, in colours other than the background's."""
        random = self._random
        hues = (background_hue + random.permutation(np.linspace(0.25, 0.75, _FIGURES))) % 1
        figures = []
        for shape, hue, home, role in zip(
            random.permutation(SHAPES)[:_FIGURES], hues, self._homes, self._roles, strict=True
        ):
            poses = _wander(random, times_s, amplitude=_DRIFT, period_s=(5.0, 14.0))
            poses[:, [X, Y]] += home
            poses[:, ANGLE] += random.uniform(0, 2 * np.pi)
            for motion in role:
                poses += displacement(motion, times_s)
            radius = float(random.uniform(*_RADIUS))
            figures.append(Figure(str(shape), float(hue), radius, poses))
        return tuple(figures)


def _busy(role: Sequence[Motion], motion: Motion) -> bool:
    return any(
        motion.start_s < other.end_s + _REST_S and other.start_s < motion.end_s + _REST_S
        for other in role
    )


def _timeline(
    random: np.random.Generator, kinds: tuple[str, ...], end_s: float
) -> Iterator[Motion]:
    """Motions one after the other, each kind as often as any other, until the video ends."""
    start_s = float(random.uniform(0.5, 2.5))
    deck: list[str] = []
    while True:
        deck = deck or [str(kind) for kind in random.permutation(kinds)]
        kind = deck.pop()
        length_s = float(np.exp(random.uniform(*np.log(_MOTION_S))))
        if start_s + length_s > end_s:
            return
        pace = float(random.uniform(*PACES[kind]))
        yield Motion(kind, round(start_s, 3), round(start_s + length_s, 3), pace)
        if random.random() < _OVERLAPPING:
            start_s += float(random.uniform(0.3, 0.8)) * length_s
        else:
            start_s += length_s + float(random.uniform(*_GAP_S[kinds]))


def _wander(
    random: np.random.Generator,
    times_s: Float64[np.ndarray, " F"],
    *,
    amplitude: Sequence[float],
    period_s: tuple[float, float],
) -> Float64[np.ndarray, "F D"]:
    """Aimless smooth motion about zero, D numbers independent of each other: three waves each."""
    periods = random.uniform(*period_s, (3, len(amplitude)))
    phases = random.uniform(0, 2 * np.pi, (3, len(amplitude)))
    waves = np.sin(2 * np.pi * times_s[:, None, None] / periods + phases)  # (F, 3, D)
    sums: Float64[np.ndarray, "F D"] = waves.sum(1) * np.asarray(amplitude) / np.sqrt(3)
    return sums
