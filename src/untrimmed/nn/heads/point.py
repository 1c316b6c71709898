"""A head without anchors: every point of a pyramid scores the classes and tells both ends.

The heads of ActionFormer (Zhang, Wu & Li, ECCV 2022, sec. 3): two small convolutional towers,
shared by all levels, one for independent scores of the classes and one for the distances to the
start and the end of the action.  Suppression of candidates that show the same action is not here
(`nn.ops.nms`).

Shapes: B videos, C channels, T_l positions of level l, K classes; P = sum of T_l points of a
window, N actions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from untrimmed.core.bounds import above_0, at_least_0, odd, shares_below_1, shares_between
from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.layers.pieces import by_pieces
from untrimmed.nn.layers.row import Row
from untrimmed.nn.layers.tower import Tower
from untrimmed.nn.ops.losses import diou, sigmoid_focal
from untrimmed.nn.ops.points import Lessons, Points, lessons, point_segments
from untrimmed.nn.ops.processes import summed
from untrimmed.tensors import Candidates, Losses, Padded, Pyramid, Targets


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the head; the defaults are those of ActionFormer on THUMOS14.

    Args:
        layers: convolutions of each tower, the last one, which gives the answer, included.
        width: channels of the towers.
        kernel: positions that a convolution sees, odd.
        norm: normalise between convolutions; else these have a bias.
        blind: padding cannot be told from the end of the tensor; see `ChannelNorm`.
        ranges: of each level, how far away the farther end of an action may be that its points
            learn to find, from and to, in cells of the network's input.
        centre_radius: only points nearer to the middle of an action than this learn to find it,
            in strides of their level; null for all points inside.
        loss_weight: of the regression; null weighs it as much as the classification.
        label_smoothing: what a class that is there gives to all others and to nothing, in [0, 1).
        prior: score of every class before training.
        positives: how many points of a batch find an action, as first guess; see
            `PointHead.loss`.
        least_score: scores at or below it are 0.
        top_k: scores of a level, over points and classes, that are kept; the others are 0.
        least_length: a candidate is longer than this, in cells of the network's input.
    """

    layers: int = 3
    width: int = 512
    kernel: int = 3
    norm: bool = True
    blind: bool = False
    ranges: tuple[tuple[float, float], ...] = (
        (0.0, 4.0),
        (4.0, 8.0),
        (8.0, 16.0),
        (16.0, 32.0),
        (32.0, 64.0),
        (64.0, 10000.0),
    )
    centre_radius: float | None = 1.5
    loss_weight: float | None = 1.0
    label_smoothing: float = 0.0
    prior: float = 0.01
    positives: float = 100.0
    least_score: float = 0.001
    top_k: int = 2000
    least_length: float = 0.05

    def __post_init__(self) -> None:
        above_0(self, "layers", "width", "centre_radius", "loss_weight", "positives", "top_k")
        odd(self, "kernel")
        shares_below_1(self, "label_smoothing")
        shares_between(self, "prior")
        at_least_0(self, "least_score", "least_length")
        if not all(0 <= nearest <= farthest for nearest, farthest in self.ranges):
            raise ValueError(f"ranges must go from at least 0 upwards, got {self.ranges}")

    def build(self, channels: int, classes: int, strides: Sequence[int]) -> PointHead:
        """A head for a pyramid of levels with `channels` channels and these strides.

        Raises:
            ValueError: if there is not one range per level.
        """
        return PointHead(self, channels, classes, strides)


class Raw(NamedTuple):
    """What the head says at every point, finest level first; 0 where not valid.

    logits: of every class.
    distances: to the start (channel 0) and the end (channel 1) of the action, in strides of the
        level, at least 0.
    strides: cells of the network's input per position of each level.
    """

    logits: tuple[Float[Tensor, "B K _"], ...]
    distances: tuple[Float[Tensor, "B 2 _"], ...]
    valid: tuple[Bool[Tensor, "B _"], ...]
    strides: tuple[int, ...]


class PointHead(nn.Module):
    """Two towers, shared by all levels: one scores the points, one tells how far the ends are.

    Args:
        strides: cells of the network's input per position of each level.
    """

    positives: Tensor

    def __init__(self, config: Config, channels: int, classes: int, strides: Sequence[int]) -> None:
        super().__init__()
        if len(config.ranges) != len(strides):
            raise ValueError(f"{len(config.ranges)} ranges for {len(strides)} levels")
        self.config = config
        self.strides = tuple(strides)
        self.score_tower = self._tower(channels)
        self.distance_tower = self._tower(channels)
        self.logits = Conv(self.score_tower.channels, classes, kernel=config.kernel)
        self.distances = Conv(self.distance_tower.channels, 2, kernel=config.kernel)
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(())) for _ in strides)
        self.register_buffer("positives", torch.tensor(float(config.positives)))
        prior = math.log(config.prior / (1 - config.prior))
        nn.init.constant_(self.logits.get_parameter("bias"), prior)
        nn.init.zeros_(self.distances.get_parameter("bias"))

    def forward(self, pyramid: Pyramid) -> Raw:
        """Score every point and tell its distances.

        Raises:
            ValueError: if the strides of the pyramid are not those of the head.
        """
        if pyramid.strides != self.strides:
            raise ValueError(f"a pyramid of strides {pyramid.strides}, not {self.strides}")
        gap = self.config.kernel // 2
        row = Row.of(pyramid.levels, gap=gap)

        def answers(piece: Padded, cells: slice) -> Padded:
            scored = self.logits(self.score_tower(piece, inside=row.inside[cells]))
            measured = self.distances(self.distance_tower(piece, inside=row.inside[cells]))
            return Padded(torch.cat([scored.values, measured.values], 1), piece.valid)

        # In pieces, as then what is between two layers stays in the cache.
        found = by_pieces(answers, row.sequence, reach=gap * self.config.layers).values
        distances = row.levels(found[:, -2:])
        return Raw(
            logits=row.levels(found[:, :-2]),
            distances=tuple(
                (_full(x) * scale).relu() for x, scale in zip(distances, self.scales, strict=True)
            ),
            valid=tuple(x.valid for x in pyramid.levels),
            strides=pyramid.strides,
        )

    def loss(self, raw: Raw, targets: Sequence[Targets]) -> Losses:
        """How far scores and distances are from the actions, in float32 at least.

        Both losses are sums over valid points, divided by a running mean of how many of them find
        an action: `positives`, which each call with gradients first moves by a tenth towards the
        number of this batch, counted as at least one.  So a call changes what the next one gives.

        Args:
            targets: the actions of each video; there may be none.

        Returns:
            `classification`, the focal loss of all valid points and classes; `regression`, the
            DIoU loss of the points that find an action, by its weight.  Without any action the
            regression is 0 and all points learn that there is none.

        Raises:
            ValueError: if there are targets of more or fewer videos.
        """
        learned = self._lessons(raw, targets)
        logits = _full(torch.cat(raw.logits, 2))  # (B, K, P)
        valid = torch.cat(raw.valid, 1)  # (B, P)
        found = valid & (learned.labels.amax(1) > 0)
        positives = self._renewed(found.sum())

        share = self.config.label_smoothing
        labels = learned.labels * (1 - share) + share / (logits.shape[1] + 1)
        focal = sigmoid_focal(logits, labels)
        classification = (focal * valid[:, None]).sum() / positives

        distances = _full(torch.cat(raw.distances, 2))  # (B, 2, P)
        # Deviates: the authors have no less than eps in a denominator, where `diou` adds it (to
        # the square, too).  Equal to 1e-4 where an action is at least 0.01 strides long.
        missed = diou(_around_0(distances), _around_0(learned.distances), eps=1e-8)
        regression = (missed * found).sum() / positives
        weight = self.config.loss_weight
        if weight is None:
            whole = summed(torch.stack([classification.detach(), regression.detach()]))
            regression = regression * whole[0] / whole[1].clamp(min=0.01)
        else:
            regression = regression * weight
        return {"classification": classification, "regression": regression}

    def candidates(self, raw: Raw) -> Candidates:
        """Every point's segment, finest level first, with the scores that count.

        Their number depends on the lengths of the levels alone.  A score is 0 if it is not above
        `least_score`, not among the `top_k` of its level over points and classes (of equal ones
        the first), of a segment that is too short, or at padding.  Segments may reach beyond the
        window.
        """
        found = []
        levels = zip(raw.logits, raw.distances, raw.valid, self._points(raw), strict=True)
        for logits, distances, valid, points in levels:
            scores = _full(logits).mT.sigmoid() * valid[..., None]  # (B, T, K)
            segments = point_segments(points, _full(distances))
            long = segments[..., 1] - segments[..., 0] > self.config.least_length
            counted = _highest(scores, self.config.top_k) & (scores > self.config.least_score)
            found.append(Candidates(segments, scores * (counted & long[..., None])))
        return Candidates(*(torch.cat(field, 1) for field in zip(*found, strict=True)))

    @torch.no_grad()
    def quiet(self, labels: Sequence[int]) -> None:
        """Begin with a score of 1e-6 for classes that are never there, as the authors on EPIC.

        Training goes on from there; it is only a first value.
        """
        bias = self.logits.get_parameter("bias")
        bias[list(labels)] = math.log(1e-6 / (1 - 1e-6))

    def _tower(self, channels: int) -> Tower:
        """All convolutions but the last."""
        config = self.config
        return Tower(
            [channels] + [config.width] * (config.layers - 1),
            kernel=config.kernel,
            norm=config.norm,
            blind=config.blind,
        )

    def _points(self, raw: Raw) -> list[Points]:
        """The points of each level."""
        levels = zip(raw.valid, raw.strides, self.config.ranges, strict=True)
        return [
            Points.of_level(valid.shape[1], stride=stride, reach=reach, device=valid.device)
            for valid, stride, reach in levels
        ]

    def _lessons(self, raw: Raw, targets: Sequence[Targets]) -> Lessons:
        """What the points of all levels learn, (B, K, P) and (B, 2, P)."""
        B, K, _ = raw.logits[0].shape
        if len(targets) != B:
            raise ValueError(f"targets of {len(targets)} videos for {B}")
        points = Points(*(torch.cat(field) for field in zip(*self._points(raw), strict=True)))
        radius = self.config.centre_radius
        videos = [lessons(points, *video, classes=K, centre_radius=radius) for video in targets]
        return Lessons(*(torch.stack(field) for field in zip(*videos, strict=True)))

    def _renewed(self, found: Int64[Tensor, ""]) -> Float[Tensor, ""]:
        """The running mean of points that find an action, with this batch of all processes."""
        if torch.is_grad_enabled():
            self.positives.lerp_(summed(found).clamp(min=1).to(self.positives.dtype), 0.1)
        return self.positives.clone()  # the next call moves it before this one's gradient, perhaps


def _full(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _around_0(distances: Float[Tensor, "B 2 P"]) -> Float[Tensor, "B P 2"]:
    """The segments of points at 0."""
    return torch.stack([-distances[:, 0], distances[:, 1]], -1)


def _highest(scores: Float[Tensor, "B T K"], most: int) -> Bool[Tensor, "B T K"]:
    """Where the highest scores of each video are, `most` of them; of equal ones the first."""
    flat = scores.flatten(1)
    if torch.compiler.is_exporting():  # for any length at once
        most = torch.sym_min(most, flat.shape[1])  # type: ignore[no-untyped-call]
    elif flat.shape[1] <= most:
        return torch.ones_like(scores, dtype=torch.bool)
    last = flat.topk(most).values[:, -1:]
    above, equal = flat > last, flat == last
    room = most - above.sum(1, keepdim=True)
    return (above | (equal & (equal.cumsum(1, dtype=torch.int32) <= room))).view_as(scores)
