"""untrimmed report: results as one file to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from untrimmed.cli.options import (
    FormatOption,
    MediaOption,
    OtherArgument,
    SeenArgument,
    SplitOption,
    TruthOption,
)


def run(
    seen: SeenArgument,
    other: OtherArgument = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
    annotations: TruthOption = None,
    format: FormatOption = None,
    split: SplitOption = None,
    media: MediaOption = None,
    link: Annotated[
        bool, typer.Option("--link", help="Link the videos instead of putting them inside.")
    ] = False,
    megabytes: Annotated[
        int, typer.Option(min=0, help="Most MiB of video inside; the rest is linked.")
    ] = 64,
) -> None:
    """Write a run or results as one HTML file: what `untrimmed view` shows, without a server.

    Videos are inside, as small copies where browsers do not play them, so that the file can be
    sent to somebody.

    Example: `untrimmed report runs/first -o report.html`

    Example: `untrimmed report runs/first runs/second -o both.html`

    Example: `untrimmed report theirs.json --annotations truth.json --media videos`
    """
    from untrimmed.report.html import write_report
    from untrimmed.runs.seen_files import Sources
    from untrimmed.runs.viewing import look_at

    view = look_at(
        Sources(
            main=seen,
            other=other,
            annotations=annotations,
            format=format,
            split=split,
            media=media,
        )
    )
    write_report(
        view.with_corrections(), output, embed=not link, max_embedded_bytes=megabytes * 2**20
    )
    typer.echo(f"{len(view.report.videos)} videos, {output.stat().st_size / 2**20:.1f} MiB")
    typer.echo(f"page: {output}")
