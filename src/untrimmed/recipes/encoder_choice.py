"""Which encoder a machine can train on one's own videos, and what that encoder is usually given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from untrimmed.recipes.survey import Machine


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """An encoder, and what it is usually given.

    Args:
        settings: below `model.encoder`.
        weights: public weights that it starts from; None forms it on the training videos.
        why: the reason for choosing it.
        stride: frames of a cell.
        fps: usual rate.
        clip_frames: usual clip.
        short_side: of the frames that are read, in pixels.
        multiple: of which both sides are.
        crop: sides of what is seen of a frame, for networks that want squares.
        clip_gib: memory that a clip takes in training.
        forms: whether it is formed on short clips before it detects.
        width: channels between the encoder and the pyramid.
    """

    settings: dict[str, Any]
    weights: str | None
    why: str
    stride: int
    fps: float
    clip_frames: int
    short_side: int
    multiple: int = 8
    crop: int | None = None
    clip_gib: float = 0.2
    forms: bool = False
    width: int = 128


def _swin(size: str, weights: str, gib: float) -> Encoder:
    return Encoder(
        settings={"name": "video_swin", "size": size},
        weights=weights,
        why="The largest encoder of which public weights are here and that fits the GPU.",
        stride=2,
        fps=15.0,
        clip_frames=32,
        short_side=256,
        crop=224,
        clip_gib=gib,
        width=512,
    )


ON_GPU = (
    _swin("base", "video_swin_base_k600_22k", 1.2),
    _swin("base", "video_swin_base_k400_22k", 1.2),
    _swin("base", "swin3d_b_22k", 1.2),
    _swin("base", "swin3d_b_1k", 1.2),
    _swin("small", "video_swin_small_k400", 0.9),
    _swin("small", "swin3d_s", 0.9),
    _swin("tiny", "video_swin_tiny_k400", 0.5),
    _swin("tiny", "swin3d_t", 0.5),
)
"""The best first."""


def _mobilenet(weights: str) -> Encoder:
    return Encoder(
        settings={"name": "mobilenet_tsm"},
        weights=weights,
        why="The encoder for machines without a GPU of which public weights are here.",
        stride=4,
        fps=10.0,
        clip_frames=16,
        short_side=112,
        forms=True,
    )


ANYWHERE = (_mobilenet("mobilenet_tsm_k400"), _mobilenet("mobilenet_v2_imagenet"))

SMALL = Encoder(
    settings={"name": "conv3d"},
    weights=None,
    why="No public weights are here (`untrimmed weights list`): a small network of motion, formed"
    " on the training videos. It does not know what things look like.",
    stride=2,
    fps=10.0,
    clip_frames=16,
    short_side=48,
    forms=True,
)


_SMALLEST_SIDE = 32  # of frames, in pixels
_SMALLEST_KNOWN = 56  # for an encoder that knows what things look like when they are larger


def encoder_for(machine: Machine, *, smaller: int = 0) -> Encoder:
    """The best encoder whose weights are here and that the machine can train.

    Args:
        smaller: so many sizes below it, as far as there are any; see `_next_smaller`.
    """
    chosen = _best(machine)
    for _ in range(smaller):
        chosen = _next_smaller(chosen, machine)
    return chosen


def _next_smaller(encoder: Encoder, machine: Machine) -> Encoder:
    """Frames of half the pixels where the encoder takes any; else the next encoder, or itself.

    Public weights are not given up: a network that begins with nothing is no smaller one.
    """
    if encoder.crop is None:
        side = encoder.multiple * round(encoder.short_side / 2**0.5 / encoder.multiple)
        least = _SMALLEST_SIDE if encoder.weights is None else _SMALLEST_KNOWN
        return replace(encoder, short_side=max(side, least))
    below = ON_GPU[ON_GPU.index(encoder) + 1 :]
    other = (each for each in below if each.settings != encoder.settings)
    rest = (each for each in (*other, *ANYWHERE) if each.weights in machine.weights)
    return next(rest, encoder)


def _best(machine: Machine) -> Encoder:
    if machine.gpu_gib is not None:
        for each in ON_GPU:
            if each.weights in machine.weights and machine.gpu_gib >= 8 * each.clip_gib:
                return each
    return next((each for each in ANYWHERE if each.weights in machine.weights), SMALL)
