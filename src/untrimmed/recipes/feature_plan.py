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
_FEWEST_LEVELS, _MOST_LEVELS = 4, 8
_LONGEST, _LONGEST_ON_CPU = 4608, 2304
_BATCH_CELLS = 2304


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
    levels = min(max(wanted, _FEWEST_LEVELS), _MOST_LEVELS)
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


def feature_plan(survey: Survey, rows: FeatureRows, machine: Machine, *, data: Tree) -> Tree:
    """The settings of a recipe.

    Args:
        data: settings of the data that are known: annotations, format, splits.
    """
    cells = cells_for(survey, rows, machine)
    return {
        "data": {**data, **_data(survey, rows, cells)},
        "model": _model(survey, rows, cells, machine),
        "train": _train(survey, cells),
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


def _model(survey: Survey, rows: FeatureRows, cells: Cells, machine: Machine) -> Tree:
    many = survey.facts.actions >= 1500 and sum(rows.columns) >= 512
    width = 512 if many and machine.gpu_gib else 256
    ranges = [[0.0, 4.0], *([2.0**n, 2.0 ** (n + 1)] for n in range(2, cells.levels + 1))]
    ranges[-1][1] = 10000.0
    return {
        "name": Chosen("actionformer", "Made for features; trains in minutes without a GPU."),
        "width": Chosen(
            width,
            f"{sum(rows.columns)} numbers of a row, {survey.facts.actions} actions to learn from:"
            + (" the published width." if width == 512 else " half the published width is enough."),
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


def _train(survey: Survey, cells: Cells) -> Tree:
    videos, actions = survey.facts.videos, survey.facts.actions
    batch = batch_for(cells.window, videos)
    steps = steps_for(actions)
    epochs = max(10, math.ceil(steps * batch / videos))
    return {
        "epochs": Chosen(
            epochs,
            f"{epochs * videos // batch} steps of {batch} of {videos} videos; about {steps} are"
            f" enough for {actions} actions.",
        ),
        "batch": Chosen(
            batch, f"{batch} windows of {cells.window} cells; more cells in a step gain nothing."
        ),
        "optimizer": Chosen(
            {"kind": "adamw", "lr": 3.0e-4, "weight_decay": 0.05}, "ActionFormer's, for this width."
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


def batch_for(window: int, videos: int) -> int:
    """Windows of a step: two long ones, or more short ones while every epoch has some steps."""
    fit = min(max(2, round(_BATCH_CELLS / window)), 16)
    return max(1, min(fit, videos // 4, 16)) if videos >= 8 else max(1, min(2, videos))


def steps_for(actions: int) -> int:
    """Steps of a training: more to learn takes longer, within bounds."""
    return int(min(max(1.5 * actions, 600), 6000))


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
