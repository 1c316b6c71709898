"""Processes that do one thing each, over and over, and take turns at it.

So a busy machine is busy for all, and the memory of each is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Run = Callable[[], str]
"""Does once what is timed, and says what came of it."""


@dataclass
class Worker:
    """A process that serves, see `serve`: does something once whenever it is told.

    result: what came of the first time.
    passed, spent: seconds of the wall clock, and of the processors, each time but the first.
    """

    name: str
    process: subprocess.Popen[str]
    result: str = ""
    passed: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)

    @classmethod
    def start(cls, name: str, arguments: Sequence[str]) -> Worker:
        """Begin, with arguments of the Python interpreter, and wait until it has done it once."""
        process = subprocess.Popen(
            [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        worker = cls(name, process)
        worker.result = worker._answer()["result"]
        return worker

    def once(self) -> None:
        self._tell("again")
        answer = self._answer()
        self.passed.append(answer["passed"])
        self.spent.append(answer["spent"])

    def end(self) -> float:
        """Most memory that it had, in MiB."""
        self._tell("end")
        peak = float(self._answer()["peak"])
        self.process.wait()
        return peak

    def times_faster(self, other: Worker) -> float:
        """Median of the other's seconds over its own in the same round."""
        pairs = zip(other.passed, self.passed, strict=True)
        return median(theirs / own for theirs, own in pairs)

    def _tell(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} has ended with status {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def take_turns(workers: Sequence[Worker], *, rounds: int) -> None:
    """One repeat of each at a time, in falling and rising order by turns."""
    for number in range(rounds):
        for worker in workers if number % 2 else reversed(workers):
            worker.once()


def serve(run: Run) -> None:
    """What a worker does: once to warm up, then whenever a line says so."""
    print(json.dumps({"result": run()}), flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        began, clock = time.perf_counter(), time.process_time()
        run()
        passed, spent = time.perf_counter() - began, time.process_time() - clock
        print(json.dumps({"passed": passed, "spent": spent}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak": peak}), flush=True)
