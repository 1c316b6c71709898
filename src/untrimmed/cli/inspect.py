"""untrimmed inspect: what is in a data set, and what is wrong with it."""

from __future__ import annotations

import typer

from untrimmed.cli.options import RecipeArgument, SetOption


def run(recipe: RecipeArgument, settings: SetOption = None) -> None:
    """Say what is in a recipe's data set and what is wrong with it, before training on it.

    Example: `untrimmed inspect demo/data/recipe.yaml`
    """
    from untrimmed.cli.watch import watch
    from untrimmed.recipes.recipe import read_recipe
    from untrimmed.runs.inspection import inspect

    result = watch(inspect(read_recipe(recipe, settings=settings or [])))
    typer.echo(result.text)
    if result.errors:
        raise typer.Exit(2)
