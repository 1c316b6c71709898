"""What the head is to find in a window: seconds to cells, for ground truth.

The only place where actions leave seconds; `detect.postprocess` is its counterpart.
"""

from __future__ import annotations

import numpy as np
import torch

from untrimmed.core.actions import Actions
from untrimmed.core.grid import TimeGrid
from untrimmed.tensors import Targets


def targets(actions: Actions, grid: TimeGrid, *, least_share: float = 0.75) -> Targets:
    """Actions of a window in cells, clipped to it.

    An action counts if more than `least_share` of it lies in the window, or if it covers more
    than that share of the window; one that shows less is left out and so becomes background.
    Ignored actions are left out too.

    Args:
        actions: of the whole video, in seconds.
        grid: of the window.

    Source: the authors' random crop in time (share 0.75).
    """
    counted = actions[~actions.ignored]
    segments = grid.to_cells(counted.segments_s)
    clipped = np.clip(segments, 0.0, grid.length)
    seen = clipped[:, 1] - clipped[:, 0]
    length = np.maximum(segments[:, 1] - segments[:, 0], 1e-9)
    kept = (seen > 0) & (np.maximum(seen / length, seen / max(grid.length, 1)) > least_share)
    return Targets(
        torch.from_numpy(clipped[kept].astype(np.float32)),
        torch.from_numpy(counted.labels[kept].copy()),
    )
