"""untrimmed view: look at results in a browser, and correct them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from untrimmed.cli.options import (
    FormatOption,
    MediaOption,
    OtherArgument,
    SeenArgument,
    SplitOption,
    TruthOption,
)

if TYPE_CHECKING:
    from untrimmed.report.server import Address


def run(
    seen: SeenArgument,
    other: OtherArgument = None,
    annotations: TruthOption = None,
    format: FormatOption = None,
    split: SplitOption = None,
    media: MediaOption = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other machines reach others than this one.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Look at a run or at results in a browser: player, timelines, errors, training curves.

    Results of two models are shown one below the other. What was found can be corrected: drag
    the ends of a detection, rename, add and delete. Corrections are kept in the folder of the run
    or results, and can be exported in the formats of annotation tools. Ends with ctrl C.

    Example: `untrimmed view runs/first`

    Example: `untrimmed view found --media videos`

    Example: `untrimmed view runs/first runs/second`

    Example: `untrimmed view theirs.json ours.json --annotations truth.json --media videos`
    """
    from untrimmed.report.server import serve
    from untrimmed.runs.seen_files import Sources
    from untrimmed.runs.site import ViewSite

    site = ViewSite(
        Sources(
            main=seen,
            other=other,
            annotations=annotations,
            format=format,
            split=split,
            media=media,
        )
    )

    def listening(address: Address) -> None:
        videos = site.view.report.videos
        shown = sum(video.media is not None for video in videos)
        typer.echo(f"{len(videos)} videos, {shown} of them with a file to be played")
        if not address.loopback:
            typer.echo("whoever reaches this address can see and correct them", err=True)
        typer.echo(f"{address.url} (ctrl C ends it)")
        if browser:
            import webbrowser

            webbrowser.open(address.url)

    try:
        serve(site, host=host, port=port, listening=listening)
    except KeyboardInterrupt:
        typer.echo("")
