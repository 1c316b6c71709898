"""untrimmed demo-data: write a small data set to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    folder: Annotated[Path, typer.Argument(help="For videos, annotations and a recipe.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same data set.")] = 0,
) -> None:
    """Write a small data set of drawn videos in which motion alone tells the actions.

    Example: `untrimmed demo-data demo/data`, then `untrimmed train demo/data/recipe.yaml`.
    """
    from untrimmed.cli.watch import watch
    from untrimmed.runs.demo import make_data

    recipe = watch(make_data(folder, seed=seed))
    typer.echo(f"recipe: {recipe}")
