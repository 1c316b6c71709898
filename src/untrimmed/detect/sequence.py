"""Detect in features of a whole video, taken at once, or in windows if it is very long.

For detectors whose memory grows evenly with the length of what they see, such as ActionFormer.
Windows that slide over frames are in `detect.video`.

Shapes: C channels, T cells, N candidates.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from untrimmed.core.detections import Detections
from untrimmed.core.grid import TimeGrid
from untrimmed.detect.postprocess import Pool, Suppression
from untrimmed.nn.detector import Detector
from untrimmed.nn.ops.precision import autocast
from untrimmed.tensors import Candidates, moved, pad

WINDOW = 2**15
"""Cells, over an hour of most features, from which on a sequence is best looked at in windows."""

MARGIN = 2**11
"""Cells; ActionFormer's candidates depend on 1,000 to either side with its widest settings."""


@torch.inference_mode()
def detect_sequence(
    detector: Detector,
    features: Float[Tensor, "C T"],
    *,
    grid: TimeGrid,
    duration_s: float,
    length: int,
    suppression: Suppression,
    window: int | None = None,
    margin: int = MARGIN,
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
        window: cells that are looked at together where there are more, with `margin` of the next
            ones at either side; all at once if not given.
        margin: cells at the border of a window whose candidates are left to its neighbour.  What
            lies this far apart must not matter to the detector: then windows change nothing.
        bf16: compute in bfloat16, see `nn.ops.precision`.
    """
    T = features.shape[1]
    device = device or torch.device("cpu")
    pool = Pool(suppression)
    if window is None or window >= T:
        starts, window = [0], length
    else:
        stride = max(detector.temporal.strides)
        step = (window - 2 * margin) // stride * stride
        if step < 1:
            raise ValueError(f"a window of {window} cells is all margin, {margin} at either side")
        starts = list(range(0, T - 2 * margin, step))
    for start in starts:
        part = moved(pad([features[:, start : start + window]], length=window), device)
        with autocast(device, bf16=bf16):
            raw = detector.locate(part)
        first = start + margin if start > 0 else -torch.inf
        last = start + step + margin if start != starts[-1] else torch.inf
        candidates = _between(detector.head.candidates(raw), first - start, last - start)
        pool.add(candidates, grid.window(start, window))
    return pool.detections(duration_s=duration_s)


def _between(candidates: Candidates, first: float, last: float) -> Candidates:
    """The candidates whose middle lies in [first, last) cells, of a single window."""
    middle = candidates.segments[0].mean(1)
    kept = (middle >= first) & (middle < last)
    return Candidates(candidates.segments[:, kept], candidates.scores[:, kept])
