"""Detect in features of a whole video, taken at once.

For detectors whose memory grows evenly with the length of what they see, such as ActionFormer.
Windows that slide over frames are in `detect.video`.

Shapes: C channels, T cells.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from untrimmed.core.detections import Detections
from untrimmed.core.grid import TimeGrid
from untrimmed.detect.postprocess import Suppression, detections, found
from untrimmed.nn.detector import Detector
from untrimmed.tensors import moved, pad


@torch.inference_mode()
def detect_sequence(
    detector: Detector,
    features: Float[Tensor, "C T"],
    *,
    grid: TimeGrid,
    duration_s: float,
    length: int,
    suppression: Suppression,
    device: torch.device | None = None,
    bf16: bool = False,
) -> Detections:
    """Actions found in a video, surest first.

    The caller sets the detector to evaluation, on `device`.

    Args:
        grid: where the cells lie.
        duration_s: of the video, to which detections are cut.
        length: cells to which the features are padded, at least T; a detector that was trained
            with padding may see its border (`models.actionformer`).
        bf16: compute in bfloat16 where PyTorch's autocast deems it safe.
    """
    device = device or torch.device("cpu")
    window = moved(pad([features], length=length), device)
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        raw = detector.locate(window)
    candidates = detector.head.candidates(raw)
    shown = found(candidates, grid, least_score=suppression.least_score)
    return detections([shown], duration_s=duration_s, config=suppression)
