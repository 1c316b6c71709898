"""Which encoder a machine can train on one's own videos, and what that encoder is usually given."""

from __future__ import annotations

from dataclasses import dataclass
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


def encoder_for(machine: Machine) -> Encoder:
    """The best encoder whose weights are here and that the machine can train."""
    if machine.gpu_gib is not None:
        for each in ON_GPU:
            if each.weights in machine.weights and machine.gpu_gib >= 8 * each.clip_gib:
                return each
    return next((each for each in ANYWHERE if each.weights in machine.weights), SMALL)
