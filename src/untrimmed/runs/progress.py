"""How far a long job is: what its generator yields, and how to run it without looking."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """One piece of news from a job.

    Args:
        stage: what is being done, in a word or two; a job may have several, one after another.
        done, total: of the stage, in its own units.
        facts: numbers or words worth showing beside it, such as the loss.
    """

    stage: str
    done: int
    total: int
    facts: Mapping[str, float | str] = field(default_factory=dict)


Job = Generator[Progress, None, T]
"""A job that yields its progress and returns its result."""


def finish(job: Generator[object, None, T]) -> T:
    """Run a job to its end without looking at what it yields, and give its result."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            result: T = end.value
            return result
