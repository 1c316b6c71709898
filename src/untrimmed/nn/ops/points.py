"""Points: the moments from which a head without anchors tells where an action begins and ends.

A point says how far it is from the two ends of its action, in strides of its level.  Here is
where the points of a level lie, what each has to learn, and the way back from what it says.

Shapes: P points, of one level or of several behind one another, N actions of one window,
K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor


class Points(NamedTuple):
    """Where points lie, and which actions they may find.

    positions: in cells of the network's input.
    strides: cells of the network's input from one point of the level to the next.
    nearest, farthest: of an action that a point may find, the end that is farther from it is at
        least, and at most, this far away; in cells of the network's input.
    """

    positions: Float[Tensor, " P"]
    strides: Float[Tensor, " P"]
    nearest: Float[Tensor, " P"]
    farthest: Float[Tensor, " P"]

    @classmethod
    def of_level(
        cls,
        points: int,
        *,
        stride: int,
        reach: tuple[float, float],
        device: torch.device | None = None,
    ) -> Points:
        """A point for every position of a level, at the first of the cells that it stands for.

        Args:
            points: P, of the level.
            reach: the two bounds, `nearest` and `farthest`.
        """
        positions = stride * torch.arange(points, dtype=torch.float32, device=device)
        bounds = (torch.full_like(positions, bound) for bound in (stride, *reach))
        return cls(positions, *bounds)


class Lessons(NamedTuple):
    """What each point of a window learns.

    labels: 1 for the classes that it finds; 0 throughout for background.
    distances: to the start (row 0) and the end (row 1) of its action, in strides; 0 for
        background.
    """

    labels: Float[Tensor, "K P"]
    distances: Float[Tensor, "2 P"]


def lessons(
    points: Points,
    actions: Float[Tensor, "N 2"],
    labels: Int64[Tensor, " N"],
    *,
    classes: int,
    centre_radius: float | None,
) -> Lessons:
    """Give every point the shortest of the actions that it lies in and that are in its reach.

    A point lies in an action if it is near its middle, by less than `centre_radius` strides, and
    strictly between its ends; so an action between two points, or without length, is found by
    none.  Of equally short actions the first is measured.  A point learns the labels of all its
    actions that are longer than the shortest by no more than a thousandth of a cell, as the same
    action may have several labels.

    Args:
        actions: in cells of the network's input; they may reach beyond the points.
        labels: of the actions, in [0, `classes`).
        centre_radius: None for no bound but the ends.

    Source: Zhang et al., ECCV 2022, sec. 3, with the rules of the authors' code for ties; centre
    sampling after Tian et al., "FCOS", TPAMI 2022.
    """
    at_once = max(_PAIRS_AT_ONCE // max(len(actions), 1), 1)
    parts = [
        _lessons(Points(*some), actions, labels, classes=classes, centre_radius=centre_radius)
        for some in zip(*(torch.split(field, at_once) for field in points), strict=True)
    ]
    return Lessons(*(torch.cat(field, 1) for field in zip(*parts, strict=True)))


_PAIRS_AT_ONCE = 2**20
"""Pairs of a point and an action that are looked at in one step; bounds the memory."""


def point_segments(points: Points, distances: Float[Tensor, "*B 2 P"]) -> Float[Tensor, "*B P 2"]:
    """The segments that points mean, in cells of the network's input.

    Args:
        distances: to start and end, in strides.
    """
    start = points.positions - distances[..., 0, :] * points.strides
    end = points.positions + distances[..., 1, :] * points.strides
    return torch.stack([start, end], -1)


def _lessons(
    points: Points,
    actions: Float[Tensor, "N 2"],
    labels: Int64[Tensor, " N"],
    *,
    classes: int,
    centre_radius: float | None,
) -> Lessons:
    start, end = actions[:, :1], actions[:, 1:]  # (N, 1)
    since, until = points.positions - start, end - points.positions  # (N, P)
    far = torch.maximum(since, until)
    found = (points.nearest <= far) & (far <= points.farthest)
    found &= (since > 0) & (until > 0)
    if centre_radius is not None:
        middle, radius = 0.5 * (start + end), centre_radius * points.strides
        found &= (points.positions > middle - radius) & (points.positions < middle + radius)

    # Row 0 is "nothing", which is longer than any action: it is the answer where there is none.
    length = torch.where(found, end - start, torch.inf)  # (N, P)
    shortest, action = F.pad(length, (0, 0, 1, 0), value=torch.inf).min(0)  # the first of equals
    same = found & (length <= shortest + 1e-3)
    learned = actions.new_zeros(classes, len(shortest))
    learned = learned.index_add(0, labels, same.to(learned.dtype)).clamp(max=1)  # (K, P)

    start, end = F.pad(actions, (0, 0, 1, 0))[action].T  # (P,)
    distances = torch.stack([points.positions - start, end - points.positions])
    return Lessons(learned, (distances / points.strides) * (action > 0))
