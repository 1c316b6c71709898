"""untrimmed plan: from a folder and an annotation file to a recipe that fits them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def run(
    media: Annotated[
        Path, typer.Argument(help="A folder of videos or of features, or an archive of features.")
    ],
    annotations: Annotated[
        Path, typer.Argument(help="A file, or a folder where the format is one.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The recipe to write.")] = Path(
        "recipe.yaml"
    ),
    read_as: Annotated[
        str | None, typer.Option("--from", help="Format of the annotations; found if not given.")
    ] = None,
    read: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Tell the reader, as in fps=30; may be repeated."),
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Where features lie in time: fps, clip_frames, step_frames; found if not given.",
        ),
    ] = None,
    splits: Annotated[
        Path | None,
        typer.Option(
            help="JSON of the videos of each part, train and test and perhaps validation."
        ),
    ] = None,
    fold: Annotated[str | None, typer.Option(help="The member of --splits with the parts.")] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Videos for whose ids it finds the same stay in one part, as in '^person[0-9]+'.",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Train so long on this machine at most: some steps are timed, and epochs, network"
            " and frames made to fit.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Write over a recipe that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Look at a data set and write a recipe that fits it, with the reason for every number.

    Annotations without splits are parted: 70 % to train, 15 % to choose the weights, 15 % to score;
    videos of one recording stay together. Status 2 if something is wrong with the data; the
    recipe is written all the same and leaves out what cannot be used.

    Example: `untrimmed plan videos times.csv && untrimmed train recipe.yaml`

    Example: `untrimmed plan videos times.csv --minutes 60`

    Example: `untrimmed plan i3d.npz truth.json --splits folds.json --fold first`
    """
    from untrimmed.cli.watch import watch
    from untrimmed.core.settings_text import override
    from untrimmed.runs.planning import Told, as_plain, described, plan

    read_settings: dict[str, Any] = {}
    for setting in read or []:
        read_settings = override(read_settings, setting)
    known: dict[str, Any] = {}
    for setting in grid or []:
        known = override(known, setting)
    told = Told(
        format=read_as,
        format_settings=read_settings,
        grid=known,
        splits_file=splits,
        fold=fold,
        groups=groups,
    )
    planned = watch(
        plan(media, annotations, output, told=told, minutes=minutes, replace_old=overwrite)
    )
    if as_json:
        import json

        typer.echo(json.dumps(as_plain(planned), ensure_ascii=False, indent=1))
    else:
        typer.echo(described(planned))
        typer.echo(f"recipe: {planned.recipe}")
        typer.echo(f"next: untrimmed train {planned.recipe}")
    if planned.errors:
        raise typer.Exit(2)
