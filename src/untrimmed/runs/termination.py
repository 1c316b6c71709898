"""SIGTERM, which schedulers and `docker stop` send: it ends a command by an exception, as ctrl C.

So what is open is closed, and `runs.interruption` can hold it back until a step is whole.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

TERMINATED = 128 + signal.SIGTERM
"""Exit status of a command that SIGTERM ended, 143, as shells give it."""


def terminate(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """The answer to SIGTERM: end this process as Python ends one.

    Raises:
        SystemExit: with status 143.
    """
    raise SystemExit(TERMINATED)


def heed_sigterm() -> None:
    """Let SIGTERM end this process by `terminate`, unless it is answered otherwise or ignored."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, terminate)
