"""untrimmed export: a trained detector for other runtimes, or as a bundle to share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class To(StrEnum):
    """What a detector is exported to."""

    ONNX = "onnx"
    TORCH = "torch"
    BUNDLE = "bundle"


def run(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run, or a bundle.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A folder; of onnx and torch also a file.")
    ],
    to: Annotated[
        To,
        typer.Option(help="onnx; torch, the format of torch.export; or bundle, a folder to share."),
    ] = To.ONNX,
    apart: Annotated[
        bool, typer.Option("--apart", help="Encoder and what follows it as two graphs.")
    ] = False,
    on: Annotated[
        list[Path] | None,
        typer.Option(help="A video or file of features to compare on; the run's test split."),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second that features were made at, if the run has none."),
    ] = None,
    license: Annotated[
        str | None, typer.Option(help="Of a bundle: its licence, as in apache-2.0.")
    ] = None,
) -> None:
    """Write a trained detector for ONNX Runtime or PyTorch without this package, or as a bundle.

    Graphs take any number of clips or cells; a file of JSON beside them says the rest. They are
    held against PyTorch on real videos, and refused above a difference of 1e-4.

    Example: `untrimmed export runs/first -o first.onnx`

    A bundle is a folder that detect and evaluate take like a run, laid out for Hugging Face's Hub.

    Example: `untrimmed export runs/first -o first --to bundle --license apache-2.0`
    """
    from untrimmed.cli.watch import watch
    from untrimmed.core.errors import ConfigError
    from untrimmed.runs.folder import RunFolder

    folder = RunFolder(run)
    if to is To.BUNDLE:
        from untrimmed.runs.bundle import bundle

        if apart or on or fps is not None:
            raise ConfigError("--apart, --on and --fps are of graphs, not of a bundle")
        for file in bundle(folder, output, license=license).files:
            typer.echo(file)
        return
    if license is not None:
        raise ConfigError("--license is of a bundle")
    from untrimmed.runs.exporting import Form, export

    form: Form = "onnx" if to is To.ONNX else "torch"
    result = watch(export(folder, output, to=form, apart=apart, on=on or [], fps=fps))
    for each in result.checked:
        typer.echo(
            f"{each.video}: {each.found} detections, difference from PyTorch"
            f" {each.candidates:.1e} before suppression, {each.detections:.1e} after"
        )
    for file in result.files:
        typer.echo(file)
