"""Write the copies of a data set that are quick to read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import read_annotations
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.video_data import video_settings
from untrimmed.sources.media import find, prepared_copies
from untrimmed.sources.prepare import prepare

Kind = Literal["mp4", "frames"]


@dataclass(frozen=True)
class Prepared:
    """What was done.

    Args:
        made, kept: copies written, and copies that were there.
        failed: what is wrong with each video without a copy.
    """

    folder: Path
    made: int
    kept: int
    failed: dict[str, str]


def prepare_all(recipe: Recipe, *, kind: Kind) -> Job[Prepared]:
    """Copies of all videos of a recipe, at its rate and size, in its `data.prepared` folder.

    Raises:
        ConfigError: if the recipe names no such folder.
        UserError: if annotations or videos are missing.
    """
    data = video_settings(recipe)
    if data.prepared is None:
        raise ConfigError("name a folder for the copies", path="data.prepared")
    ids = list(read_annotations(data).videos)
    files = find(data.media, ids)
    failed = {id: f"{id}: no file in {data.media}" for id in ids if id not in files}
    made = kept = 0
    for number, (id, file) in enumerate(files.items(), start=1):
        raw, small = prepared_copies(data.prepared, id)
        target = raw if kind == "frames" else small
        if target.exists():
            kept += 1
        else:
            try:
                prepare(
                    file,
                    target,
                    fps=data.windows.fps,
                    size=data.size,
                    kind=kind,
                    key_every=data.windows.clip_frames,
                )
                made += 1
            except MediaError as error:
                failed[id] = str(error)
        yield Progress("prepare", number, len(files))
    return Prepared(data.prepared, made, kept, failed)
