"""A head without anchors that guesses segments, then looks at their boundaries again.

The detection head of AFSD (Lin et al., "Learning Salient Boundary Feature for Anchor-free Temporal
Action Localization", CVPR 2021), as TALLFormer has it on ActivityNet (Cheng & Bertasius, ECCV 2022,
sec. 3.4).  Every point of a pyramid gives a segment and scores; what is strongest around the two
boundaries of the segment corrects both and tells how good the segment is.  Suppression of
candidates that show the same action is not here (`nn.ops.nms`).

Distances are in steps, the finest unit of time here: each position of the finest level has a few
(`Config.steps`), as many as make a step a frame in the papers.

Shapes: B videos, C channels, T_l positions of level l, S steps, K classes; P = sum of T_l points
of a window, N actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.core.bounds import above_0, at_least_0, shares, shares_above_0
from untrimmed.nn.layers.boundary_branch import BoundaryBranch
from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.layers.normed_conv import NormedConv
from untrimmed.nn.ops.boundary_pooling import boundary_pool, boundary_windows
from untrimmed.nn.ops.processes import mean_over_all
from untrimmed.nn.ops.refinement import (
    Guesses,
    Points,
    Raw,
    around,
    boundary_losses,
    boundary_maps,
    full,
    lesson,
    point_losses,
)
from untrimmed.tensors import Candidates, Losses, Padded, Pyramid, Targets


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the head; the defaults are those of TALLFormer on ActivityNet.

    Args:
        stacked: convolutions of each of the two towers.
        groups: of channels, that are normalised.
        steps: per position of the finest level.
        unit: the distance to a boundary that an untrained point gives, in strides of its level.
        most: the largest such distance, in units; null for no bound.  AFSD has none, and a unit
            of 0.5.
        ranges: of each level, how far away the farther end of an action may be that its points
            learn to find, above the first and up to the second number, in steps.
        refined_iou: of the points that find an action, those whose first guess overlaps it by
            this much learn to correct it, or else the best.
        gamma, alpha: of the focal losses; alpha is the weight of background.
        boundary_weight: of the losses of boundaries on the finest level, against 1 of those in
            steps.
        quality_moves: whether the loss of the quality also moves the segments whose quality it
            is, as in the authors' code.
    """

    stacked: int = 2
    groups: int = 32
    steps: int = 8
    unit: float = 1.0
    most: float | None = 4.0
    ranges: tuple[tuple[float, float], ...] = (
        (0.0, 30.0),
        (15.0, 60.0),
        (30.0, 120.0),
        (60.0, 240.0),
        (96.0, 768.0),
        (256.0, 768.0),
    )
    refined_iou: float = 0.6
    gamma: float = 2.0
    alpha: float = 0.25
    boundary_weight: float = 0.1
    quality_moves: bool = True

    def __post_init__(self) -> None:
        above_0(self, "stacked", "groups", "steps", "unit", "most")
        shares_above_0(self, "refined_iou")
        at_least_0(self, "gamma", "boundary_weight")
        shares(self, "alpha")
        if not all(0 <= near < far for near, far in self.ranges):
            raise ValueError(f"ranges must go from at least 0 upwards, got {self.ranges}")

    def build(self, channels: int, classes: int, strides: Sequence[int]) -> RefinedPointHead:
        """A head for a pyramid of levels with `channels` channels and these strides.

        Raises:
            ValueError: if there is not one range per level, or channels do not divide into groups
                or halves.
        """
        return RefinedPointHead(self, channels, classes, strides)


class RefinedPointHead(nn.Module):
    """Two towers and two branches, shared by all levels: one for scores, one for segments.

    Args:
        strides: cells of the network's input per position of each level.
    """

    def __init__(self, config: Config, channels: int, classes: int, strides: Sequence[int]) -> None:
        super().__init__()
        if len(config.ranges) != len(strides):
            raise ValueError(f"{len(config.ranges)} ranges for {len(strides)} levels")
        self.config = config
        self.strides = tuple(strides)
        self.fine = _tower(channels, kernels=(3, 3, 1), groups=config.groups)
        self.distance_tower = _tower(channels, kernels=(3,) * config.stacked, groups=config.groups)
        self.score_tower = _tower(channels, kernels=(3,) * config.stacked, groups=config.groups)
        self.distances = Conv(channels, 2)
        self.logits = Conv(channels, classes + 1)
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in strides)
        self.distance_branch = BoundaryBranch(channels, groups=config.groups)
        self.score_branch = BoundaryBranch(channels, groups=config.groups)
        self.offsets = Conv(channels, 2, kernel=1)
        self.refined_logits = Conv(channels, classes + 1, kernel=1)
        self.quality = Conv(channels, 1)
        for name, module in self.named_modules():
            if isinstance(module, Conv) and not name.startswith("fine."):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, pyramid: Pyramid) -> Raw:
        """Guess the segment and the scores of every point, and look at them again.

        Raises:
            ValueError: if the strides of the pyramid are not those of the head.
        """
        if pyramid.strides != self.strides:
            raise ValueError(f"a pyramid of strides {pyramid.strides}, not {self.strides}")
        levels = pyramid.levels
        for_distance = [self.distance_tower(x) for x in levels]
        for_score = [self.score_tower(x) for x in levels]
        units = [self._units(x, level=level) for level, x in enumerate(for_distance)]
        distances = tuple(
            x * (self.config.unit * self._steps(level)) for level, x in enumerate(units)
        )
        fine = self.fine(_repeated(levels[0], self.config.steps))
        looks = [
            {"region": Padded.of(region, x.valid), "distances": self.config.unit * guess}
            for region, x, guess in zip(self._regions(fine, distances), levels, units, strict=True)
        ]
        by_distance = [
            self.distance_branch(x, **look) for x, look in zip(for_distance, looks, strict=True)
        ]
        by_score = [self.score_branch(x, **look) for x, look in zip(for_score, looks, strict=True)]
        coarse = [_likelihood(sides[0].boundaries).values for sides in (by_distance, by_score)]
        return Raw(
            distances=distances,
            logits=tuple(self.logits(x).values for x in for_score),
            offsets=tuple(self.offsets(x.features).values for x in by_distance),
            refined_logits=tuple(self.refined_logits(x.features).values for x in by_score),
            quality=tuple(self.quality(x.features).values for x in by_distance),
            fine=_likelihood(fine),
            coarse=Padded(torch.cat(coarse, 1), levels[0].valid),
            valid=tuple(x.valid for x in levels),
            strides=pyramid.strides,
        )

    def loss(self, raw: Raw, targets: Sequence[Targets]) -> Losses:
        """How far guesses, corrections, scores and boundaries are from the actions.

        In float32 at least; means over videos.  A video without actions teaches its points that
        there is none, and has no boundaries.

        Args:
            targets: the actions of each video; there may be none.

        Returns:
            Those of `point_losses`; and `start` and `end`, the cross entropies of boundaries in
            steps and on the finest level.

        Raises:
            ValueError: if there are targets of more or fewer videos.
        """
        if len(targets) != len(raw.valid[0]):
            raise ValueError(f"targets of {len(targets)} videos for {len(raw.valid[0])}")
        scale = self.config.steps / raw.strides[0]
        videos = [Targets(scale * segments, labels) for segments, labels in targets]
        points = self._points(raw)
        found = []
        for rows, video in zip(zip(*raw.guesses, strict=True), videos, strict=True):
            guesses = Guesses(*rows)
            learned = lesson(points, guesses, *video, refined_iou=self.config.refined_iou)
            found.append(
                point_losses(
                    guesses,
                    learned,
                    alpha=self.config.alpha,
                    gamma=self.config.gamma,
                    quality_moves=self.config.quality_moves,
                )
            )
        losses = {
            name: mean_over_all(torch.stack([each[name] for each in found])) for name in found[0]
        }
        start, end = self._boundary_losses(raw, videos).unbind()
        return {**losses, "start": start, "end": end}

    def candidates(self, raw: Raw) -> Candidates:
        """The corrected segment of every point, finest level first, cut to the valid part.

        Their number depends on the lengths of the levels alone.  A segment that ends before it
        begins has scores of 0.
        """
        guesses = raw.guesses
        number = torch.arange(1, raw.valid[0].shape[1] + 1, device=raw.valid[0].device)
        end = self.config.steps * (raw.valid[0] * number).amax(1)  # (B,): behind what is valid
        places = self._places([valid.shape[1] for valid in raw.valid], device=end.device)
        segments = places[:, None] + around(guesses.corrected)
        segments = segments.clamp(min=0).minimum(end[:, None, None])  # (B, P, 2)
        kept = guesses.valid & (segments[..., 1] > segments[..., 0])

        both = guesses.logits.softmax(-1) + guesses.refined_logits.softmax(-1)  # (B, P, K1)
        scores = both[..., 1:] / 2 * guesses.quality.sigmoid()[..., None]
        return Candidates(segments * (raw.strides[0] / self.config.steps), scores * kept[..., None])

    def _steps(self, level: int) -> float:
        """From one point of a level to the next."""
        return self.strides[level] / self.strides[0] * self.config.steps

    def _units(self, x: Padded, *, level: int) -> Float[Tensor, "B 2 T"]:
        """The distances that a level guesses."""
        units: Tensor = (full(self.distances(x).values) * self.scales[level]).exp()
        return units if self.config.most is None else units.clamp(max=self.config.most)

    def _regions(
        self, fine: Padded, distances: Sequence[Float[Tensor, "B 2 _"]]
    ) -> tuple[Float[Tensor, "B C _"], ...]:
        """Of each level, what is strongest in the steps around the boundaries of its guesses."""
        lengths = [x.shape[2] for x in distances]
        places = self._places(lengths, device=fine.values.device)
        segments = places[:, None] + around(torch.cat(list(distances), 2).mT)  # (B, P, 2)
        windows = boundary_windows(segments, segments[..., 1] - segments[..., 0] + 1)
        return torch.split(boundary_pool(fine, windows), lengths, 2)

    def _places(self, lengths: Sequence[int], *, device: torch.device) -> Float[Tensor, " P"]:
        """The middles of the positions of all levels, in steps."""
        return torch.cat(
            [
                (torch.arange(T, device=device) + 0.5) * self._steps(level)
                for level, T in enumerate(lengths)
            ]
        )

    def _points(self, raw: Raw) -> Points:
        lengths = [valid.shape[1] for valid in raw.valid]
        places = self._places(lengths, device=raw.valid[0].device)
        repeats = torch.tensor(lengths, device=places.device)
        ranges = places.new_tensor(self.config.ranges)
        ranges = ranges.repeat_interleave(repeats, 0, output_size=len(places))  # (P, 2)
        return Points(places, *ranges.unbind(1))

    def _boundary_losses(self, raw: Raw, videos: Sequence[Targets]) -> Float[Tensor, "2"]:
        maps = [
            boundary_maps(video.segments, valid)
            for video, valid in zip(videos, raw.fine.valid, strict=True)
        ]
        wanted = torch.stack(maps)  # (B, 2, S)
        losses = boundary_losses(raw.fine.values, wanted, raw.fine.valid)
        for coarse in raw.coarse.values.chunk(2, 1):
            losses = losses + self.config.boundary_weight * boundary_losses(
                coarse, wanted[..., :: self.config.steps], raw.coarse.valid
            )
        return losses


def _tower(channels: int, *, kernels: Sequence[int], groups: int) -> nn.Sequential:
    unit = partial(NormedConv, bias=True, norm="group", groups=groups, rectify=True)
    return nn.Sequential(*(unit(channels, channels, kernel=kernel) for kernel in kernels))


def _repeated(x: Padded, times: int) -> Padded:
    values, valid = x
    return Padded(values.repeat_interleave(times, 2), valid.repeat_interleave(times, 1))


def _likelihood(x: Padded) -> Padded:
    """How strong the two halves of the channels are, in [0, 1], (B, C, T) to (B, 2, T)."""
    halves = [half.mean(1) for half in full(x.values).tanh().chunk(2, 1)]
    return Padded(torch.stack(halves, 1), x.valid)
