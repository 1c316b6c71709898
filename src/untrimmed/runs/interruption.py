"""Ctrl-C in a training: heeded between two steps, so that what is saved then is whole.

A second one stops at once, and so does one while something else is done than steps.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Interruption:
    """Whether ctrl C was pressed while steps were taken.

    Wrap the batches and the steps that are made of them in the two methods: once it was pressed, no
    further batch comes, and the step that is being done is the last.

    Args:
        is_heeded: False leaves everything as it is, as several processes need it, which can only
            stop together.  Without an effect where ctrl C does something else already, or outside
            of the main thread.
    """

    def __init__(self, *, is_heeded: bool = True) -> None:
        self.asked = False
        self._is_heeded = is_heeded
        self._is_waiting = False

    def batches(self, batches: Iterable[T]) -> Iterator[T]:
        """The same, to the first after ctrl C; waiting for one ends at once."""
        each = iter(batches)
        while not self.asked:
            try:
                self._is_waiting = True
                batch = next(each)
            except StopIteration:
                return
            except KeyboardInterrupt:
                if not self.asked:  # it was not ours to hold
                    raise
                return
            finally:
                self._is_waiting = False
            yield batch

    def steps(self, steps: Iterable[T]) -> Iterator[T]:
        """The same, none of them left half done."""
        each = iter(steps)
        while True:
            with self._held():
                try:
                    step = next(each)
                except StopIteration:
                    return
            yield step

    @contextmanager
    def _held(self) -> Iterator[None]:
        usual = signal.getsignal(signal.SIGINT)
        if not (
            self._is_heeded
            and usual is signal.default_int_handler
            and threading.current_thread() is threading.main_thread()
        ):
            yield
            return
        signal.signal(signal.SIGINT, self._pressed)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)

    def _pressed(self, *_: object) -> None:
        is_second, self.asked = self.asked, True
        if is_second or self._is_waiting:
            raise KeyboardInterrupt
