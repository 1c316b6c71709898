"""untrimmed import: turn the authors' checkpoint of a paper into a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from untrimmed.cli.options import RunOption, SetOption


def run(
    model: Annotated[str, typer.Argument(help="The paper, as in actionformer.")],
    checkpoint: Annotated[Path, typer.Argument(help="The authors' file of weights.")],
    preset: Annotated[
        str, typer.Option(help="The preset or recipe file with the configuration it belongs to.")
    ],
    run: RunOption = None,
    settings: SetOption = None,
) -> None:
    """Turn the authors' checkpoint of a paper into the folder of a run, to evaluate and detect.

    Every tensor must find its place by name and shape. Nothing in the file is executed.
    The annotations must be where the preset says, for they name the classes.

    Example: `untrimmed import actionformer epoch_034.pth.tar --preset actionformer_thumos14_i3d`
    """
    from untrimmed.cli.options import chosen_run
    from untrimmed.recipes.recipe import read_recipe
    from untrimmed.runs.importing import import_weights

    folder = chosen_run(preset, run)
    recipe = read_recipe(preset, settings=settings or [])
    typer.echo(import_weights(model, checkpoint, recipe, folder).text)
    typer.echo(f"next: untrimmed evaluate {folder.path}")
