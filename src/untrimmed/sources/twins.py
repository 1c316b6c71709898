"""Recordings that stand in two splits, under ids that differ in case or in `v_` before them.

An annotation file cannot hold one id twice; this is how a recording gets into two splits unseen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from untrimmed.core.annotations import Annotations, Video


class Twins(NamedTuple):
    """One recording in several splits.

    video: the one that is trained on, if any is.
    others: of other splits.
    is_trained_on: whether the first is; true where nobody says what is trained on.
    """

    video: Video
    others: tuple[Video, ...]
    is_trained_on: bool

    @property
    def message(self) -> str:
        """Which splits they are, and why that is wrong, for people who are told the first's id."""
        others = " and ".join(f"as {each.id} in {each.split or 'none'}" for each in self.others)
        where = f"it is in the split {self.video.split or 'without a name'}, and {others}"
        if self.is_trained_on:
            return (
                f"{where}: what is trained on must not be scored; take it out of all splits but one"
            )
        return f"{where}: a choice by the scores of one makes those of the other too good"


def twins(
    annotations: Annotations,
    *,
    training: str | None,
    splits: Collection[str],
    used: Collection[str],
) -> Iterator[Twins]:
    """Recordings in two of the splits that are needed.

    Args:
        training: the split that is trained on, in any case of its letters.
        splits: that are needed, in any case of their letters; all if there is none.
        used: ids of the videos that can be trained on.
    """
    trained_in = None if training is None else training.casefold()
    needed = {split.casefold() for split in splits}

    def counts(video: Video) -> bool:
        split = video.split.casefold()
        return not needed or (split in needed and (split != trained_in or video.id in used))

    recordings: dict[str, list[Video]] = {}
    for video in filter(counts, annotations.videos.values()):
        recordings.setdefault(video.id.casefold().removeprefix("v_"), []).append(video)
    for alike in recordings.values():
        first = next((video for video in alike if video.split.casefold() == trained_in), alike[0])
        split = first.split.casefold()
        others = tuple(video for video in alike if video.split.casefold() != split)
        if others:
            yield Twins(first, others, trained_in in (None, split))
