"""Where the results that a page shows lie: folders of runs, of `detect`, and files of others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from untrimmed.core.errors import UserError
from untrimmed.sources.formats import csv
from untrimmed.sources.json_tree import read_json
from untrimmed.sources.media import SUFFIXES
from untrimmed.sources.table import read_rows

if TYPE_CHECKING:
    from untrimmed.recipes.data import Splits
    from untrimmed.runs.folder import RunFolder

DETECTIONS = "detections.json"
FOLDER = "videos"
"""What `untrimmed detect` calls its detections, and its folder of what it found in each video."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a page is made of, as files.

    Args:
        main: folder of a run, output folder of `detect`, or a file of detections.
        other: a second one, to be compared.
        annotations: of the videos; those of the run if not given.
        format: of the annotations; by the file's ending if not given.
        split: of the annotations; the run's test split if not given.
        media: folder of the video files; those of the run, or those detected in, if not given.
    """

    main: Path
    other: Path | None = None
    annotations: Path | None = None
    format: str | None = None
    split: str | None = None
    media: Path | None = None

    def stamp(self) -> str:
        """Changes when there are new results."""
        paths = [self.main] if self.other is None else [self.main, self.other]
        files = (file for path in paths for file in _files_of_detections(path))
        return " ".join(f"{file.name}:{file.stat().st_mtime_ns}" for file in files)

    @property
    def names(self) -> list[str]:
        """What the models are called: folder or file, with what is above it if that is the same."""
        paths = [path.resolve() for path in (self.main, self.other) if path is not None]
        names = [path.name if path.is_dir() else path.stem for path in paths]
        if len(set(names)) < len(names):
            return [f"{path.parent.name}/{name}" for path, name in zip(paths, names, strict=True)]
        return names


def is_run(path: Path) -> bool:
    """Whether this is the folder of a run."""
    return (path / "recipe.yaml").exists()


def split_of_run(folder: RunFolder, split: str | None, splits: Splits) -> tuple[str, Path | None]:
    """Which split of a run to show, and its detections if there are any.

    Without a wish, the first of the test and validation splits that has been evaluated; else the
    one whose actions are shown while the training goes on.
    """
    wanted = [split] if split is not None else [splits.test, splits.validation]
    for name in filter(None, wanted):
        if folder.detections(name).exists():
            return name, folder.detections(name)
    return split or splits.validation or splits.test, None


def detections_of(path: Path, split: str | None) -> Path:
    """The one file of detections that a path means.

    Raises:
        UserError: if there is none, or several.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    files = _files_of_detections(path)
    if split is not None and is_run(path):
        files = [file for file in files if file.stem == f"detections-{split}"] or files
    if len(files) == 1:
        return files[0]
    if files:
        there = ", ".join(file.stem.removeprefix("detections-") for file in files)
        raise UserError(f"{path} was evaluated on several splits, choose one of: {there} (--split)")
    if is_run(path):
        raise UserError(f"{path} has no detections yet: run `untrimmed evaluate {path}` first")
    raise UserError(
        f"{path} is no folder of a run (it has no recipe.yaml) nor of results (it has no"
        f" {DETECTIONS})"
    )


def classes_in(files: Iterable[Path]) -> tuple[str, ...]:
    """All labels of some files of detections, sorted."""
    names: set[str] = set()
    for file in files:
        if file.suffix.lower() == ".csv":
            rows = read_rows(file, csv.DETECTION_COLUMNS)
            names |= {row.cells["label"] for row in rows} - {""}
        else:
            for video in read_json(file).member("results").members().values():
                names |= {row.member("label").name() for row in video.elements()}
    return tuple(sorted(names))


def told_by_detect(folder: Path) -> dict[str, tuple[Path | None, float | None]]:
    """By video, its file and the seconds it lasts, as `runs.finished` wrote them.

    None for what it does not say, and for a file that is no video, such as one of features.
    """
    told: dict[str, tuple[Path | None, float | None]] = {}
    for path in sorted((folder / FOLDER).glob("*.json")):
        said = read_json(path).optional("external_data")
        file, length = (None, None) if said is None else map(said.optional, ("file", "duration_s"))
        video = None if file is None else Path(file.text())
        told[path.stem] = (
            video if video is not None and video.suffix.lower() in SUFFIXES else None,
            None if length is None else length.number(),
        )
    return told


def _files_of_detections(path: Path) -> list[Path]:
    """Files in which a run or results may keep detections; those that exist."""
    if path.is_dir():
        pattern = "detections-*.json" if is_run(path) else DETECTIONS
        return sorted(path.glob(pattern))
    return [path] if path.exists() else []
