"""untrimmed pretrain: form the encoder of a recipe."""

from __future__ import annotations

import typer

from untrimmed.cli.options import RecipeArgument, RunOption, SetOption


def run(recipe: RecipeArgument, run: RunOption = None, settings: SetOption = None) -> None:
    """Form the encoder on short clips of the training videos' actions and background.

    For videos that no public weights fit.  `untrimmed train` does this by itself where the recipe
    asks for it and the run has no encoder yet.

    Example: `untrimmed pretrain demo/data/recipe.yaml --run runs/first`
    """
    from untrimmed.cli.options import chosen_run
    from untrimmed.cli.watch import watch
    from untrimmed.recipes.recipe import read_recipe
    from untrimmed.runs.pretraining import pretrain

    folder = chosen_run(recipe, run)
    accuracy = watch(pretrain(read_recipe(recipe, settings=settings or []), folder))
    typer.echo(f"accuracy on validation cells, mean over classes: {100 * accuracy:.1f} %")
    typer.echo(f"encoder: {folder.encoder}")
