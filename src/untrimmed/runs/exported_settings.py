"""What must be known to use an exported detector without this package: for a file of JSON.

How pixels or features are made, where cells lie in time, and how candidates become detections.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from untrimmed import __version__
from untrimmed.core.config import dump
from untrimmed.core.rate import Squeezed
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import FeatureData, VideoData
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.networks import window_shape
from untrimmed.runs.thresholds import kept
from untrimmed.sources.feature_grid import completed

FORMAT = 1
"""Raised when what stands in the file changes."""


def described(
    folder: RunFolder, recipe: Recipe, classes: Sequence[str], detector: Detector
) -> dict[str, Any]:
    """All but the graphs themselves: plain values."""
    threshold = kept(folder.path)
    data = recipe.data
    return {
        "format": FORMAT,
        "made_by": f"untrimmed {__version__}",
        "model": type(recipe.model).__module__.rpartition(".")[2],
        "classes": list(classes),
        "threshold": None if threshold is None else threshold.score,
        **(
            _of_videos(data, recipe, detector)
            if isinstance(data, VideoData)
            else _of_features(data)
        ),
        "suppression": dump(recipe.detect.suppression),
    }


def pixels_of(data: VideoData) -> tuple[int, int]:
    """Height and width of what the encoder sees."""
    return data.augment.crop or data.size


def _of_videos(data: VideoData, recipe: Recipe, detector: Detector) -> dict[str, Any]:
    assert detector.encoder is not None
    stride, rate = detector.encoder.stride, data.windows.fps
    shape = window_shape(data, stride=stride)
    squeezed = isinstance(rate, Squeezed)
    return {
        "video": {
            "fps": None if squeezed else rate,
            "most_frames": rate.frames if isinstance(rate, Squeezed) else None,
            "size": list(data.size),
            "crop": list(pixels_of(data)),
        },
        "windows": {
            "clip_frames": shape.clip_frames,
            "clips": shape.clips,
            "cells_of_a_clip": shape.clip_frames // stride,
            "overlap": recipe.detect.overlap,
        },
        "time": {
            "first_s": 0.0,
            "step_s": None if isinstance(rate, Squeezed) else stride / rate,
            "frames_of_a_cell": stride,
        },
    }


def _of_features(data: FeatureData) -> dict[str, Any]:
    grid = completed(data.grid, data.features)
    known = grid.fps is not None and grid.resize is None
    clip, step = grid.clip_frames, grid.step_frames
    return {
        "features": dump(grid),
        "time": {
            "first_s": 0.5 * clip / grid.fps if known and clip and grid.fps else None,
            "step_s": step / grid.fps if known and step and grid.fps else None,
        },
    }
