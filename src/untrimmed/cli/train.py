"""untrimmed train: train a detector as a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from untrimmed.cli.options import RecipeArgument, RunOption, SetOption


def run(
    recipe: RecipeArgument,
    run: RunOption = None,
    settings: SetOption = None,
    encoder: Annotated[
        Path | None,
        typer.Option(help="Start from this encoder's weights, do not form one."),
    ] = None,
) -> None:
    """Train a detector as a recipe says; where the run was stopped, go on.

    If the recipe forms its encoder first (`pretrain`), that is done here unless the run has one.

    Several GPUs of a machine train together under
    `torchrun --nproc-per-node 2 -m -- untrimmed train RECIPE`; the batch is that of all.

    Example: `untrimmed train demo/data/recipe.yaml --run runs/first --set train.epochs=20`
    """
    from untrimmed.cli.options import chosen_run, ended
    from untrimmed.cli.watch import watch
    from untrimmed.recipes.recipe import read_recipe
    from untrimmed.runs.progress import finish
    from untrimmed.runs.training import train
    from untrimmed.train.distributed import number_here

    folder = chosen_run(recipe, run)
    job = train(read_recipe(recipe, settings=settings or []), folder, encoder_weights=encoder)
    if number_here():  # the first process prints for all
        finish(job)
        return
    result = watch(job)
    if result.best_map is not None:
        typer.echo(f"best average mAP on the validation split: {100 * result.best_map:.1f}")
    typer.echo(f"run: {folder.path}")
    typer.echo(f"next: untrimmed evaluate {folder.path}")
    for problem in result.unlearnt:
        typer.echo(f"not learnt: {problem.message}", err=True)
    ended(result.failed, result.problems)
