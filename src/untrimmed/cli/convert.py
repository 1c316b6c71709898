"""untrimmed convert: annotations from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    source: Annotated[Path, typer.Argument(help="A file, or a folder where the format is one.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    read_as: Annotated[
        str | None, typer.Option("--from", help="Format of the source; by its ending if not given.")
    ] = None,
    write_as: Annotated[
        str | None, typer.Option("--to", help="Format to write; by its ending if not given.")
    ] = None,
) -> None:
    """Convert annotations from one format to another.

    JSON is ActivityNet's form and CSV one line per action, unless a format is named; a name that
    is none is answered with those there are.

    Example: `untrimmed convert annotations.json annotations.csv`
    """
    from untrimmed.runs.converting import convert

    annotations = convert(source, target, read_as=read_as, write_as=write_as)
    actions = sum(len(video.actions) for video in annotations.videos.values())
    typer.echo(f"{len(annotations.videos)} videos, {actions} actions: {target}")
