"""untrimmed evaluate: score a trained run, or a file of detections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from untrimmed.recipes.recipe import ClassScores
    from untrimmed.runs.scoring import Scored


def run(
    run: Annotated[Path | None, typer.Argument(help="Folder of a trained run.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Split of the annotations; the run's test split.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the run; its best if not given.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="Score a file of detections against these annotations.")
    ] = None,
    detections: Annotated[
        Path | None, typer.Option(help="The detections: ActivityNet's results form, or CSV.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="Of the annotations; by the file's ending if not given.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Rules of a benchmark, as in thumos14; ActivityNet's.")
    ] = None,
    tiou: Annotated[
        str | None,
        typer.Option(help="Thresholds, as in 0.3:0.1:0.7 or 0.5,0.75; the protocol's."),
    ] = None,
    class_scores: Annotated[
        Path | None,
        typer.Option(
            help="Labels from a classifier of whole videos: JSON, scores by video. A run that has"
            " such a classifier is scored by its own, too."
        ),
    ] = None,
    top_classes: Annotated[int, typer.Option(min=1, help="Labels for each detection, then.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a trained run, or anybody's file of detections.

    A run: prints the table, and writes detections and a page to look at into its folder.

    Example: `untrimmed evaluate runs/first`

    Files: needs annotations and detections, and no torch.

    Example: `untrimmed evaluate --annotations truth.json --detections found.json`
    """
    from untrimmed.core.errors import ConfigError

    if annotations is not None and detections is not None and run is None:
        from untrimmed.runs.scoring import protocol_of, score_files, tious_of

        _shown(
            score_files(
                annotations,
                detections,
                format=format,
                split=split,
                protocol=protocol_of(protocol, tious=tious_of(tiou) if tiou else None),
                class_scores=class_scores,
                top_classes=top_classes,
            ),
            as_json=as_json,
        )
    elif run is not None and annotations is None and detections is None:
        scores = None if class_scores is None else _of_others(class_scores, classes=top_classes)
        _evaluated(run, split=split, weights=weights, class_scores=scores)
    else:
        raise ConfigError("give the folder of a run, or both --annotations and --detections")


def _shown(result: Scored, *, as_json: bool) -> None:
    from untrimmed.cli.options import ended
    from untrimmed.report.table import recall_lines, score_table

    if as_json:
        typer.echo(result.json())
    else:
        typer.echo(score_table(result.scores, style="text"))
        if result.recall is not None:
            typer.echo(recall_lines(result.recall))
        typer.echo(f"{result.videos} videos; protocol {result.scores.protocol}")
    ended({}, result.faults)


def _of_others(file: Path, *, classes: int) -> ClassScores:
    """Class scores as AFSD and TALLFormer take them."""
    from untrimmed.recipes.recipe import ClassScores

    return ClassScores(file=file, classes=classes, most=None, combine="product")


def _evaluated(
    run: Path, *, split: str | None, weights: Path | None, class_scores: ClassScores | None
) -> None:
    from untrimmed.cli.options import ended
    from untrimmed.cli.watch import watch
    from untrimmed.report.table import recall_lines, score_table
    from untrimmed.runs.evaluation import evaluate
    from untrimmed.runs.folder import RunFolder

    folder = RunFolder(run)
    result = watch(evaluate(folder, split=split, weights=weights, class_scores=class_scores))
    if result.own_classes is not None:
        typer.echo("by the classes that it says itself:")
        typer.echo(score_table(result.own_classes, style="text"))
        typer.echo("by the class scores of others:")
    typer.echo(score_table(result.scores, style="text"))
    if result.recall is not None:
        typer.echo(recall_lines(result.recall))
    typer.echo(f"{len(result.detections)} videos; protocol {result.scores.protocol}")
    typer.echo(f"detections: {folder.detections(result.split)}")
    typer.echo(f"report: {folder.report}")
    ended(result.failed)
