"""untrimmed prepare: copies of the videos that are quick to read."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from untrimmed.cli.options import RecipeArgument, SetOption


class Kind(StrEnum):
    """What the copies are."""

    mp4 = "mp4"
    frames = "frames"


def run(
    recipe: RecipeArgument,
    settings: SetOption = None,
    kind: Annotated[
        Kind,
        typer.Option(help="mp4: small videos with close key frames; frames: raw, quickest, large."),
    ] = Kind.mp4,
) -> None:
    """Write small copies of a recipe's videos into its `data.prepared` folder.

    Training from the originals decodes everything between a key frame and the clip that is
    wanted; who trains for long saves most of that time here.  Copies that are there are kept.

    Example: `untrimmed prepare recipe.yaml --kind mp4`
    """
    from untrimmed.cli.options import ended
    from untrimmed.cli.watch import watch
    from untrimmed.recipes.recipe import read_recipe
    from untrimmed.runs.preparing import prepare_all

    result = watch(prepare_all(read_recipe(recipe, settings=settings or []), kind=kind.value))
    typer.echo(f"{result.made} copies made, {result.kept} were there: {result.folder}")
    ended(result.failed)
