"""Detect in one video of any length: encode once, slide windows over the features.

Two streams: clips are encoded in order (`detect.features`), windows are laid over the features
as soon as they are there, and features that no later window needs are let go.  So memory holds
one window, whatever the length of the video, and the candidates found so far.

Shapes: C channels, T cells of a window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from untrimmed.core.detections import Detections
from untrimmed.core.grid import TimeGrid
from untrimmed.data.windows import WindowShape, sliding_starts
from untrimmed.detect.features import encode_video
from untrimmed.detect.postprocess import Suppression, detections, found
from untrimmed.nn.detector import Detector
from untrimmed.sources.frames import Frames
from untrimmed.tensors import Padded


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a trained detector is run over a video.

    Args:
        overlap: share of a window that the next one sees again.
        suppression: how many detections of one action become one.
        clips_at_once: clips in one call of the encoder.
    """

    overlap: float = 0.25
    suppression: Suppression = field(default_factory=Suppression)
    clips_at_once: int = 4


def laid_windows(
    pieces: Iterable[Float[Tensor, "C n"]], *, cells: int, length: int, overlap: float
) -> Iterator[tuple[int, Padded]]:
    """Windows of `length` cells over features that come in pieces, with their first cells.

    Args:
        pieces: features from the start of the video on, `cells` in all.

    Source: windows as `data.windows.sliding_starts` lays them.
    """
    stream = iter(pieces)
    held: Tensor | None = None
    held_first = 0
    for start in sliding_starts(cells, length=length, overlap=overlap):
        if held is not None:
            held, held_first = held[:, start - held_first :], start
        while held is None or held_first + held.shape[1] < min(start + length, cells):
            piece = next(stream)
            held = piece if held is None else torch.cat([held, piece], 1)
        C, n = held.shape[0], min(held.shape[1], length)
        values = held.new_zeros(1, C, length)
        values[0, :, :n] = held[:, :n]
        valid = (torch.arange(length, device=held.device) < n)[None]
        yield start, Padded(values, valid)


@torch.inference_mode()
def detect_video(
    detector: Detector,
    frames: Frames,
    *,
    shape: WindowShape,
    config: Config,
    crop: tuple[int, int] | None = None,
    device: torch.device | None = None,
    bf16: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Detections:
    """Actions found in a video, surest first.

    The caller sets the detector to evaluation, on `device`.

    Args:
        frames: of the video, at the rate of `shape`.
        progress: called with the cells done and the cells in all.

    Raises:
        MediaError: if a frame cannot be decoded.
    """
    if detector.encoder is None:
        raise ValueError("this detector has no encoder: it takes features, not frames")
    cells = shape.cells_of(frames.count)
    if cells == 0:
        return Detections.none()
    grid = TimeGrid(first_s=0.0, step_s=shape.stride / shape.fps, length=cells)
    device = device or torch.device("cpu")
    features = encode_video(
        detector.encoder,
        frames,
        clip_frames=shape.clip_frames,
        crop=crop,
        clips_at_once=config.clips_at_once,
        device=device,
        bf16=bf16,
    )
    windows = []
    least = config.suppression.least_score
    for start, window in laid_windows(
        features, cells=cells, length=shape.cells, overlap=config.overlap
    ):
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            raw = detector.locate(window)
        candidates = detector.head.candidates(raw)
        windows.append(found(candidates, grid.window(start, shape.cells), least_score=least))
        if progress is not None:
            progress(min(start + shape.cells, cells), cells)
    return detections(windows, duration_s=frames.duration_s, config=config.suppression)
