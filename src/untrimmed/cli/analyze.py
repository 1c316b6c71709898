"""untrimmed analyze: where detections go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    annotations: Annotated[Path, typer.Option(help="The ground truth.")],
    detections: Annotated[Path, typer.Option(help="ActivityNet's results form, or CSV.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path(
        "analysis.html"
    ),
    split: Annotated[str | None, typer.Option(help="Split of the annotations.")] = None,
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

    Example: `untrimmed analyze --annotations truth.json --detections found.json -o errors.html`
    """
    from untrimmed.cli.options import ended
    from untrimmed.metrics.errors import ERRORS
    from untrimmed.runs.analysing import analyse_files
    from untrimmed.runs.scoring import tious_of

    analysis, faults = analyse_files(
        annotations, detections, output=output, format=format, split=split, tious=tious_of(tiou)
    )
    profile = analysis.profile
    typer.echo(f"normalised mAP of the surest detections: {100 * profile.average:.1f}")
    typer.echo("what it would gain without each kind of error:")
    for kind, gain in zip(ERRORS, profile.impact.tolist(), strict=True):
        typer.echo(f"  {kind.name.lower().replace('_', ' '):18} {100 * gain:5.1f}")
    typer.echo(f"page: {output}")
    ended({}, faults)
