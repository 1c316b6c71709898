"""An ActionFormer for features of one's own: every size from the data, with its reason.

Pure: a `Survey` and what the files hold give a tree of settings (`recipes.commented`).  Published
data sets have recipes of their own (`recipes.presets`).

Shapes: T cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from untrimmed.core.config import dump
from untrimmed.recipes.commented import Chosen, Tree
from untrimmed.recipes.effort import Effort, steps_for
from untrimmed.recipes.survey import FeatureRows, Machine, Survey
from untrimmed.sources.feature_files import FeatureFiles, Stack
from untrimmed.sources.feature_grid import FeatureGrid

SHORT_CELLS = 5
"""Cells that a short action covers at least, where rows are dense enough."""

REACH = 16
"""Positions of the coarsest level that the longest action covers at most."""

WINDOW = 9
"""Cells that a cell attends to, itself in the middle."""

_THIN = 32  # columns below which a row says too little to be left out
_WIDEST_STACK = 512
_FEWEST_LEVELS, _FEWEST_OF_LONG, _MOST_LEVELS, _LONG = 4, 5, 8, 512
_LONGEST, _LONGEST_ON_CPU = 4608, 2304
_BATCH_CELLS, _MOST_WINDOWS = 2304, 4
_CELL_S = 3.7e-4  # of a core of 2023, with 256 channels (docs/results.md)
_RATES = {512: 1.0e-4, 256: 3.0e-4, 128: 1.0e-3}


@dataclass(frozen=True, kw_only=True)
class Cells:
    """How rows become cells, and what the pyramid over them is.

    Args:
        files, grid: as the recipe has them.
        cell_s: seconds from a cell to the next.
        every: rows from the first of a cell to the first of the next.
        longest: cells of the longest video.
        levels: of the pyramid; each has half the cells of the one before.
        window: cells that are trained on at once, T.
    """

    files: tuple[FeatureFiles, ...]
    grid: FeatureGrid
    cell_s: float
    every: int
    longest: int
    levels: int
    window: int

    @property
    def coarsest_s(self) -> float:
        """Seconds between positions of the coarsest level."""
        return self.cell_s * (1 << (self.levels - 1))


def cells_for(survey: Survey, rows: FeatureRows, machine: Machine) -> Cells:
    """Cells so long that short actions cover several, levels so many that long ones are reached."""
    every = max(1, int(survey.short_s / rows.row_s / SHORT_CELLS + 1e-6))
    if rows.grid.step_frames is None:
        every = 1  # as many rows for every video: they cannot be thinned out alike
    files, grid = _thinned(rows, every)
    cell_s, longest = rows.row_s * every, max(1, rows.longest // every)
    wanted = 1 + math.ceil(math.log2(max(1.0, survey.long_s / cell_s / REACH)))
    fewest = _FEWEST_LEVELS if longest < _LONG else _FEWEST_OF_LONG  # to see what is far away
    levels = min(max(wanted, fewest), _MOST_LEVELS)
    unit = (WINDOW - 1) * 2 ** (levels - 1)
    most = _LONGEST if machine.gpu_gib else _LONGEST_ON_CPU
    # A window holds the longest action twice, whatever the machine.
    least = min(longest, math.ceil(2 * survey.long_s / cell_s))
    window = unit * max(1, math.ceil(min(longest, max(most, least)) / unit))
    return Cells(
        files=files,
        grid=grid,
        cell_s=cell_s,
        every=every,
        longest=longest,
        levels=levels,
        window=window,
    )


def feature_plan(
    survey: Survey,
    rows: FeatureRows,
    machine: Machine,
    *,
    data: Tree,
    effort: Effort | None = None,
) -> Tree:
    """The settings of a recipe.

    Args:
        data: settings of the data that are known: annotations, format, splits.
        effort: all that the data ask for if not given.
    """
    effort = effort or Effort()
    cells = cells_for(survey, rows, machine)
    numbers = _numbers(rows, cells)
    width = width_for(numbers, survey.facts.actions, machine, smaller=effort.smaller)
    return {
        "data": {**data, **_data(survey, rows, cells)},
        "model": _model(survey, cells, effort, numbers=numbers, width=width),
        "train": _train(survey, cells, machine, effort, width=width),
        "detect": {"suppression": _suppression(survey)},
    }


def _thinned(rows: FeatureRows, every: int) -> tuple[tuple[FeatureFiles, ...], FeatureGrid]:
    """Files and grid of cells that begin so many rows apart."""
    step, clip = rows.grid.step_frames, rows.grid.clip_frames
    if every == 1 or step is None:
        return rows.files, rows.grid
    if sum(rows.columns) >= _THIN:
        files = tuple(replace(each, every=every) for each in rows.files)
        return files, replace(rows.grid, step_frames=step * every)
    most = max(every, _WIDEST_STACK // sum(rows.columns))
    stack = Stack(rows=min(2 * every, most), step=every)
    files = tuple(replace(each, stack=stack) for each in rows.files)
    seen = None if clip is None else clip + (stack.rows - 1) * step
    return files, replace(rows.grid, step_frames=step * every, clip_frames=seen)


def _data(survey: Survey, rows: FeatureRows, cells: Cells) -> Tree:
    short = survey.short_s / cells.cell_s
    dense = (
        f"A cell every {cells.cell_s:.3g} s: 19 of 20 actions last {survey.short_s:.2f} s or more,"
        f" {short:.1f} cells; {SHORT_CELLS} are enough to find both ends."
    )
    if short < SHORT_CELLS - 0.5:
        dense += " The features are no denser; ends of shorter actions will be rough."
    stacked = cells.files[0].stack
    if stacked is not None:
        dense += f" Rows of few numbers are put side by side, {stacked.rows} in a cell."
    elif cells.every > 1:
        dense += f" So one row in {cells.every} is kept."
    fits = cells.longest <= cells.window
    return {
        "features": Chosen([_files(each) for each in cells.files], dense),
        "grid": Chosen(_grid(cells.grid), _where(rows, cells)),
        "cells": Chosen(
            cells.window,
            f"The longest video has {cells.longest} cells"
            + (
                "; all are seen whole."
                if fits
                else f"; longer are cropped to {cells.window * cells.cell_s:.0f} s, enough for the"
                f" longest action ({survey.long_s:.1f} s)."
            )
            + f" A multiple of {(WINDOW - 1) * 2 ** (cells.levels - 1)}, as {cells.levels} levels"
            f" with attention over {WINDOW} cells need it.",
        ),
        "crop": Chosen(
            [0.9, 1.0], "Videos that fit are cut a little at random, so that places are not learnt."
        ),
        "clean": Chosen(True, "Actions without length, and repeated ones, teach nothing."),
    }


def _where(rows: FeatureRows, cells: Cells) -> str:
    if rows.grid.step_frames is None:
        return "Every video has as many rows, spread over the whole of it."
    return (
        f"Where cells lie in time: {rows.row_s:.3g} s from row to row, as the sidecar of the"
        f" features, the command, or the lengths of the videos say; {cells.every} rows to a cell."
    )


def _model(survey: Survey, cells: Cells, effort: Effort, *, numbers: int, width: int) -> Tree:
    ranges = [[0.0, 4.0], *([2.0**n, 2.0 ** (n + 1)] for n in range(2, cells.levels + 1))]
    ranges[-1][1] = 10000.0
    return {
        "name": Chosen("actionformer", "Made for features; trains in minutes without a GPU."),
        "width": Chosen(
            width,
            f"{numbers} numbers of a cell, {survey.facts.actions} actions to learn from:"
            + (
                effort.of_size
                or {512: " the published width.", 256: " half the published width.", 128: " few."}[
                    width
                ]
            ),
        ),
        "branch_layers": Chosen(
            cells.levels - 1,
            f"{cells.levels} levels: the longest action, {survey.long_s:.1f} s, covers"
            f" {survey.long_s / cells.coarsest_s:.1f} positions of the coarsest"
            f" ({cells.coarsest_s:.2f} s each); more than {REACH} would be out of its reach.",
        ),
        "window": Chosen(WINDOW, "Coarser levels see further, so near cells are enough for each."),
        "blind": Chosen(True, "What is found in a video must not depend on how far it is padded."),
        "dropout": Chosen(0.1, f"{survey.facts.actions} actions are learnt by heart without."),
        "head": {
            "name": "point",
            "width": width,
            "blind": True,
            "ranges": Chosen(
                ranges, "Cells to the farther end of an action, level by level; each doubles."
            ),
            "positives": Chosen(100, "First guess of a mean that is followed; of little weight."),
        },
    }


def width_for(numbers: int, actions: int, machine: Machine, *, smaller: int = 0) -> int:
    """Channels of the network: no wider than what a cell holds, and what there is to learn from.

    Args:
        smaller: how often they are halved, as far as there are widths for it.
    """
    if actions >= 1500 and numbers >= 512 and machine.gpu_gib:
        width = 512
    else:
        width = 128 if numbers < _THIN and actions < 1500 else 256
    return max(width >> smaller, min(_RATES))


def _numbers(rows: FeatureRows, cells: Cells) -> int:
    """Of a cell, of all sets together."""
    return sum(
        files.width(columns) for files, columns in zip(cells.files, rows.columns, strict=True)
    )


def _train(survey: Survey, cells: Cells, machine: Machine, effort: Effort, *, width: int) -> Tree:
    videos, actions = survey.facts.videos, survey.facts.actions
    batch = batch_for(cells.window, videos)
    steps = steps_for(actions, videos=videos, batch=batch)
    epochs = max(1, int(math.ceil(steps * batch / videos) * effort.share))
    return {
        "epochs": Chosen(
            epochs,
            f"{epochs * videos // batch} steps of {batch} of {videos} videos; about {steps} are"
            f" enough for {actions} actions."
            + (effort.why or _minutes(epochs * videos * cells.window, width, machine)),
        ),
        "batch": Chosen(
            batch, f"{batch} windows of {cells.window} cells; more cells in a step gain nothing."
        ),
        "optimizer": Chosen(
            {"kind": "adamw", "lr": _RATES[width], "weight_decay": 0.05},
            "ActionFormer's for 512 channels is 1e-4; narrower networks bear more.",
        ),
        "schedule": Chosen(
            {
                "kind": "cosine",
                "warmup": "before",
                "warmup_epochs": max(1, epochs // 10),
                "warmup_from": 0.0,
            },
            "A tenth to warm up, then down to nothing: the last weights are the good ones.",
        ),
        "validate_every": Chosen(max(1, epochs // 5), "Five times in the run."),
    }


def _minutes(cells: float, width: int, machine: Machine) -> str:
    """How long so many cells take to learn from, where no GPU helps."""
    if machine.gpu_gib is not None:
        return ""
    minutes = cells * _CELL_S * (width / 256) ** 1.5 / 60
    return f" Some {max(1, round(minutes))} minutes of one core."


def batch_for(window: int, videos: int) -> int:
    """Windows of a step: two long ones or four short ones, if there are so many videos."""
    fit = min(max(2, round(_BATCH_CELLS / window)), _MOST_WINDOWS)
    return max(1, min(fit, videos // 2))


def _suppression(survey: Survey) -> Tree:
    most = min(max(100, 10 * survey.busiest), 2000)
    return {
        "method": Chosen("soft_nms", "ActionFormer's: what overlaps a surer one loses score."),
        "sigma": 0.5,
        "min_score": 0.001,
        "least_score": 0.001,
        "most": Chosen(most, f"Up to {survey.busiest} actions in a video; ten times as many kept."),
    }


def _files(files: FeatureFiles) -> dict[str, Any]:
    """Its settings without those that are as by default."""
    usual = dump(FeatureFiles(path=files.path))
    return {
        name: value for name, value in dump(files).items() if name == "path" or value != usual[name]
    }


def _grid(grid: FeatureGrid) -> dict[str, float]:
    return {name: value for name, value in dump(grid).items() if value is not None}
