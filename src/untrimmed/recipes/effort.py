"""How much a training takes: steps, and what a plan gives up where there is less time than that.

Pure: how long a step takes is timed elsewhere (`runs.trial`).
"""

from __future__ import annotations

from dataclasses import dataclass

LEAST_SHARE = 0.5
"""Of the steps that the data ask for: below it a smaller network that takes more of them is the
better use of the time.  A judgement, not measured."""


_LEAST_STEPS, _MOST_STEPS, _LEAST_EPOCHS = 600, 6000, 25


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What a plan may ask of a machine; the default is all that the data ask for.

    Args:
        share: of the steps, in (0, 1].
        smaller: how many sizes smaller the network or its frames are than they could be.
        why: how long it takes, for the recipe; empty if nothing was timed.
    """

    share: float = 1.0
    smaller: int = 0
    why: str = ""

    @property
    def of_forming(self) -> str:
        """Said of the steps that form an encoder, where they are not all."""
        return " Fewer than that, for want of time: see train.epochs." if self.share < 1 else ""

    @property
    def of_size(self) -> str:
        """Said of a network that is smaller than it could be."""
        return " Smaller than this machine could train, for want of time." if self.smaller else ""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a training consists of.

    Args:
        forming: steps in which the encoder is formed.
        steps: of the detector.
        looks: how often the validation split is scored.
    """

    forming: int
    steps: int
    looks: int


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds that the parts of a training take.

    Args:
        forming_s: a step in which the encoder is formed.
        step_s: a step of the detector.
        fill_s: filling the memory.
        look_s: scoring the validation split once.
    """

    forming_s: float = 0.0
    step_s: float
    fill_s: float = 0.0
    look_s: float = 0.0

    def time_s(self, work: Work, *, share: float = 1.0) -> float:
        """Seconds of a training, or of one with a share of the steps."""
        steps_s = work.forming * self.forming_s + work.steps * self.step_s
        return self.fill_s + work.looks * self.look_s + share * steps_s

    def share(self, work: Work, *, seconds: float) -> float:
        """The share of the steps that so many seconds leave room for, at most 1; 0 if for none."""
        rest_s = seconds - self.time_s(work, share=0.0)
        return min(1.0, max(0.0, rest_s / (self.time_s(work) - self.time_s(work, share=0.0))))


def steps_for(actions: int, *, videos: int, batch: int) -> int:
    """Steps that data ask for: more to learn takes longer, within bounds; videos are seen often."""
    often = _LEAST_EPOCHS * videos / batch
    return int(min(max(1.5 * actions, often, _LEAST_STEPS), max(_MOST_STEPS, 10 * videos / batch)))
