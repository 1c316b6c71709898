"""untrimmed weights: public weights that encoders start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="List and fetch the public weights that encoders start from.", no_args_is_help=True
)

CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache", help="Folder of weights; the user's cache, where recipes look, if not given."
    ),
]


@app.command("list")
def list_(cache: CacheOption = None) -> None:
    """List the public weights: of what encoder, trained on what, how large, and whether here.

    Example: `untrimmed weights list`
    """
    from untrimmed.runs.weights import cache_folder, weights_table

    folder = cache or cache_folder()
    typer.echo(weights_table(folder))
    typer.echo(f"here: in {folder}", err=True)


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="As `untrimmed weights list` has it.")],
    to: Annotated[
        Path | None, typer.Option("--to", "--cache", help="Folder; the user's cache if not given.")
    ] = None,
) -> None:
    """Fetch public weights, going on where a download was cut off.

    Example: `untrimmed weights get swin3d_t`
    """
    from untrimmed.cli.watch import watch
    from untrimmed.recipes.weights import public_weights
    from untrimmed.runs.downloads import checksum
    from untrimmed.runs.weights import cache_folder, fetch

    weights = public_weights(name)
    path = watch(fetch(weights, to or cache_folder()))
    digits = checksum(path)
    published = "none is published" if weights.sha256 is None else "as published"
    typer.echo(f"weights: {path}")
    typer.echo(f"SHA-256: {digits}, {published}")
    typer.echo(f"licence: {weights.licence}, {weights.source}")
    if weights.note:
        typer.echo(f"note: {weights.note}")
    typer.echo(f"for:     encoder: {weights.encoder}")
    where = f"name: {name}" if to is None else f"path: {path}"
    typer.echo(f"         encoder_weights: {{{where}}}")
