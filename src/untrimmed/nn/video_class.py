"""What a video shows as a whole, beside a head that says where something happens.

On ActivityNet one class of action fills a video: AFSD (Lin et al., CVPR 2021) and TALLFormer
(Cheng & Bertasius, ECCV 2022, sec. 4.2) find actions of no class and multiply their scores with
those of a classifier of videos, theirs with one of its own, trained together with the rest.
Classifiers of others are heard in `detect.classify`.

Shapes: B videos, C channels, T cells, K classes, N candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.core.bounds import above_0, shares_below_1
from untrimmed.nn.ops.losses import softmax_focal
from untrimmed.nn.ops.processes import mean_over_all
from untrimmed.nn.protocols import Head
from untrimmed.tensors import Candidates, Losses, Padded, Pyramid, Targets


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the classifier; the defaults are those of TALLFormer's code on ActivityNet.

    Args:
        features: what it averages over time, those of the encoder (and memory), or, as the paper
            has it, what the consistency module makes of them.
        loss: `cross_entropy`, or, as the paper has it, `focal`.
        dropout: of the average, in training.
        likeliest: of so many classes a candidate may be, by the classifier; the scores of all
            others are 0.  TALLFormer has 2 on ActivityNet, 1 on HACS.
    """

    features: Literal["encoder", "consistency"] = "encoder"
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    dropout: float = 0.5
    likeliest: int = 2

    def __post_init__(self) -> None:
        shares_below_1(self, "dropout")
        above_0(self, "likeliest")


class Raw(NamedTuple):
    """What is said of a window.

    located: by the head that says where.
    logits: of no class (0) and of the classes.
    """

    located: Any
    logits: Float[Tensor, "B K1"]


class VideoClassHead(nn.Module):
    """A head of one class, and a linear classifier of the window's mean.

    Soft-NMS multiplies scores, so it may follow class by class and gives what the authors get who
    suppress first and multiply with the classes then.

    Args:
        head: built for a single class.
        channels: C, of the features that represent the window (`Pyramid.whole`).
        classes: K.
    """

    def __init__(self, config: Config, head: Head, *, channels: int, classes: int) -> None:
        super().__init__()
        self.config = config
        self.head = head
        self.dropout = nn.Dropout(config.dropout)
        # No class is never taught; the authors' weights have it.
        self.classifier = nn.Linear(channels, classes + 1)

    def forward(self, pyramid: Pyramid) -> Raw:
        """Locate, and classify the mean over the valid cells.

        Raises:
            ValueError: if the pyramid does not come with features of the whole window.
        """
        if pyramid.whole is None:
            raise ValueError("a classifier of videos, but a pyramid without their features")
        mean = _mean(pyramid.whole)
        return Raw(self.head(pyramid), self.classifier(self.dropout(mean)))

    def loss(self, raw: Raw, targets: Sequence[Targets]) -> Losses:
        """Losses of the head, for which all actions are of one class, and `video_class`.

        The class of a video is that of its first action; a video without any teaches none.
        """
        one_class = [Targets(video.segments, torch.zeros_like(video.labels)) for video in targets]
        losses = self.head.loss(raw.located, one_class)
        taught = [row for row, video in enumerate(targets) if len(video.labels)]
        labels = [targets[row].labels[0] + 1 for row in taught]
        logits = _full(raw.logits)
        wanted = (
            torch.stack(labels) if labels else torch.zeros_like(logits[:0, 0], dtype=torch.long)
        )
        logits = logits[taught]
        if self.config.loss == "focal":
            missed = softmax_focal(logits, wanted)
        else:
            missed = F.cross_entropy(logits, wanted, reduction="none")
        return {**losses, "video_class": mean_over_all(missed)}

    def proposals(self, raw: Raw) -> Candidates:
        """Candidates of the head, of no class, for a classifier of others."""
        return self.head.candidates(raw.located)

    def candidates(self, raw: Raw) -> Candidates:
        """Those of the head, as candidates of the likeliest classes, by the product of scores."""
        located = self.proposals(raw)
        # Deviates: no class is none of the likeliest; the authors take it for the last class.
        classes = _full(raw.logits).softmax(-1)[:, 1:]  # (B, K)
        best = classes.topk(min(self.config.likeliest, classes.shape[1]), dim=1)
        likely = torch.zeros_like(classes).scatter(1, best.indices, best.values)
        return located._replace(scores=located.scores * likely[:, None])  # (B, N, K)


class Unclassified(nn.Module):
    """A head of which the classes are not heard: its candidates are those of a single class."""

    def __init__(self, head: VideoClassHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, pyramid: Pyramid) -> Raw:
        raw: Raw = self.head(pyramid)
        return raw

    def loss(self, raw: Raw, targets: Sequence[Targets]) -> Losses:
        """Losses of the head, its classes included."""
        return self.head.loss(raw, targets)

    def candidates(self, raw: Raw) -> Candidates:
        """What the head finds, of no class."""
        return self.head.proposals(raw)


def _mean(x: Padded) -> Float[Tensor, "B C"]:
    """Over the valid cells of every video; 0 if there are none."""
    return x.values.sum(-1) / x.valid.sum(-1, keepdim=True).clamp(min=1)


def _full(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    return x.to(torch.promote_types(x.dtype, torch.float32))
