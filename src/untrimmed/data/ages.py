"""How long ago each part of a video was last encoded in training, in epochs.

The bank knows that in steps, but in another process than the one that chooses clips, and later.
What is chosen here depends on the seed and on what was chosen before alone; so any process that
repeats the choices of the epochs before, which decodes nothing, knows the same, also in a resumed
run.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.data.windows import Window


class Ages:
    """Of one video's cells, at an epoch.

    Args:
        cells: of the video.

    Attributes:
        epoch: of which the choice comes next.
    """

    def __init__(self, cells: int) -> None:
        self.epoch = 0
        self._last = np.full(cells, -1, np.int64)

    def of_clips(self, window: Window) -> Float64[np.ndarray, " clips"]:
        """Mean age of each clip's cells, from 1 for those of the epoch before; 1 without cells.

        A cell that never was encoded is as old as if it had been before the first epoch.
        """
        cells = self._cells(window)
        there = (cells >= 0) & (cells < len(self._last))
        ages = np.where(there, self.epoch - self._last[np.where(there, cells, 0)], 0)
        return np.asarray(np.maximum(ages.sum(1) / np.maximum(there.sum(1), 1), 1.0))

    def advance(self, window: Window, place: Int64[np.ndarray, " M"]) -> None:
        """Some clips of a window were encoded in this epoch, which is over."""
        cells = self._cells(window)[place].ravel()
        self._last[cells[(cells >= 0) & (cells < len(self._last))]] = self.epoch
        self.epoch += 1

    def _cells(self, window: Window) -> Int64[np.ndarray, "clips K"]:
        """Cells of the video that each clip of a window has; some may lie beyond it."""
        grid = window.clips
        first = grid.first_cell + grid.first_cell_of(0)
        return (first + np.arange(grid.parts * grid.cells_per_clip)).reshape(grid.parts, -1)
