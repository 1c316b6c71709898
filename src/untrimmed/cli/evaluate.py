"""untrimmed evaluate: score a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    split: Annotated[
        str | None, typer.Option(help="Split of the annotations; the test split if not given.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights; the best of the run if not given.")
    ] = None,
) -> None:
    """Score a trained run on a split; print the table, write detections and a page to look at.

    Example: `untrimmed evaluate runs/first`
    """
    from untrimmed.cli.options import ended
    from untrimmed.cli.watch import watch
    from untrimmed.report.table import score_table
    from untrimmed.runs.evaluation import evaluate
    from untrimmed.runs.folder import RunFolder

    folder = RunFolder(run)
    result = watch(evaluate(folder, split=split, weights=weights))
    typer.echo(score_table(result.scores, style="text"))
    typer.echo(f"detections: {folder.detections(result.split)}")
    typer.echo(f"report: {folder.report}")
    ended(result.failed)
