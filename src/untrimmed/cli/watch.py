"""Show how far a job is: a bar with the time left on a terminal, some lines in a log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from untrimmed.runs.progress import Job, Progress

T = TypeVar("T")

LOG_EVERY_S = 15.0


def watch(job: Job[T], *, console: Console | None = None) -> T:
    """Run a job to its end, showing its progress, and give its result."""
    console = console or Console(stderr=True)
    show = _Bars(console) if console.is_terminal else _Lines(console)
    with show:
        while True:
            try:
                show.news(next(job))
            except StopIteration as end:
                result: T = end.value
                return result


class _Bars:
    """One bar for each stage."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[facts]}"),
            console=console,
        )
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> None:
        self._bars.start()

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def news(self, progress: Progress) -> None:
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bars.add_task(progress.stage, facts="")
        self._bars.update(
            self._bars.tasks[self._tasks[progress.stage]].id,
            completed=progress.done,
            total=progress.total,
            facts=_written(progress.facts),
        )


class _Lines:
    """A line when a stage starts and ends, and every few seconds between.

    A stage may be interrupted by another, as training is by validation; the time left is
    reckoned from where it went on.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = ""
        self._began = self._last = 0.0
        self._done = 0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    def news(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.stage != self._stage:
            self._stage, self._began, self._last = progress.stage, now, 0.0
            self._done = progress.done
        finished = progress.done >= progress.total
        if not finished and now - self._last < LOG_EVERY_S:
            return
        self._last = now
        spent_s = now - self._began
        line = f"{progress.stage}: {progress.done}/{progress.total}, {spent_s:.0f} s"
        done = progress.done - self._done
        if done > 0 and not finished:
            line += f", {spent_s / done * (progress.total - progress.done):.0f} s left"
        facts = _written(progress.facts)
        self._console.print(f"{line}  {facts}".rstrip(), highlight=False, soft_wrap=True)


def _written(facts: Mapping[str, float | str]) -> str:
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in facts.items()
    )
