"""Arguments that several verbs share, and how they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from untrimmed.core.annotations import Fault
    from untrimmed.runs.folder import RunFolder
    from untrimmed.sources.check import Problem

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

SeenArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RUN_OR_RESULTS",
        help="Folder of a run, output folder of `untrimmed detect`, or a file of detections.",
        show_default=False,
    ),
]
OtherArgument = Annotated[
    Path | None,
    typer.Argument(help="Another one to compare it with.", show_default=False),
]
TruthOption = Annotated[
    Path | None, typer.Option("--annotations", help="What happens; that of the run if not given.")
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", help="Of the annotations; by the file's ending if not given."),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", help="Split of the annotations; the run's test split.")
]
MediaOption = Annotated[
    Path | None, typer.Option("--media", help="Folder of the videos; that of the run.")
]


def chosen_run(recipe: str, run: Path | None) -> RunFolder:
    """The folder of a run, named after its recipe unless given."""
    from untrimmed.runs.folder import RunFolder

    if run is not None:
        return RunFolder(run)
    path = Path(recipe)
    name = path.parent.name if path.stem == "recipe" and path.parent.name else path.stem
    return RunFolder(Path("runs") / name)


def ended(failed: Mapping[str, str], problems: Sequence[Problem | Fault] = ()) -> None:
    """List what failed and what is wrong, and end with status 2 if anything did or is.

    The videos and actions that are not listed have been used.
    """
    if failed:
        typer.echo(f"{len(failed)} could not be used:", err=True)
    for message in failed.values():
        typer.echo(f"  {message}", err=True)
    if problems:
        typer.echo(f"{len(problems)} wrong in the annotations:", err=True)
    for problem in problems:
        where = f"{problem.video}: " if problem.video else ""
        typer.echo(f"  {where}{problem.message}", err=True)
    if failed or problems:
        raise typer.Exit(2)
