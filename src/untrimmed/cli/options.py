"""Arguments that several verbs share, and how they end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from untrimmed.runs.folder import RunFolder

RecipeArgument = Annotated[
    str, typer.Argument(help="A recipe file (YAML), or the name of a preset.", show_default=False)
]
RunOption = Annotated[
    Path | None,
    typer.Option("--run", help="Folder of the run; runs/NAME-OF-THE-RECIPE if not given."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SETTING=VALUE", help="Change a setting; may be repeated."),
]


def chosen_run(recipe: str, run: Path | None) -> RunFolder:
    """The folder of a run, named after its recipe unless given."""
    from untrimmed.runs.folder import RunFolder

    if run is not None:
        return RunFolder(run)
    path = Path(recipe)
    name = path.parent.name if path.stem == "recipe" and path.parent.name else path.stem
    return RunFolder(Path("runs") / name)


def listed(failed: Mapping[str, str]) -> None:
    """Say which videos could not be used; the others have been."""
    if failed:
        typer.echo(f"{len(failed)} could not be used:", err=True)
        for message in failed.values():
            typer.echo(f"  {message}", err=True)


def ended(failed: Mapping[str, str]) -> None:
    """List what failed, and end with status 2 if anything did."""
    listed(failed)
    if failed:
        raise typer.Exit(2)
