"""untrimmed detect: find actions in videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from untrimmed.core.detections import Detections
    from untrimmed.runs.detection import Detected

MOST_LINES = 50
"""Detections of a video that are printed; the files have all."""


def run(
    videos: Annotated[
        list[Path],
        typer.Argument(
            help="Videos, folders of them, patterns in quotes, or numbered pictures; feature files"
            " for a run on features.",
            show_default=False,
        ),
    ],
    run: Annotated[
        str,
        typer.Option(
            "--run",
            "--model",
            help="Folder of a trained run, or of a bundle; hf://OWNER/NAME for one on the Hub.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for detections and report.")
    ] = Path("detections"),
    write: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORM,...",
            help="Beside json and csv: parquet, srt, vtt, eaf, label_studio, overlay.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Least score of what is printed, subtitled, drawn or to be corrected; the best of"
            " the validation split if not given."
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            help="Pictures per second; or frames per second that features were made at, if the run"
            " does not say it."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Look again at videos whose result is there.")
    ] = False,
) -> None:
    """Find actions in videos of any length; a video that cannot be read costs only itself.

    All detections go to detections.json (ActivityNet's form) and detections.csv, and to a page
    with players and timelines. Each video's own go to videos/ as soon as they are found: the same
    command goes on where it was stopped. Exit status 2 if a video could not be read.

    Example: `untrimmed detect match.mp4 folder/of/videos --run runs/first -o found --write srt`
    """
    from untrimmed.cli.options import ended
    from untrimmed.cli.watch import watch
    from untrimmed.runs.detection import detect
    from untrimmed.runs.folder import RunFolder
    from untrimmed.runs.hub import bundle_folder, is_on_hub

    folder = watch(bundle_folder(run))
    if is_on_hub(run):
        typer.echo(f"model: {folder}", err=True)
    result = watch(
        detect(
            RunFolder(folder),
            videos,
            output=output,
            fps=fps,
            threshold=threshold,
            write=[form for each in write or () for form in each.split(",")],
            again=again,
        )
    )
    if result.reused:
        typer.echo(f"{len(result.reused)} found before, in {output / 'videos'}; --again looks anew")
    typer.echo(f"threshold {_threshold(result, given=threshold is not None)}")
    for video, found in result.detections.items():
        _print(video, found, result)
    if result.detections:
        typer.echo(f"report: {output / 'report.html'}")
    ended(result.failed)


def _threshold(result: Detected, *, given: bool) -> str:
    if given:
        return f"{result.least_score:g}, as given"
    if result.calibrated is None:
        return (
            f"{result.least_score:g}; the run has none of its own, for want of a validation split"
        )
    return str(result.calibrated)


def _print(video: str, found: Detections, result: Detected) -> None:
    sure = found[found.scores >= result.least_score]
    typer.echo(f"{video}: {len(found)} detections, {len(sure)} of {result.least_score:.3g} or more")
    shown = sure[:MOST_LINES]
    for (start_s, end_s), label, score in zip(
        shown.segments_s.tolist(), shown.labels.tolist(), shown.scores.tolist(), strict=True
    ):
        typer.echo(f"  {start_s:8.2f} s  {end_s:8.2f} s  {score:.2f}  {result.classes[label]}")
    if len(sure) > len(shown):
        typer.echo(f"  and {len(sure) - len(shown)} more in detections.csv")
