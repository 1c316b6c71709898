"""A detector: an encoder, a temporal model and a head, one after another.

What a paper is made of is said in `models`; this file knows only how the parts fit.

Shapes: B videos, M clips encoded now, C channels, K cells per clip, L frames of a clip.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.nn.protocols import Encoder, Head, Temporal
from untrimmed.nn.splice import splice
from untrimmed.tensors import Clips, Padded


class Output(NamedTuple):
    """What a detector gives for a window.

    raw: what the head makes of it, for `head.loss` and `head.candidates`.
    fresh: features of the clips that were encoded, to be remembered; without a graph, and None
        if there were none.
    """

    raw: Any
    fresh: Float[Tensor, "B M C K"] | None


class Detector(nn.Module):
    """From a window of video, or of features, to what its head says.

    Args:
        encoder: None for a detector that only ever sees features.
        clips_at_once: how many clips the encoder takes in one call, all if None.  It treats each
            on its own, so this spends time to save memory and changes no result; only what is
            drawn at random in training is drawn call by call.
    """

    def __init__(
        self,
        encoder: Encoder | None,
        temporal: Temporal,
        head: Head,
        *,
        clips_at_once: int | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.temporal = temporal
        self.head = head
        self.clips_at_once = clips_at_once

    def forward(self, window: Clips | Padded) -> Output:
        """Clips are encoded and joined with what is remembered; features are taken as they are."""
        if isinstance(window, Padded):
            return Output(self.locate(window), None)
        features, fresh = self.encode(window)
        return Output(self.locate(features), fresh.detach())

    def encode(self, window: Clips) -> tuple[Padded, Float[Tensor, "B M C K"]]:
        """Features of the whole window, and those of its clips; both with their graph.

        Raises:
            ValueError: if this detector has no encoder, or there is no clip.
        """
        if self.encoder is None:
            raise ValueError("clips of frames came to a detector without an encoder")
        B, M = window.place.shape
        if B * M == 0:
            raise ValueError("no clip to encode; a window of memory alone comes as Padded")
        clips = window.frames.flatten(0, 1)  # (BM, 3, L, H, W)
        at_once = self.clips_at_once or B * M
        parts = [self.encoder(clips[i : i + at_once]) for i in range(0, B * M, at_once)]
        fresh = torch.cat(parts).reshape(B, M, *parts[0].shape[1:])  # (B, M, C, K)
        return splice(window.memory, fresh, clips=window.place), fresh

    def locate(self, features: Padded) -> Any:
        """What the head says of features, remembered, fresh or read from a file."""
        return self.head(self.temporal(features))
