"""untrimmed convert: annotations from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
    read: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Tell the reader, as in fps=30; may be repeated."),
    ] = None,
    write: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Tell the writer, as in kind=vtt."),
    ] = None,
) -> None:
    """Convert annotations from one format to another.

    JSON is ActivityNet's form and CSV one line per action, unless a format is named; a name that
    is none is answered with those there are.

    Example: `untrimmed convert annotations.json annotations.csv`

    Example: `untrimmed convert project.xml a.json --from cvat --read fps=30`

    Example: `untrimmed convert a.json subtitles --to subtitles --write kind=vtt`
    """
    from untrimmed.cli.options import ended
    from untrimmed.core.settings_text import override
    from untrimmed.runs.converting import convert

    read_settings: dict[str, Any] = {}
    for setting in read or []:
        read_settings = override(read_settings, setting)
    write_settings: dict[str, Any] = {}
    for setting in write or []:
        write_settings = override(write_settings, setting)
    annotations = convert(
        source,
        target,
        read_as=read_as,
        write_as=write_as,
        read_settings=read_settings,
        write_settings=write_settings,
    )
    actions = sum(len(video.actions) for video in annotations.videos.values())
    typer.echo(f"{len(annotations.videos)} videos, {actions} actions: {target}")
    ended({}, annotations.faults)
