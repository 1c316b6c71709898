"""untrimmed analyze: where detections go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    run: Annotated[
        Path | None, typer.Argument(help="Folder of an evaluated run.", show_default=False)
    ] = None,
    annotations: Annotated[Path | None, typer.Option(help="The ground truth of a file.")] = None,
    detections: Annotated[
        Path | None, typer.Option(help="The file: ActivityNet's results form, or CSV.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The page; analysis.html, of a run in its folder, if not given."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split of the annotations; of a run the test split.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="Of the annotations; by the file's ending if not given.")
    ] = None,
    tiou: Annotated[
        str, typer.Option(help="Thresholds, first:step:last or with commas.")
    ] = "0.3:0.1:0.7",
) -> None:
    """Show where detections go wrong, as DETAD does: one page with charts, for any data set.

    Kinds of false alarms and what each costs, the effect of length, coverage and number of
    actions, and what is missed.

    Example: `untrimmed analyze runs/first`

    Example: `untrimmed analyze --annotations truth.json --detections found.json -o errors.html`
    """
    from untrimmed.cli.options import ended
    from untrimmed.core.errors import ConfigError
    from untrimmed.metrics.errors import ERRORS
    from untrimmed.runs.analysing import analyse_files, analyse_run
    from untrimmed.runs.scoring import tious_of

    tious = tious_of(tiou)
    if annotations is not None and detections is not None and run is None:
        output = output or Path("analysis.html")
        analysis, faults = analyse_files(
            annotations, detections, output=output, format=format, split=split, tious=tious
        )
    elif run is not None and annotations is None and detections is None and format is None:
        output = output or run / "analysis.html"
        analysis, faults = analyse_run(run, output=output, split=split, tious=tious)
    else:
        raise ConfigError("give the folder of a run, or both --annotations and --detections")
    profile = analysis.profile
    typer.echo(f"normalised mAP of the surest detections: {100 * profile.average:.1f}")
    typer.echo("what it would gain without each kind of error:")
    for kind, gain in zip(ERRORS, profile.impact.tolist(), strict=True):
        typer.echo(f"  {kind.name.lower().replace('_', ' '):18} {100 * gain:5.1f}")
    typer.echo(f"page: {output}")
    ended({}, faults)
