"""untrimmed detect: find actions in videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    videos: Annotated[
        list[Path],
        typer.Argument(help="Video files, or feature files of a run on features; or folders."),
    ],
    run: Annotated[Path, typer.Option("--run", help="Folder of a trained run.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for detections and report.")
    ] = Path("detections"),
    least: Annotated[
        float, typer.Option("--threshold", help="Least score of the detections that are printed.")
    ] = 0.3,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second that features were made at, if the run has none."),
    ] = None,
) -> None:
    """Find actions in videos of any length; a video that cannot be read costs only itself.

    All detections go to detections.json (ActivityNet's form) and detections.csv, and to a page
    with players and timelines; those above the threshold are printed.

    Example: `untrimmed detect match.mp4 folder/of/videos --run runs/first -o found`
    """
    from untrimmed.cli.options import ended
    from untrimmed.cli.watch import watch
    from untrimmed.runs.detection import detect
    from untrimmed.runs.folder import RunFolder

    result = watch(detect(RunFolder(run), videos, output=output, fps=fps))
    for video, found in result.detections.items():
        sure = found[found.scores >= least]
        typer.echo(f"{video}: {len(found)} detections, {len(sure)} of {least:g} or more")
        for (start_s, end_s), label, score in zip(
            sure.segments_s.tolist(), sure.labels.tolist(), sure.scores.tolist(), strict=True
        ):
            typer.echo(f"  {start_s:8.2f} s  {end_s:8.2f} s  {score:.2f}  {result.classes[label]}")
    typer.echo(f"report: {output / 'report.html'}")
    ended(result.failed)
