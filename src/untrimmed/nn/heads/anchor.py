"""A RetinaNet in time: anchors at every position of a pyramid, scored and moved.

The detection head of DaoTAD (Wang et al., 2021, "RGB Stream Is Enough for Temporal Action
Detection") and of TALLFormer on THUMOS14 (Cheng & Bertasius, ECCV 2022, sec. 3.4), after Lin et
al., ICCV 2017.  Suppression of candidates that show the same action is not here (`nn.ops.nms`).

Shapes: B videos, C channels, T_l positions of level l, A anchors at each, K classes;
P = A * sum of T_l anchors of a window, N actions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from untrimmed.core.bounds import above_0, at_least_0, shares, shares_between
from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.layers.norm import BatchNorm
from untrimmed.nn.ops.anchors import level_anchors
from untrimmed.nn.ops.assign import assign
from untrimmed.nn.ops.losses import diou, sigmoid_focal
from untrimmed.nn.ops.processes import summed
from untrimmed.nn.ops.segments import decode
from untrimmed.tensors import Candidates, Losses, Padded, Pyramid, Targets


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the head; the defaults are those of TALLFormer on THUMOS14.

    Args:
        stacked: convolutions of each of the two towers.
        width: channels of the towers.
        scales: A, anchors per position, within one octave of lengths.
        base_scale: length of the shortest anchor of a level, in strides of the level.
        positive_iou: an anchor that overlaps an action by this much learns to find it.
        negative_iou: one that overlaps none by this much learns that there is none.
        gamma, alpha: of the focal loss.
        delta_clamp: a candidate is at most exp(delta_clamp) times as long as its anchor; of any
            length if null, as in DaoTAD.
        prior: score of every class before training.
        one_label: train an anchor for the label of its action alone, as the authors do; else
            for the labels of all actions with the same segment (THUMOS14 labels CliffDiving
            as Diving too).
        top_k: candidates per level, by their best score.
    """

    stacked: int = 4
    width: int = 256
    scales: int = 5
    base_scale: float = 2.0
    positive_iou: float = 0.6
    negative_iou: float = 0.4
    gamma: float = 2.0
    alpha: float = 0.25
    delta_clamp: float | None = 1.0
    prior: float = 0.01
    one_label: bool = False
    top_k: int = 1000

    def __post_init__(self) -> None:
        above_0(self, "stacked", "width", "scales", "base_scale", "delta_clamp", "top_k")
        at_least_0(self, "gamma")
        shares(self, "alpha")
        shares_between(self, "prior")
        if not 0 < self.negative_iou <= self.positive_iou <= 1:
            raise ValueError(
                "0 < negative_iou <= positive_iou <= 1 must hold,"
                f" got {self.negative_iou} and {self.positive_iou}"
            )

    def build(self, channels: int, classes: int, strides: Sequence[int]) -> AnchorHead:
        """A head for a pyramid of levels with `channels` channels and these strides."""
        return AnchorHead(self, channels, classes, strides)


class Raw(NamedTuple):
    """What the head says at every position, finest level first.

    logits: of class k for anchor a at channel a * K + k; meaningless where not valid.
    deltas: of anchor a at channels 2 a (middle) and 2 a + 1 (length), as in `segments.decode`.
    strides: cells of the network's input per position of each level.
    """

    logits: tuple[Float[Tensor, "B AK _"], ...]
    deltas: tuple[Float[Tensor, "B A2 _"], ...]
    valid: tuple[Bool[Tensor, "B _"], ...]
    strides: tuple[int, ...]


class AnchorHead(nn.Module):
    """Two towers, shared by all levels: one scores the anchors, one moves them.

    In training the batch statistics are those of each level, and the running ones are moved
    once by each, finest first.

    Args:
        strides: cells of the network's input per position of each level.
    """

    def __init__(self, config: Config, channels: int, classes: int, strides: Sequence[int]) -> None:
        super().__init__()
        self.config = config
        self.strides = tuple(strides)
        self.score_tower = _Tower(channels, config.width, stacked=config.stacked)
        self.delta_tower = _Tower(channels, config.width, stacked=config.stacked)
        self.logits = Conv(config.width, config.scales * classes)
        self.deltas = Conv(config.width, config.scales * 2)
        for module in self.modules():
            if isinstance(module, Conv):
                nn.init.normal_(module.weight, std=0.01)
        prior = math.log(config.prior / (1 - config.prior))
        nn.init.constant_(self.logits.get_parameter("bias"), prior)
        nn.init.zeros_(self.deltas.get_parameter("bias"))

    def forward(self, pyramid: Pyramid) -> Raw:
        """Score and move the anchors of every level.

        Raises:
            ValueError: if the strides of the pyramid are not those of the head.
        """
        if pyramid.strides != self.strides:
            raise ValueError(f"a pyramid of strides {pyramid.strides}, not {self.strides}")
        return Raw(
            logits=tuple(self.logits(self.score_tower(x)).values for x in pyramid.levels),
            deltas=tuple(self.deltas(self.delta_tower(x)).values for x in pyramid.levels),
            valid=tuple(x.valid for x in pyramid.levels),
            strides=pyramid.strides,
        )

    def loss(self, raw: Raw, targets: Sequence[Targets]) -> Losses:
        """How far scores and segments are from the actions, in float32.

        Both losses are sums over anchors, divided by the number of anchors that find an action,
        counted as at least one per video, in the batch of all processes.  Without any action all
        anchors learn that there is none, and the regression is 0.

        Args:
            targets: the actions of each video; there may be none.

        Returns:
            `classification`, the focal loss of all trained anchors and classes; `regression`,
            the DIoU loss of the anchors that find an action.
        """
        levels = self._levels(raw)
        logits = torch.cat([level.logits for level in levels], 1)  # (B, P, K)
        valid = torch.cat([level.valid for level in levels], 1)  # (B, P)
        segments = torch.cat([level.segments for level in levels], 1)  # (B, P, 2)
        anchors = torch.cat([level.anchors for level in levels])  # (P, 2)
        lessons = [
            self._lesson(anchors, *video, classes=logits.shape[-1])
            for video in zip(valid, targets, strict=True)
        ]
        found, trained, labels, wanted = (
            torch.stack(field) for field in zip(*lessons, strict=True)
        )
        count = summed(found.sum(1).clamp(min=1).sum())
        focal = sigmoid_focal(logits, labels, alpha=self.config.alpha, gamma=self.config.gamma)
        return {
            "classification": (focal * trained[..., None]).sum() / count,
            "regression": (diou(segments, wanted) * found).sum() / count,
        }

    def candidates(self, raw: Raw) -> Candidates:
        """Scored segments, cut to the valid part of the window.

        Their number depends on the lengths of the levels alone.  A level with more than `top_k`
        anchors gives those with the highest scores of any class, surest first; another all of
        them, by position.
        """
        number = torch.arange(1, raw.valid[0].shape[1] + 1, device=raw.valid[0].device)
        end = raw.strides[0] * (raw.valid[0] * number).amax(1)  # (B,): behind what is valid
        chosen = []
        for level in self._levels(raw):
            scores = level.logits.sigmoid() * level.valid[..., None]  # (B, TA, K)
            segments = level.segments.clamp(min=0).minimum(end[:, None, None])  # (B, TA, 2)
            if torch.compiler.is_exporting():  # for any length at once
                most = torch.sym_min(self.config.top_k, scores.shape[1])  # type: ignore[no-untyped-call]
                best = scores.amax(-1).topk(most, dim=1).indices[..., None]
                scores = scores.gather(1, best.expand(-1, -1, scores.shape[2]))
                segments = segments.gather(1, best.expand(-1, -1, 2))
            elif scores.shape[1] > self.config.top_k:
                order = scores.amax(-1).sort(dim=1, descending=True, stable=True).indices
                best = order[:, : self.config.top_k, None]
                scores = scores.take_along_dim(best, 1)
                segments = segments.take_along_dim(best, 1)
            chosen.append(Candidates(segments, scores))
        return Candidates(*(torch.cat(field, 1) for field in zip(*chosen, strict=True)))

    def _levels(self, raw: Raw) -> list[_Level]:
        """The raw values anchor by anchor, in float32."""
        A = self.config.scales
        scale, clamp = self.config.base_scale, self.config.delta_clamp
        growth = math.inf if clamp is None else clamp
        levels = []
        for logits, deltas, valid, stride in zip(*raw, strict=True):
            T, device = valid.shape[1], valid.device
            anchors = level_anchors(T, stride=stride, scales=A, base_scale=scale, device=device)
            moved = decode(anchors, _by_anchor(deltas, A), max_growth=growth)
            wide = valid[..., None].expand(-1, -1, A).flatten(1)  # (B, TA)
            levels.append(_Level(anchors, _by_anchor(logits, A), moved, wide))
        return levels

    def _lesson(
        self,
        anchors: Float[Tensor, "P 2"],
        valid: Bool[Tensor, " P"],
        targets: Targets,
        *,
        classes: int,
    ) -> _Lesson:
        # Deviates: the authors train anchors over padding as background; here `valid` keeps
        # them out.  Equal where all is valid.
        action, trained = assign(
            anchors,
            valid,
            targets.segments,
            positive_iou=self.config.positive_iou,
            negative_iou=self.config.negative_iou,
        )
        labels = F.one_hot(targets.labels, classes).float()  # (N, K)
        if not self.config.one_label:
            # Deviates: the authors train the label of one of several actions in the same place
            # and punish the scores of the others there.
            same = (targets.segments[:, None] == targets.segments).all(-1)  # (N, N)
            labels = (same.float() @ labels).clamp(max=1)
        # Action 0 is background: without a label, and its segment does not matter.
        labels, segments = (F.pad(rows, (0, 0, 1, 0)) for rows in (labels, targets.segments))
        return _Lesson(action > 0, trained, labels[action], segments[action])


class _Level(NamedTuple):
    """A level anchor by anchor: where each was, its scores, and where it was moved to."""

    anchors: Float[Tensor, "TA 2"]
    logits: Float[Tensor, "B TA K"]
    segments: Float[Tensor, "B TA 2"]
    valid: Bool[Tensor, "B TA"]


class _Lesson(NamedTuple):
    """What the anchors of a window learn; `segments` counts where one has found an action."""

    found: Bool[Tensor, " P"]
    trained: Bool[Tensor, " P"]
    labels: Float[Tensor, "P K"]
    segments: Float[Tensor, "P 2"]


class _Tower(nn.Module):
    """Convolutions over three positions, each normalised and rectified."""

    def __init__(self, channels: int, width: int, *, stacked: int) -> None:
        super().__init__()
        widths = [channels] + [width] * stacked
        self.convs = nn.ModuleList(Conv(a, b, bias=False) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(BatchNorm(width) for _ in range(stacked))

    def forward(self, x: Padded) -> Padded:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(x))
            x = Padded(x.values.relu(), x.valid)
        return x


def _by_anchor(values: Float[Tensor, "B AD T"], A: int) -> Float[Tensor, "B TA D"]:
    B, AD, T = values.shape
    return values.float().reshape(B, A, AD // A, T).permute(0, 3, 1, 2).flatten(1, 2)
