"""A detector: an encoder, a temporal model and a head, one after another.

What a paper is made of is said in `models`; this file knows only how the parts fit, and how many
clips are trained through in little memory.

Shapes: B videos, M clips encoded now, N = B M, C channels, K cells per clip, L frames of a clip,
D draws of stochastic depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from untrimmed.nn.protocols import Encoder, Head, Repeatable, Temporal
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


Pixels = Callable[[Num[Tensor, "n 3 L H W"], slice], Num[Tensor, "n 3 L _ _"]]
"""What the encoder sees of some clips, on its device, told which they are of all N, counted window
by window.  Asked again for the same clips it must give the same."""


class Detector(nn.Module):
    """From a window of video, or of features, to what its head says.

    Clips go through the encoder some at a time, each on its own.  In training all but the last
    such call keep nothing for the backward pass, which makes each anew when its turn comes: so
    the peak of memory is that of one call, however many clips there are, and a step whose clips
    are one call costs no more time.  The gradient is that of one large call, to rounding, where
    the encoder treats each clip on its own; batch statistics that are being trained in it are
    those of a call.

    Args:
        encoder: None for a detector that only ever sees features.
        clips_at_once: how many clips the encoder takes in one call, all if None.
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

    def forward(
        self,
        window: Clips | Padded,
        *,
        pixels: Pixels | None = None,
        keep: Bool[Tensor, "D N"] | None = None,
    ) -> Output:
        """Clips are encoded and joined with what is remembered; features are taken as they are.

        Args:
            pixels, keep: as in `encode`.
        """
        if isinstance(window, Padded):
            return Output(self.locate(window), None)
        features, fresh = self.encode(window, pixels=pixels, keep=keep)
        return Output(self.locate(features), fresh.detach())

    def encode(
        self,
        window: Clips,
        *,
        pixels: Pixels | None = None,
        keep: Bool[Tensor, "D N"] | None = None,
    ) -> tuple[Padded, Float[Tensor, "B M C K"]]:
        """Features of the whole window, and those of its clips; both with their graph.

        Args:
            pixels: makes of the window's frames what the encoder sees, call by call, so that
                neither all of them nor their augmented copies need be on the device at once; the
                frames themselves if not given.
            keep: which clips keep each branch that the encoder may leave out, as it draws them;
                if not given, drawn in training for all clips at once.

        Raises:
            ValueError: if this detector has no encoder, or there is no clip.
        """
        if self.encoder is None:
            raise ValueError("clips of frames came to a detector without an encoder")
        B, M = window.place.shape
        if B * M == 0:
            raise ValueError("no clip to encode; a window of memory alone comes as Padded")
        clips = window.frames.flatten(0, 1)  # (N, 3, L, H, W)
        network = cast(nn.Module, self.encoder)
        if keep is None and network.training and isinstance(self.encoder, Repeatable):
            keep = self.encoder.draw_keep(B * M)
        at_once = self.clips_at_once or B * M
        is_trained = torch.is_grad_enabled() and any(p.requires_grad for p in network.parameters())
        parts = []
        for first in range(0, B * M, at_once):
            some = slice(first, first + at_once)
            features = _features(
                self.encoder,
                partial(pixels or _as_they_are, clips[some], some),
                keep=None if keep is None else keep[:, some],
            )
            # The backward pass comes to the last call first, so that its graph may stay.
            if is_trained and some.stop < B * M:
                parts.append(_forgotten(features, self.encoder, like=window.memory.values))
            else:
                parts.append(features())
        fresh = torch.cat(parts).reshape(B, M, *parts[0].shape[1:])  # (B, M, C, K)
        return splice(window.memory, fresh, clips=window.place, shift=window.shift), fresh

    def locate(self, features: Padded) -> Any:
        """What the head says of features, remembered, fresh or read from a file."""
        return self.head(self.temporal(features))


def _as_they_are(clips: Tensor, _some: slice) -> Tensor:
    return clips


def _features(
    encoder: Encoder, pixels: Callable[[], Tensor], *, keep: Bool[Tensor, "D n"] | None
) -> Callable[[], Tensor]:
    """How the features of some clips are made, as often as asked; the frozen part is done here."""
    if not isinstance(encoder, Repeatable):
        return lambda: encoder(pixels())
    if encoder.begins_frozen:
        return partial(encoder.trained, encoder.frozen(pixels()), keep=keep)
    return lambda: encoder.trained(encoder.frozen(pixels()), keep=keep)


def _forgotten(features: Callable[[], Tensor], encoder: Encoder, *, like: Tensor) -> Tensor:
    """What `features` gives, of which the graph is made anew in the backward pass.

    Args:
        like: on the device of the encoder; PyTorch looks at it for whose random state to restore.
    """

    def once(like: Tensor) -> Tensor:
        with _summed_in_float32(like.device.type):
            return features()

    given: Tensor = checkpoint(
        once,
        like,
        use_reentrant=False,
        preserve_rng_state=not isinstance(encoder, Repeatable),
        context_fn=lambda: (nullcontext(), _counted_once(cast(nn.Module, encoder))),
    )
    return given


def _summed_in_float32(device: str) -> AbstractContextManager[Any]:
    """The same autocast, if any, with copies of the weights for this call alone.

    A copy that all calls share would also gather the gradient of all, in its own low precision:
    with 24 calls of a small Video Swin in bfloat16 that doubled the error of the gradient.
    """
    if not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, torch.get_autocast_dtype(device), cache_enabled=False)


@contextmanager
def _counted_once(encoder: nn.Module) -> Iterator[None]:
    """Leave running statistics as they are: they have seen the clips of a repeated call."""
    buffers = [
        buffer
        for module in encoder.modules()
        if module.training
        for buffer in module.buffers(recurse=False)
    ]
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.data.copy_(value)  # not in place for autograd, which may have saved it
