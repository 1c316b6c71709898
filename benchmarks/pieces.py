"""Which pieces of which clips a composed video is made of, and where its actions lie.

Part of `benchmarks.compose`, which says what the videos are like and writes them.  No pixel is read
here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from untrimmed.sources.table import read_rows

SPLITS = ("train", "validation", "test")


class Clip(NamedTuple):
    """A trimmed video.

    label: name of its class.
    split: empty if the table says none.
    group: clips of one class and group come into the same split.
    """

    file: Path
    label: str
    split: str
    group: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What composed videos are like; all draws are uniform.

    Args:
        fps: frames per second of videos.
        size: height and width; clips are squeezed to it.
        length_s: of a video, which ends with the first background that reaches the length drawn.
        piece_s: shortest and longest piece of a clip, as far as the clip reaches.
        fade_s: shortest and longest cross-fade; never more than 0.4 of a piece beside it.
        action_pieces, background_pieces: fewest and most pieces of an action, and of the
            background between two.
    """

    fps: int = 12
    size: tuple[int, int] = (112, 150)
    length_s: tuple[float, float] = (60.0, 120.0)
    piece_s: tuple[float, float] = (2.0, 6.0)
    fade_s: tuple[float, float] = (0.2, 1.0)
    action_pieces: tuple[int, int] = (1, 2)
    background_pieces: tuple[int, int] = (1, 3)


class Piece(NamedTuple):
    """Consecutive frames of a clip.

    first, frames: of the clip, at the rate of the videos: where it begins, and how many it has.
    label: name of the class, None in background.
    fade: frames that it shares with the piece before.
    begins: whether an action or a stretch of background begins with it.
    """

    file: Path
    first: int
    frames: int
    mirrored: bool
    label: str | None
    fade: int
    begins: bool


def read_clips(folder: Path) -> list[Clip]:
    """The clips of a table, in its order; without a group, each is one of its own.

    Raises:
        FormatError: if there is no such table, or it lacks a column.
        FileNotFoundError: if a clip is not there.
    """
    clips = []
    for row in read_rows(folder / "clips.csv", ("file", "class")):
        name = row.cells["file"]
        places = [folder / name, folder / "clips" / name]
        file = next((place for place in places if place.exists()), None)
        if file is None:
            raise FileNotFoundError(f"{folder / 'clips.csv'} names {name}, which is not there")
        clips.append(
            Clip(
                file, row.cells["class"], row.cells.get("split", ""), row.cells.get("group") or name
            )
        )
    return clips


def partition(
    clips: Iterable[Clip], *, validation: float, test: float
) -> dict[str, dict[str, list[Clip]]]:
    """Clips by split and class, no group in two splits.

    Of a class's clips without a split, the last groups of the table are for testing; of those that
    are then left for training, the smallest groups, and of equal ones the last, for validation.

    Args:
        validation, test: least share of the groups; one group at least is left for training.
    """
    groups: dict[tuple[str, str, str], list[Clip]] = {}
    for clip in clips:
        groups.setdefault((clip.label, clip.split, clip.group), []).append(clip)
    parts: dict[str, dict[str, list[Clip]]] = {split: {} for split in SPLITS}
    for label in dict.fromkeys(label for label, _, _ in groups):
        own = {key: some for key, some in groups.items() if key[0] == label}
        open_groups = [some for key, some in own.items() if not key[1]]
        train = [some for key, some in own.items() if key[1] == "train"]
        tested = [some for key, some in own.items() if key[1] == "test"]
        known, held_out = _held_out(open_groups, share=test)
        tested += held_out
        train, checked = _held_out(sorted(train + known, key=len, reverse=True), share=validation)
        for split, chosen in zip(SPLITS, (train, checked, tested), strict=True):
            if chosen:
                parts[split][label] = [clip for some in chosen for clip in some]
    return parts


def _held_out(
    groups: Sequence[list[Clip]], *, share: float
) -> tuple[list[list[Clip]], list[list[Clip]]]:
    """The first groups, and the last ones, which are held out."""
    count = min(-int(-len(groups) * share // 1), max(len(groups) - 1, 0))
    return list(groups[: len(groups) - count]), list(groups[len(groups) - count :])


def planned(
    clips: Mapping[str, Sequence[Clip]],
    *,
    background: Sequence[str],
    frames_of: Mapping[Path, int],
    settings: Settings,
    random: np.random.Generator,
) -> list[Piece]:
    """The pieces of a video, one after another; it begins and ends with background.

    Args:
        clips: by class.
        background: names of the classes that are never annotated; the others are actions.
        frames_of: frames of each file at the rate of the videos.

    Raises:
        ValueError: if there are no clips of background, or of actions.
    """
    actions = sorted(clips.keys() - set(background))
    behind = [clip for label in sorted(background) for clip in clips.get(label, ())]
    if not actions or not behind:
        raise ValueError("a video needs clips of background and of actions")
    wanted = random.uniform(*settings.length_s) * settings.fps
    pieces: list[Piece] = []

    def add(choices: Sequence[Clip], label: str | None, counts: tuple[int, int]) -> None:
        for number in range(int(random.integers(counts[0], counts[1] + 1))):
            clip = choices[int(random.integers(len(choices)))]
            count = round(random.uniform(*settings.piece_s) * settings.fps)
            count = min(count, frames_of[clip.file])
            shorter = min(count, pieces[-1].frames) if pieces else 0
            fade = min(round(random.uniform(*settings.fade_s) * settings.fps), int(0.4 * shorter))
            first = int(random.integers(frames_of[clip.file] - count + 1))
            mirrored = bool(random.random() < 0.5)
            pieces.append(Piece(clip.file, first, count, mirrored, label, fade, number == 0))

    add(behind, None, settings.background_pieces)
    while sum(piece.frames - piece.fade for piece in pieces) < wanted:
        label = actions[int(random.integers(len(actions)))]
        add(clips[label], label, settings.action_pieces)
        add(behind, None, settings.background_pieces)
    return pieces


def actions_of(pieces: Sequence[Piece], *, fps: float) -> list[tuple[float, float, str]]:
    """Start and end in seconds, and class, of every action; borders halve their fades."""
    borders: list[tuple[float, str | None]] = []
    at = 0
    for piece in pieces:
        if piece.begins:
            borders.append(((at - piece.fade / 2) / fps, piece.label))
        at += piece.frames - piece.fade
    ends = [*borders[1:], (at / fps, None)]
    return [
        (start, end, label)
        for (start, label), (end, _) in zip(borders, ends, strict=True)
        if label is not None
    ]
