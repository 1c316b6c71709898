"""Whether a training learnt anything, and what of its batches could not be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from untrimmed.core.errors import UserError
from untrimmed.train.loop import Step

_SHOWN = 10
"""Videos that are written out; more are counted."""


@dataclass
class Unread:
    """What the steps of a training could not read, noted step by step.

    Args:
        what: a batch is of.
        is_learnt: whether some step learnt from its batch.
        counts: of those that could not be read, by video.
        messages: what is wrong with each of these videos.
    """

    what: Literal["windows", "clips"]
    is_learnt: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)

    def note(self, step: Step) -> None:
        """Count what the step could not read."""
        self.is_learnt = self.is_learnt or bool(step.losses)
        self.counts.update(each.video for each in step.failed)
        self.messages.update(dict(step.failed))

    def refuse(self, *, steps: int, batch: int) -> None:
        """End a training that came to its last step and learnt nothing.

        Raises:
            UserError: if all steps were skipped; says how much of them could not be read, and why.
        """
        if self.is_learnt:
            return
        listed = "".join(
            f"\n  {count} of {video}: {self.messages[video]}"
            for video, count in self.counts.most_common(_SHOWN)
        )
        more = len(self.counts) - _SHOWN
        raise UserError(
            f"nothing was learnt: all {steps} steps were skipped, for {self.counts.total()} of"
            f" their {steps * batch} {self.what} could not be read; mend these videos, or leave"
            f" them out of the training:{listed}" + (f"\n  and {more} more" if more > 0 else "")
        )
