"""What happens in one video of the demo data: who is there, who moves when, how the camera shakes.

Every figure is there from the first picture to the last and drifts a little in all directions,
so that neither presence nor place tells anything; actions and distractions are added to the
drift.  Nothing is drawn here (`render`).

Shapes: F pictures of the video, N actions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from untrimmed.core.actions import Actions
from untrimmed.demo.motions import CLASSES, DISTRACTIONS, PACES, Motion, displacement
from untrimmed.demo.shapes import SHAPES

WIDTH, HEIGHT = 160, 128
FPS = 20

_DURATION_S = (20.0, 36.0)
_ACTION_S = (1.6, 6.5)
_FIGURES = (3, 3)
_RADIUS = (16.0, 21.0)
_MARGIN = 18.0
_REST_S = 0.4
_LANE = 20.0
_OVERLAPPING = 0.2


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


def plan(random: np.random.Generator) -> Scene:
    """A scene at random, of 20 to 36 seconds."""
    pictures = int(random.integers(int(_DURATION_S[0] * FPS), int(_DURATION_S[1] * FPS) + 1))
    times_s = np.arange(pictures) / FPS
    stage = _Stage(random, count=int(random.integers(_FIGURES[0], _FIGURES[1] + 1)))
    end_s = pictures / FPS - 0.5
    acted = stage.cast(list(_timeline(random, CLASSES, end_s, gap_s=(1.0, 4.0))))
    stage.cast(list(_timeline(random, DISTRACTIONS, end_s, gap_s=(1.0, 6.0))))

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
    """The figures of a scene, and what each has been told to do."""

    def __init__(self, random: np.random.Generator, *, count: int) -> None:
        lanes = random.permutation(count)  # apart from each other, so that none hides another
        self._random = random
        across = random.uniform(_MARGIN, WIDTH - _MARGIN, count)
        down = _MARGIN + (lanes + random.uniform(0.3, 0.7, count)) * (HEIGHT - 2 * _MARGIN) / count
        self._homes = np.stack([across, down], axis=1)
        self._roles: list[list[Motion]] = [[] for _ in range(count)]

    def cast(self, wanted: Sequence[Motion]) -> list[Motion]:
        """Give each motion to a figure that rests and has room; some find none and fall away."""
        made = []
        for motion in wanted:
            free = [n for n, role in enumerate(self._roles) if not _busy(role, motion)]
            if not free:
                continue
            rooms = {n: self._room(n, motion) for n in self._random.permutation(free).tolist()}
            figure = max(rooms, key=rooms.__getitem__)
            if motion.reach > rooms[figure]:
                motion = motion._replace(pace=motion.pace * rooms[figure] / motion.reach)
            if motion.pace < 0.7 * PACES[motion.kind][0]:
                continue
            self._roles[figure].append(motion)
            made.append(motion)
        return made

    def _room(self, figure: int, motion: Motion) -> float:
        """Pixels that the figure can go in the motion's direction, now and by what it does later."""
        if motion.kind not in _DIRECTIONS:
            return np.inf
        axis, sign = _DIRECTIONS[motion.kind]
        if axis == 0:
            near, far = _MARGIN, WIDTH - _MARGIN
        else:
            near, far = self._homes[figure, 1] - _LANE, self._homes[figure, 1] + _LANE
        places = [self._homes[figure, axis]]
        for earlier in sorted(self._roles[figure], key=lambda role: role.start_s):
            direction = _DIRECTIONS.get(earlier.kind)
            if direction is None or direction[0] != axis:
                continue
            place = places[-1] + direction[1] * earlier.reach
            places = [place] if earlier.start_s < motion.start_s else [*places, place]
        return float(min(far - place if sign > 0 else place - near for place in places))

    def figures(
        self, times_s: Float64[np.ndarray, " F"], *, background_hue: float
    ) -> tuple[Figure, ...]:
        """The figures with all that they do."""
        random = self._random
        shapes = random.permutation(SHAPES)
        hues = (background_hue + random.permutation(np.linspace(0.25, 0.75, len(self._roles)))) % 1
        figures = []
        for n, role in enumerate(self._roles):
            poses = np.zeros((len(times_s), 5))
            poses[:, :2] = self._homes[n]
            poses[:, 2] = random.uniform(0, 2 * np.pi)
            poses += _wander(
                random, times_s, amplitude=[5.0, 5.0, 0.35, 0.08, 0.05], period_s=(5.0, 14.0)
            )
            for motion in role:
                poses += displacement(motion, times_s)
            figures.append(
                Figure(
                    shape=str(shapes[n % len(shapes)]),
                    hue=float(hues[n]),
                    radius=float(random.uniform(*_RADIUS)),
                    poses=poses,
                )
            )
        return tuple(figures)


_DIRECTIONS = {"move left": (0, -1), "move right": (0, 1), "rise": (1, -1), "sink": (1, 1)}


def _busy(role: Sequence[Motion], motion: Motion) -> bool:
    return any(
        motion.start_s < other.end_s + _REST_S and other.start_s < motion.end_s + _REST_S
        for other in role
    )


def _timeline(
    random: np.random.Generator, kinds: Sequence[str], end_s: float, *, gap_s: tuple[float, float]
) -> Iterator[Motion]:
    """Motions one after the other, some beginning before the last has ended."""
    start_s = float(random.uniform(0.5, 2.5))
    deck: list[str] = []
    while True:
        deck = deck or [str(kind) for kind in random.permutation(kinds)]
        kind = deck.pop()
        length_s = float(np.exp(random.uniform(*np.log(_ACTION_S))))
        if start_s + length_s > end_s:
            return
        pace = float(random.uniform(*PACES[kind]))
        yield Motion(kind, round(start_s, 3), round(start_s + length_s, 3), pace)
        if random.random() < _OVERLAPPING:
            start_s += float(random.uniform(0.3, 0.8)) * length_s
        else:
            start_s += length_s + float(random.uniform(*gap_s))


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
    return waves.sum(1) * np.asarray(amplitude) / 1.75
