"""untrimmed demo: the whole way on a small data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    folder: Annotated[Path, typer.Argument(help="For data, run and report.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Of the data and of the training.")] = 0,
) -> None:
    """Make a data set, train TALLFormer on it from pixels, score it, and detect in a new video.

    Takes some minutes on two cores and nothing else.  A second call reuses what is there.

    Example: `untrimmed demo`
    """
    from untrimmed.cli.watch import watch
    from untrimmed.report.table import score_table
    from untrimmed.runs.demo import demo

    result = watch(demo(folder, seed=seed))
    typer.echo(score_table(result.evaluation.scores, style="text"))
    typer.echo(f"one unseen video, {result.unseen.name}:")
    typer.echo(f"  untrimmed detect {result.unseen} --run {result.run} -o {result.found}")
    table = result.evaluation
    typer.echo(
        f"demo: average mAP {100 * table.scores.average:.1f} at tIoU 0.3:0.1:0.7"
        f" on {len(table.detections)} test videos, report: {result.report}"
    )
