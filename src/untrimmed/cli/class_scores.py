"""untrimmed class-scores: the rows of a video classifier as scores by video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    rows: Annotated[Path, typer.Argument(help="A .npy file with a row for each video.")],
    target: Annotated[Path, typer.Argument(help="The JSON file to write.")],
    video: Annotated[
        str,
        typer.Option(
            metavar="PATTERN",
            help="Name of a video by its number from 1, as in video_test_{:07d}.",
        ),
    ],
    columns: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS", help="The column of each class in their order, from 0, as in 6,8."
        ),
    ],
) -> None:
    """Make scores by video of the array that a classifier of whole videos left.

    The result is what `untrimmed evaluate --class-scores` takes.

    Example: `untrimmed class-scores rows.npy scores.json --video v{} --columns 6,8`
    """
    from untrimmed.runs.converting import class_scores_by_video

    scores = class_scores_by_video(rows, target, video=video, columns=columns)
    classes = len(next(iter(scores.values()), ()))
    typer.echo(f"{len(scores)} videos, {classes} classes: {target}")
