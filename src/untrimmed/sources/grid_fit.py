"""Which clips features were made from, judged by how many cells videos of known length have.

A wrong rate or step is the commonest reason why results are good in the first seconds only.  The
number of cells gives it away: clips of w frames, one every s frames, fit (n - w) / s + 1 times into
n frames.  The length of clips shows less: encoders round and pad the end of a video differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from untrimmed.core.annotations import Video
from untrimmed.sources.feature_grid import FeatureGrid

# Frames of a clip and frames between clips that published features have.
_CLIPS = (
    (16, 4),
    (16, 16),
    (32, 16),
    (16, 8),
    (32, 8),
    (8, 8),
    (64, 8),
    (32, 32),
    (9, 9),
    (64, 64),
    (1, 1),
    (16, 1),
)
_RATES = (None, 30.0, 25.0, 15.0, 24.0, 10.0)

# Share of its length that a video may be longer or shorter than annotated: to be called fitting,
# and to be called a misfit.
_CLOSE, _FAR = 0.01, 0.05


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A grid and how well it fits.

    Args:
        grid: without `resize`.
        share: of the videos whose cells it explains, in [0, 1].
        off: seconds that the features of the median video end too early or late, as a share of
            the time between cells.
    """

    grid: FeatureGrid
    share: float
    off: float


def fitting_grids(
    videos: Iterable[Video], rows: Mapping[str, int], *, fps: float | None = None
) -> list[Fit]:
    """Grids that explain the cells of most videos, the best first; the last is what was measured.

    Several may explain them: 4 frames at 30 per second are 2 at 15.

    Args:
        videos: with the durations of the annotations.
        rows: cells by video, before any resizing; videos without an entry are not looked at.
        fps: the rate, if it is known.
    """
    seen = [video for video in videos if rows.get(video.id, 0) > 0 and video.duration_s > 0]
    if not seen:
        return []
    fits = []
    if len(seen) > 1 and len({rows[video.id] for video in seen}) == 1 and _differ(seen):
        fits.append(Fit(grid=FeatureGrid(), share=1.0, off=0.0))
    known = all(video.fps is not None for video in seen)
    rates = [rate for rate in (_RATES if fps is None else (fps,)) if rate is not None or known]
    for rate in rates:
        for clip_frames, step_frames in _CLIPS:
            grid = FeatureGrid(fps=rate, clip_frames=clip_frames, step_frames=step_frames)
            fit = _fit(grid, seen, rows)
            if fit.share > 0.5:
                fits.append(fit)
    measured = [_fit(_measured(seen, rows, rate), seen, rows) for rate in rates[:2]]
    return [*sorted(fits, key=_badness), min(measured, key=_badness)]


def misfit(grid: FeatureGrid, videos: Sequence[Video], rows: Mapping[str, int]) -> str | None:
    """What is wrong if the cells of most videos contradict a grid, and what would fit; else None.

    Args:
        grid: complete.
        rows: as for `fitting_grids`.

    Raises:
        ConfigError: if the grid lacks what it needs.
    """
    seen = [video for video in videos if rows.get(video.id, 0) > 0 and video.duration_s > 0]
    if not seen:
        return None
    if grid.step_frames is None:
        counts = sorted(rows[video.id] for video in seen)
        if counts[0] == counts[-1]:
            return None
        said = f"videos have {counts[0]} to {counts[-1]} cells, not one number of them"
    else:
        if np.mean(_excess(grid, seen, rows, tolerance=_FAR) == 0) >= 0.5:
            return None
        ratios = [grid.covered_s(video, rows[video.id]) / video.duration_s for video in seen]
        median = seen[int(np.argsort(ratios)[len(ratios) // 2])]
        said = (
            f"{described(grid)} make the {rows[median.id]} cells of {median.id} cover"
            f" {grid.covered_s(median, rows[median.id]):.1f} s, but it lasts"
            f" {median.duration_s:.1f} s, and so with most videos"
        )
    return f"{said}; {described(fitting_grids(seen, rows)[0].grid)} would fit"


def described(grid: FeatureGrid) -> str:
    """A grid in words."""
    if grid.step_frames is None:
        return "cells spread over the whole video"
    rate = "the rate of the video" if grid.fps is None else f"{grid.fps:g} frames per second"
    return f"clips of {grid.clip_frames:g} frames, one every {grid.step_frames:g}, at {rate}"


def _fit(grid: FeatureGrid, videos: Sequence[Video], rows: Mapping[str, int]) -> Fit:
    close = _excess(grid, videos, rows, tolerance=_CLOSE)
    exact = _excess(grid, videos, rows, tolerance=0.0)
    return Fit(grid=grid, share=float(np.mean(close == 0)), off=float(np.median(exact)))


def _excess(
    grid: FeatureGrid, videos: Sequence[Video], rows: Mapping[str, int], *, tolerance: float
) -> Float64[np.ndarray, " N"]:
    """Cells that each video has too many or too few, beyond what rounding explains.

    A last clip may begin before the end and be padded, or end less than two steps before it.
    """
    assert grid.step_frames is not None
    assert grid.clip_frames is not None
    excess = []
    for video in videos:
        covered_s = grid.covered_s(video, rows[video.id])
        step_s = grid.step_frames * covered_s / _frames(grid, rows[video.id])
        left = (video.duration_s - covered_s) / step_s
        slack = tolerance * video.duration_s / step_s
        padded = grid.clip_frames / grid.step_frames
        excess.append(max(0.0, left - 1 - slack, -padded - left - slack))
    return np.array(excess)


def _frames(grid: FeatureGrid, rows: int) -> float:
    assert grid.step_frames is not None
    assert grid.clip_frames is not None
    return (rows - 1) * grid.step_frames + grid.clip_frames


def _measured(videos: Sequence[Video], rows: Mapping[str, int], fps: float | None) -> FeatureGrid:
    """Clips without overlap, as long as the videos say."""
    rates = [fps or video.fps or 0.0 for video in videos]
    steps = [
        rate * video.duration_s / rows[video.id] for rate, video in zip(rates, videos, strict=True)
    ]
    step = round(float(np.median(steps)), 3)
    return FeatureGrid(fps=fps, clip_frames=step, step_frames=step)


def _badness(fit: Fit) -> tuple[float, float]:
    return -round(fit.share, 2), round(fit.off, 1)  # so coarse that equals keep their order


def _differ(videos: Sequence[Video]) -> bool:
    durations_s = [video.duration_s for video in videos]
    return max(durations_s) > 1.1 * min(durations_s)
