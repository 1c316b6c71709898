"""Part videos into those that are trained on, chosen by, and scored, where nobody has.

Videos of one group, as parts of one recording are, stay together, and every part gets its share of
each class.  Nothing is drawn: the same videos give the same parts.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float64

from untrimmed.core.annotations import Annotations, Video

PARTS = ("train", "validation", "test")

_SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
_SHARES_OF_FEW = {"train": 0.75, "test": 0.25}
FEW = 20
"""With fewer groups no part is left to choose weights by."""

_LEAST_GROUPS = 10
_LARGEST_GROUP = 0.25


def group_by_name(ids: Sequence[str], *, pattern: str | None = None) -> dict[str, str]:
    """The group of each video, by its id.

    Args:
        pattern: a regular expression; what its first group matches, or all that it matches, names
            the group, and a video that it does not match is a group of its own.  Without one,
            what stands before the last `_`, `-` or blank is tried, as in `v_g01_c02`; it counts if
            it makes at least 10 groups, some with several videos, none with more than a quarter.

    Raises:
        ValueError: if the pattern is no regular expression.
    """
    if pattern is not None:
        try:
            found = {id: re.search(pattern, id) for id in ids}
        except re.error as error:
            raise ValueError(f"no regular expression: {pattern!r}: {error}") from error
        return {
            id: id if match is None else (match[1] if match.re.groups else match[0])
            for id, match in found.items()
        }
    groups = {id: re.sub(r"[_\- ][^_\- ]*$", "", id) for id in ids}
    sizes = Counter(groups.values())
    parts_names = _LEAST_GROUPS <= len(sizes) < len(ids)
    if parts_names and max(sizes.values()) <= _LARGEST_GROUP * len(ids):
        return groups
    return {id: id for id in ids}


def parted(annotations: Annotations, groups: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The videos of each part, `validation` only if there are 20 groups or more.

    Groups are dealt out class by class, the rarest first, each to the part that lacks most of that
    class, in an order that their names say nothing of.

    Args:
        groups: of each video.

    Raises:
        ValueError: if there are fewer than two groups.

    Source: iterative stratification, Sechidis et al., ECML PKDD 2011, of groups in place of
    samples.
    """
    members: dict[str, list[Video]] = defaultdict(list)
    for video in annotations.videos.values():
        members[groups[video.id]].append(video)
    if len(members) < 2:
        raise ValueError("one group of videos cannot be parted: nothing would be left to score")
    shares = _SHARES if len(members) >= FEW else _SHARES_OF_FEW
    held = {name: _held(some, len(annotations.classes)) for name, some in members.items()}
    total = np.sum(list(held.values()), axis=0)
    lacking = {part: share * total for part, share in shares.items()}
    has = {part: np.zeros(len(total), bool) for part in shares}
    chosen: dict[str, list[str]] = {part: [] for part in shares}
    left = sorted(members, key=lambda name: (zlib.crc32(name.encode()), name))
    for column in np.argsort(total, kind="stable"):
        for name in [name for name in left if held[name][column]]:
            part = _part_for(int(column), lacking, has)
            lacking[part] = lacking[part] - held[name]
            has[part] |= held[name] > 0
            chosen[part] += [video.id for video in members[name]]
            left.remove(name)
    return {part: tuple(sorted(ids)) for part, ids in _none_empty(chosen, groups).items()}


def shared_groups(annotations: Annotations, groups: Mapping[str, str]) -> dict[str, set[str]]:
    """Groups of which the videos are in several splits, with the names of these."""
    splits: dict[str, set[str]] = defaultdict(set)
    for video in annotations.videos.values():
        splits[groups[video.id]].add(video.split)
    return {name: some for name, some in splits.items() if len(some) > 1}


def _part_for(
    column: int,
    lacking: Mapping[str, Float64[np.ndarray, " K"]],
    has: Mapping[str, Bool[np.ndarray, " K"]],
) -> str:
    """Where a group goes for what a column counts: each class must be learnt, and then scored."""
    for part in ("train", "test"):
        if not has[part][column]:
            return part
    return max(lacking, key=lambda part: (float(lacking[part][column]), float(lacking[part][-1])))


def _held(videos: Sequence[Video], classes: int) -> Float64[np.ndarray, " K"]:
    """Videos, and actions of each class."""
    counts = np.zeros(classes + 1)
    counts[-1] = len(videos)
    for video in videos:
        for _, _, label in video.actions:
            counts[label] += 1
    return counts


def _none_empty(chosen: dict[str, list[str]], groups: Mapping[str, str]) -> dict[str, list[str]]:
    """The same, with the last group of the largest part moved to each part that got none."""
    filled = {part: list(ids) for part, ids in chosen.items()}
    for ids in filled.values():
        if not ids:
            largest = max(filled, key=lambda name: len({groups[id] for id in filled[name]}))
            last = groups[filled[largest][-1]]
            ids += [id for id in filled[largest] if groups[id] == last]
            filled[largest] = [id for id in filled[largest] if groups[id] != last]
    return filled
