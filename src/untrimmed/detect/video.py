"""Detect in one video of any length: encode once, slide windows over the features.

Two streams: clips are encoded in order (`detect.features`), windows are laid over the features
as soon as they are there, features that no later window needs are let go, and candidates become
detections on the way (`detect.postprocess.Pool`).  So memory holds a few windows, whatever the
length of the video, and the detections found so far.

Shapes: C channels, T cells of a window.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from untrimmed.core.bounds import above_0, shares_below_1
from untrimmed.core.detections import Detections
from untrimmed.core.grid import TimeGrid
from untrimmed.data.windows import WindowShape, sliding_starts
from untrimmed.detect.features import encode_video
from untrimmed.detect.postprocess import Pool, Suppression
from untrimmed.nn.detector import Detector
from untrimmed.nn.ops.precision import autocast
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

    def __post_init__(self) -> None:
        shares_below_1(self, "overlap")
        above_0(self, "clips_at_once")


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


Detecting = Generator[tuple[int, int], None, Detections]
"""Yields what is done and how much there is, and returns what was found."""


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
) -> Detecting:
    """Find actions in a video: yields the cells done and in all, returns detections, surest first.

    The caller sets the detector to evaluation, on `device`.

    Args:
        frames: of the video.

    Raises:
        MediaError: if a frame cannot be decoded.
    """
    if detector.encoder is None:
        raise ValueError("this detector has no encoder: it takes features, not frames")
    cells = shape.cells_of(frames.count)
    if cells == 0:
        return Detections.none()
    grid = TimeGrid(first_s=0.0, step_s=shape.stride / frames.fps, length=cells)
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
    pool = Pool(config.suppression)
    for start, window in laid_windows(
        features, cells=cells, length=shape.cells, overlap=config.overlap
    ):
        with autocast(device, bf16=bf16):
            raw = detector.locate(window)
        pool.add(detector.head.candidates(raw), grid.window(start, shape.cells))
        yield min(start + shape.cells, cells), cells
    return pool.detections(duration_s=frames.duration_s)
