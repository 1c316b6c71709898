"""Which file holds which video of a set of features, and which of its numbers are cells: settings.

A set is a folder with a file for each video, or one archive with an entry for each.  It is opened
by `sources.feature_set`; where cells lie in time is said by `sources.feature_grid`.

Shapes: R rows and D columns of a file, T cells, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from untrimmed.core.bounds import above_0


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Cells of several rows each, as from the samples of a sensor.

    Args:
        rows: of a cell, side by side: C = rows * D.
        step: rows from the first of a cell to the first of the next.
    """

    rows: int
    step: int

    def __post_init__(self) -> None:
        above_0(self, "rows", "step")


@dataclass(frozen=True, kw_only=True)
class FeatureFiles:
    """Where a set of features lies, and what of it is taken.

    Args:
        path: a folder with a file for each video (.npy, .npz, .h5, .hdf5, .safetensors, .csv, and
            .pt where PyTorch is at hand), or an archive with an entry for each (.npz, .h5, .hdf5,
            .safetensors).
        prefix: of the names of files or entries, before the id of the video.
        suffix: of the names, after the id, with the ending, as in "_rgb.npy"; null takes the one
            file that there is, and of an archive the entry that is called as the video.
        array: the name of the array where a file or entry holds several; null takes the only one.
        columns: first channel taken and first not taken; null takes all.
        transposed: whether files hold C x T, not T x C.
        stack: makes cells of several rows; null makes each row a cell.
        every: keeps the first cell and every so many-th after it.
        channels: of a cell, as the network is to have them; null takes what the files have.
    """

    path: Path
    prefix: str = ""
    suffix: str | None = None
    array: str | None = None
    columns: tuple[int, int] | None = None
    transposed: bool = False
    stack: Stack | None = None
    every: int = 1
    channels: int | None = None

    def __post_init__(self) -> None:
        above_0(self, "every", "channels")
        if self.columns is not None and not 0 <= self.columns[0] < self.columns[1]:
            raise ValueError(f"columns must be two numbers in rising order, got {self.columns}")

    @property
    def rows_of_cell(self) -> int:
        """Rows that a cell consists of."""
        return 1 if self.stack is None else self.stack.rows

    @property
    def rows_between(self) -> int:
        """Rows from the first of a cell to the first of the next."""
        return self.every * (1 if self.stack is None else self.stack.step)

    def width(self, columns: int) -> int:
        """Channels of a cell, of rows of so many columns."""
        first, last = self.columns or (0, columns)
        return (last - first) * self.rows_of_cell

    def cells(self, rows: int) -> int:
        """Cells that so many rows make; 0 if they are too few for one."""
        return max(0, (rows - self.rows_of_cell) // self.rows_between + 1)
