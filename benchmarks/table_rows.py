"""The rows of TALLFormer's tables 2 and 5 in the small, for `benchmarks.tables`.

A study is a recipe and rows that change some of its settings.  Rivals of table 2, and rows of
tables 5b and 5c, encode as many frames in a training step as the row `tallformer`, and so take as
much memory for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import untrimmed.demo
from untrimmed.recipes.recipe import Recipe, read_recipe


class Row(NamedTuple):
    """A run: what it is called, the tables it is in, and what is changed for it."""

    text: str
    tables: tuple[str, ...]
    settings: tuple[str, ...] = ()


class Study(NamedTuple):
    """Rows on one data set, in the order in which they are run, and the split that is scored."""

    recipe: Path
    split: str
    rows: dict[str, Row]

    def recipe_of(self, name: str) -> Recipe:
        """The recipe with what a row changes; its paths are not those of the data."""
        return read_recipe(self.recipe, settings=self.rows[name].settings)


_UCF101 = {
    "frozen": Row("LT-Frozen: r = 0, 40 s", ("2",), ("data.memory.keep=0",)),
    # Without memory all clips of a window are fresh: r = 1.  The memory is for the first steps.
    "short": Row("ST-E2E, short: 6 s", ("2",), ("data.windows.clips=3", "data.memory.keep=1")),
    # As many frames over 40 s.  Anchors are of 2 s at least: half of a cell, which is of 3.3 s.
    "sparse": Row(
        "ST-E2E, sparse: 40 s, 0.6 frames per second",
        ("2",),
        (
            "data.windows={fps: 0.6, clip_frames: 8, clips: 3}",
            "data.memory.keep=1",
            "model.head.base_scale=0.6",
        ),
    ),
    "tallformer": Row("TALLFormer: r = 0.15, 40 s", ("2", "5a", "5b", "5c")),
    "alone": Row("without consistency", ("5b",), ("model.consistency_layers=0",)),
    "10s": Row("10 s", ("5c",), ("data.windows.clips=5", "data.memory.keep=0.6")),
    "20s": Row("20 s", ("5c",), ("data.windows.clips=10", "data.memory.keep=0.3")),
    "r30": Row("r = 0.3", ("5a",), ("data.memory.keep=0.3",)),
    "r60": Row("r = 0.6", ("5a",), ("data.memory.keep=0.6",)),
    "r100": Row("r = 1", ("5a",), ("data.memory.keep=1",)),
}

_DEMO = {
    "tallformer": Row("TALLFormer: r = 0.25, 25.6 s", ("2", "5a", "5b", "5c")),
    "frozen": Row("LT-Frozen: r = 0, 25.6 s", ("2",), ("data.memory.keep=0",)),
    "short": Row(
        "ST-E2E, short: 6.4 s", ("2", "5c"), ("data.windows.clips=4", "data.memory.keep=1")
    ),
    # A cell is four times as long; anchors stay as long in seconds.
    "sparse": Row(
        "ST-E2E, sparse: 25.6 s, 2.5 frames per second",
        ("2",),
        (
            "data.windows={fps: 2.5, clip_frames: 16, clips: 4}",
            "data.memory.keep=1",
            "model.head.base_scale=0.5",
        ),
    ),
    "alone": Row("without consistency", ("5b",), ("model.consistency_layers=0",)),
    "12.8s": Row("12.8 s", ("5c",), ("data.windows.clips=8", "data.memory.keep=0.5")),
    "r50": Row("r = 0.5", ("5a",), ("data.memory.keep=0.5",)),
    "r100": Row("r = 1", ("5a",), ("data.memory.keep=1",)),
}

STUDIES = {
    "ucf101": Study(Path(__file__).parent / "ucf101.yaml", "test", _UCF101),
    "demo": Study(Path(untrimmed.demo.__file__).parent / "recipe.yaml", "testing", _DEMO),
}
