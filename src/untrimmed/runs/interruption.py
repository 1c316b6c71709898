"""Ctrl C and SIGTERM in a training: heeded between two steps, so that what is saved then is whole.

A second ctrl C stops at once, and so does a first one while something else is done than steps.  A
second SIGTERM does not: `timeout` and schedulers send it to a process and again to its group.
Several processes stop together, wherever it came.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from untrimmed.runs.termination import terminate
from untrimmed.train.distributed import ALONE, Processes

T = TypeVar("T")

_ANSWERS = {int(signal.SIGINT): signal.default_int_handler, int(signal.SIGTERM): terminate}
"""How each signal ends a process.  Where it is answered otherwise, it is left alone."""


class Interruption:
    """Whether ctrl C or SIGTERM came while steps were taken.

    Take the steps in `held`, of the batches that `batches` gives: once a signal came, no further
    batch comes, and the step that is being done is the last.  Without an effect outside of the main
    thread, and on a signal that does something else than to end the process.

    Args:
        processes: that train together; all have as many batches.

    Attributes:
        asked: number of the signal that came first, here or in another process; 0 if none did.
    """

    def __init__(self, processes: Processes = ALONE) -> None:
        self.asked = 0
        self._processes = processes
        self._ours: list[int] = []
        self._is_waiting = False

    def batches(self, batches: Iterable[T]) -> Iterator[T]:
        """The same, to the first after a signal; a process by itself waits for none any longer."""
        each = iter(batches)
        while not self.agreed():
            try:
                self._is_waiting = self._processes.count == 1
                batch = next(each)
            except StopIteration:
                return
            except (KeyboardInterrupt, SystemExit):
                if not self.asked:  # it was not ours to hold
                    raise
                return
            finally:
                self._is_waiting = False
            yield batch

    def agreed(self) -> bool:
        """Whether a signal came to any of the processes; all must ask at the same place.

        One that comes meanwhile counts when they ask again.
        """
        first = max(self._processes.gathered(self.asked))
        if first:
            self.asked = first
        return bool(first)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Note what comes within the block, and go on."""
        if threading.current_thread() is threading.main_thread():
            self._ours = [
                number for number, end in _ANSWERS.items() if signal.getsignal(number) is end
            ]
        self._hold()
        try:
            yield
        finally:
            self._restore()

    @contextmanager
    def let_go(self) -> Iterator[None]:
        """Stop at once within this block of a held one; only what came before is still held.

        With several processes all is: one that stopped by itself would leave the others waiting.
        """
        if self.asked or self._processes.count > 1:
            yield
            return
        self._restore()
        try:
            yield
        finally:
            self._hold()

    def end(self) -> None:
        """End as the signal that came would have; if none did, do nothing.

        Raises:
            KeyboardInterrupt: if it was ctrl C.
            SystemExit: if it was SIGTERM.
        """
        if self.asked:
            _ANSWERS[self.asked](self.asked, None)

    def _hold(self) -> None:
        for number in self._ours:
            signal.signal(number, self._heard)

    def _restore(self) -> None:
        for number in self._ours:
            signal.signal(number, _ANSWERS[number])

    def _heard(self, number: int, frame: FrameType | None) -> None:
        is_first, self.asked = not self.asked, self.asked or number
        if self._processes.count > 1:
            return  # torchrun passes on to all what some of them have got already
        if self._is_waiting if is_first else number == signal.SIGINT:
            _ANSWERS[number](number, frame)
