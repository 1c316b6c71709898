"""Which videos, and which clips of a window, are taken in a step.

Everything is a function of the seed and of the place in the run, so that a resumed run goes on
exactly as if it had never stopped, whatever the number of loader processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

ClipChoice = Literal["uniform", "oldest", "stratified"]
"""Which clips of a window are encoded: all equally likely; the likelier, the longer ago they were;
or one from each of as many equal stretches."""


def random_of(*, seed: int, epoch: int, index: int) -> np.random.Generator:
    """The source of chance of one sample: its own, whoever draws it and when."""
    return np.random.default_rng(np.random.SeedSequence([seed, epoch, index]))


def epoch_order(count: int, *, seed: int, epoch: int) -> Int64[np.ndarray, " count"]:
    """Every index below `count` once, in the order of this epoch."""
    return random_of(seed=seed, epoch=epoch, index=count).permutation(count).astype(np.int64)


def batch_keys(
    count: int, *, batch: int, epochs: int, seed: int, first_step: int = 0
) -> Iterator[list[tuple[int, int]]]:
    """Keys (epoch, index) of every batch of a run, from `first_step` on.

    The last batch of an epoch is filled up from the beginning of the next epoch's order, so that
    every batch is full and every epoch sees every index once.
    """
    total = count * epochs
    order, order_epoch = epoch_order(count, seed=seed, epoch=0), 0
    for start in range(first_step * batch, total - batch + 1, batch):
        keys = []
        for position in range(start, start + batch):
            epoch, place = divmod(position, count)
            if epoch != order_epoch:
                order, order_epoch = epoch_order(count, seed=seed, epoch=epoch), epoch
            keys.append((epoch, int(order[place])))
        yield keys


def steps_of(count: int, *, batch: int, epochs: int) -> int:
    """Number of batches that `batch_keys` gives."""
    return count * epochs // batch


def clips_to_encode(clips: int, *, keep: float) -> int:
    """How many of a window's clips are encoded in a step, N_s.

    Truncated as the authors do: a rate of 0.15 takes 2 of 15 clips.  At least one, but none at 0.
    """
    return max(1, int(clips * keep + 1e-9)) if keep else 0


def choose_clips(
    clips: int,
    *,
    keep: float,
    valid: int | None = None,
    weights: Float64[np.ndarray, " clips"] | None = None,
    spread: bool = False,
    random: np.random.Generator | np.random.RandomState,
) -> Int64[np.ndarray, " M"]:
    """Places of the clips to encode, in rising order.

    Args:
        clips: clips of the window, N.
        keep: clip sampling rate r, in [0, 1].
        valid: leading clips that hold frames; the others are taken only if these are too few.  One
            more than `clips` may be, where these are shifted.
        weights: how likely each clip is, compared with the others; above 0.  All are equally
            likely if not given.
        spread: one clip from each of as many equal stretches; without weights.
        random: each sample brings its own.

    Source: TALLFormer, sec. 3.1; spread as in its code for ActivityNet.
    """
    # Deviates: the authors draw once for all videos of a batch and all processes, and also take
    # clips that lie behind the end of a short video; the effect is not measured.
    count = clips_to_encode(clips, keep=keep)
    existing = clips if valid is None else max(valid, 0)
    if existing >= count and spread:
        chosen = _spread(existing, count, random)
    elif existing >= count:
        shares = None if weights is None else weights[:existing] / weights[:existing].sum()
        chosen = random.choice(existing, size=count, replace=False, p=shares)
    else:
        chosen = np.arange(count)
    return np.sort(chosen).astype(np.int64)


def _spread(
    clips: int, count: int, random: np.random.Generator | np.random.RandomState
) -> Int64[np.ndarray, " M"]:
    """One clip from each of `count` equal stretches, which may begin within a clip."""
    width = clips / max(count, 1)
    chosen = np.floor((np.arange(count) + random.uniform(size=count)) * width).astype(np.int64)
    # Deviates: where two stretches give the clip that they share, the later takes the next clip.
    # The authors encode one less; and in shifted windows never the last.  Not measured.
    for place in range(1, count):
        chosen[place] = max(chosen[place], chosen[place - 1] + 1)
    return chosen
