"""Where the cells of features lie in time, and whether that can be true.

Features say nothing of the clips they were made from; a wrong rate, step or length of clips shifts
every action.  So it is stated once, in the recipe or in a file beside the features, the sidecar,
and held against the lengths of the videos.

Positions are middles of cells throughout.

Source: Zhang, Wu & Li, ECCV 2022 (ActionFormer), and the readers of the authors' code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from untrimmed.core.annotations import Video
from untrimmed.core.bounds import above_0
from untrimmed.core.config import load
from untrimmed.core.errors import ConfigError
from untrimmed.core.files import written_whole
from untrimmed.core.grid import TimeGrid
from untrimmed.sources.feature_files import FeatureFiles
from untrimmed.sources.json_tree import read_json


@dataclass(frozen=True, kw_only=True)
class FeatureGrid:
    """Where cells lie in time, as they are read: after `stack` and `every` of the files.

    What is null is taken from the sidecar of the features (`completed`).

    Args:
        fps: frames per second of the videos as they were encoded; null is what the annotations
            say of each video.
        clip_frames: frames that a cell has seen; needed with `step_frames`.
        step_frames: frames from the start of a cell to that of the next, which need not be whole;
            null means a number of cells that is the same for all videos, spread over each.
        resize: cells that every video is drawn out or pressed together to; null leaves them.
    """

    fps: float | None = None
    clip_frames: float | None = None
    step_frames: float | None = None
    resize: int | None = None

    def __post_init__(self) -> None:
        above_0(self, "fps", "clip_frames", "step_frames", "resize")

    def grid_of(self, video: Video, rows: int) -> TimeGrid:
        """Where the cells of a video lie; after resizing if there is any.

        Args:
            rows: cells of the video before resizing, above 0.

        Raises:
            ConfigError: if nobody says what the rate or the length of clips is.
        """
        if rows < 1:
            raise ValueError(f"{video.id}: {rows} cells")
        length = rows if self.resize is None else self.resize
        if self.step_frames is not None and self.resize is None:
            fps, clip_frames = self._of_clips(video)
            return TimeGrid.from_clips(
                fps=fps, clip_frames=clip_frames, step_frames=self.step_frames, length=length
            )
        seen_s = video.duration_s if self.step_frames is None else self.covered_s(video, rows)
        return TimeGrid.stretched(duration_s=seen_s, length=length).coarser(1, shift=0.5)

    def covered_s(self, video: Video, rows: int) -> float:
        """Seconds from the start of the first clip to the end of the last.

        Raises:
            ConfigError: as `grid_of`.
        """
        if self.step_frames is None:
            return video.duration_s
        fps, clip_frames = self._of_clips(video)
        return ((rows - 1) * self.step_frames + clip_frames) / fps

    def _of_clips(self, video: Video) -> tuple[float, float]:
        """Rate, and frames of a clip."""
        fps = video.fps if self.fps is None else self.fps
        if fps is None or not fps > 0:
            raise ConfigError(
                f"nothing says at what rate the video {video.id} was encoded: the annotations do"
                " not, nor does a sidecar of the features",
                path="data.grid.fps",
            )
        if self.clip_frames is None:
            raise ConfigError(
                "missing, and no sidecar of the features says it; with step_frames it is needed",
                path="data.grid.clip_frames",
            )
        return fps, self.clip_frames


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """What lies beside features and says how they were made; of files as they are.

    Args:
        fps: frames per second at which videos were encoded; null is that of each video.
        clip_frames: frames that a row has seen.
        step_frames: frames from a row to the next; null where all videos have as many rows.
        resize: cells that these features are customarily resized to; null for none.
        channels: of a row; null if it is not said.
        source: what made them, for people.
    """

    fps: float | None = None
    clip_frames: float | None = None
    step_frames: float | None = None
    resize: int | None = None
    channels: int | None = None
    source: str = ""

    def grid(self, files: FeatureFiles) -> FeatureGrid:
        """The same for cells, which may be of several rows.

        Raises:
            ConfigError: if a number is not above 0.
        """
        clip, step = self.clip_frames, self.step_frames
        try:
            if step is not None:
                clip = None if clip is None else clip + (files.rows_of_cell - 1) * step
                step = step * files.rows_between
            return FeatureGrid(fps=self.fps, clip_frames=clip, step_frames=step, resize=self.resize)
        except ValueError as error:
            raise ConfigError(f"{sidecar_path(files.path)}: {error}") from error


def sidecar_path(features: Path) -> Path:
    """Where the sidecar of a folder or archive of features is: `features.json` in the folder, or
    `NAME.features.json` beside the archive `NAME.npz`."""
    if features.is_dir():
        return features / "features.json"
    return features.with_name(f"{features.stem}.features.json")


def read_sidecar(features: Path) -> Sidecar | None:
    """The sidecar of a folder or archive of features; None if there is none.

    Raises:
        FormatError: if it is no JSON, or no object.
        ConfigError: if a member of it is unknown or of a wrong type.
    """
    path = sidecar_path(features)
    if not path.exists():
        return None
    root = read_json(path)
    root.members()
    return load(Sidecar, root.raw, source=str(path))


def write_sidecar(features: Path, sidecar: Sidecar) -> None:
    """Write the sidecar of a folder or archive, whole or not at all; it replaces an older one."""
    said = {name: value for name, value in asdict(sidecar).items() if value not in (None, "")}
    with written_whole(sidecar_path(features)) as temporary:
        text = json.dumps(said, ensure_ascii=False, allow_nan=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


def completed(grid: FeatureGrid, files: Sequence[FeatureFiles]) -> FeatureGrid:
    """A grid with what the sidecars of the sets say where it says nothing.

    Sets that are joined have the same rate and step.  Their clips may be of different length; then
    the first set that says its own decides where middles lie, unless the grid states one of them.

    Raises:
        ConfigError: if the grid and a sidecar, or two sidecars, say different things.
        FormatError: if a sidecar cannot be read.
    """
    said = [
        (sidecar_path(each.path), sidecar.grid(each))
        for each in files
        if (sidecar := read_sidecar(each.path)) is not None
    ]
    for name in ("fps", "step_frames", "resize"):
        for path, other in said:
            grid = _agreed(grid, name, getattr(other, name), path)
    clips = [(path, other.clip_frames) for path, other in said if other.clip_frames is not None]
    stated = grid.clip_frames
    if clips and not any(stated is not None and math.isclose(clip, stated) for _, clip in clips):
        grid = _agreed(grid, "clip_frames", clips[0][1], clips[0][0])
    return grid


def _agreed(grid: FeatureGrid, name: str, said: float | None, path: Path) -> FeatureGrid:
    """The grid with what a sidecar says of one setting."""
    stated = getattr(grid, name)
    if said is None:
        return grid
    if stated is None:
        taken: dict[str, Any] = {name: said}
        return replace(grid, **taken)
    if not math.isclose(stated, said):
        raise ConfigError(f"{stated:g}, but {path} says {said:g}", path=f"data.grid.{name}")
    return grid
