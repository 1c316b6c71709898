"""The command `untrimmed`: its verbs, and how an error reaches the user."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from untrimmed import __version__
from untrimmed.cli import (
    analyze,
    class_scores,
    convert,
    demo,
    demo_data,
    detect,
    evaluate,
    export,
    import_,
    inspect,
    plan,
    prepare,
    pretrain,
    report,
    train,
    view,
    weights,
)
from untrimmed.core.errors import UserError
from untrimmed.runs.termination import TERMINATED, heed_sigterm

USER_ERROR = 2
INTERRUPTED = 130
"""Exit statuses; the second is what Typer makes of ctrl C."""

app = typer.Typer(
    name="untrimmed",
    help="Find when what happens in long videos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    demo,
    demo_data,
    inspect,
    plan,
    prepare,
    pretrain,
    train,
    evaluate,
    analyze,
    detect,
    view,
    report,
    convert,
    class_scores,
    import_,
    export,
):
    name = verb.__name__.rpartition(".")[2].rstrip("_")  # `import_`: the word itself is Python's
    app.command(name=name.replace("_", "-"))(verb.run)
app.add_typer(weights.app, name="weights")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"untrimmed {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Find when what happens in long videos."""


def run() -> None:
    """Run the command; an error that the user can mend is one message and exit status 2.

    SIGTERM ends it as ctrl C does, with exit status 143.  A recipe may name modules of the working
    folder; installed ones come first.
    """
    sys.path.append(str(Path.cwd()))
    heed_sigterm()
    try:
        app()
    except UserError as error:
        Console(stderr=True, soft_wrap=True).print(
            Text.assemble(("error: ", "bold red"), str(error))
        )
        sys.exit(USER_ERROR)
    except SystemExit as ended:
        is_first = os.environ.get("RANK", "0") == "0"  # of those of torchrun, which prints for all
        if ended.code in (INTERRUPTED, TERMINATED) and is_first:
            Console(stderr=True).print("stopped; the same command goes on from the last save")
        raise
