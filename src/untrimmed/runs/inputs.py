"""Which files are meant to be detected in: files, folders, archives, patterns, rows of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from untrimmed.core.errors import UserError
from untrimmed.sources.media import videos_in
from untrimmed.sources.pictures import Pictures, by_folder, in_order, is_picture


@dataclass(frozen=True)
class Entry:
    """The features of one video in an archive of many."""

    file: Path
    name: str

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


Source = Path | Pictures | Entry
"""A file, the pictures of one video, or its features in an archive."""


def no_entries(file: Path) -> dict[str, Entry]:  # noqa: ARG001
    """A file is of one video, whatever it holds."""
    return {}


def named_sources(
    paths: Sequence[Path],
    *,
    inside: Callable[[Path], dict[str, Path]] = videos_in,
    entries: Callable[[Path], dict[str, Entry]] = no_entries,
    pictures: bool = True,
) -> dict[str, Source]:
    """What is meant, by name: of a file without its ending, of pictures that of their folder.

    A folder means the files in it; without any, the pictures in it, and each folder in it with
    pictures is a video.  A pattern such as `clips/*.mp4` means what matches; pictures that are
    named, or match, are a video per folder.  A file that was named outright is taken whatever its
    ending, and if it is missing that shows when it is opened.

    Args:
        inside: finds the files of a folder.
        entries: finds the videos of a file that holds several, by name.
        pictures: whether pictures are looked for.

    Raises:
        UserError: if two have the same name, or a folder or pattern has none.
        MediaError: if pictures are not numbered evenly.
    """
    sources: dict[str, Source] = {}
    single: list[Path] = []
    for path in (each for given in paths for each in _matching(given)):
        if path.is_dir():
            found: dict[str, Source] = {}
            for id, file in inside(path).items():
                _join(found, {**entries(file)} or {id: file})
            if not found and pictures:
                found = _rows(file for file in sorted(path.rglob("*")) if is_picture(file))
            if not found:
                raise UserError(f"{path}: no file to detect in, in this folder")
            _join(sources, found)
        elif pictures and is_picture(path):
            single.append(path)
        else:
            _join(sources, {**entries(path)} or {path.stem: path})
    _join(sources, _rows(single))
    return sources


def _matching(path: Path) -> list[Path]:
    """The path itself, or what a pattern matches."""
    if path.exists() or not any(mark in str(path) for mark in "*?["):
        return [path]
    root = Path(path.anchor)
    found = sorted(root.glob(str(path.relative_to(root))))
    if not found:
        raise UserError(f"{path}: nothing matches this pattern")
    return found


def _rows(files: Iterator[Path] | Sequence[Path]) -> dict[str, Source]:
    named: dict[str, Source] = {}
    for folder, some in by_folder(files).items():
        _join(named, {folder.absolute().name: in_order(some)})
    return named


def _join(sources: dict[str, Source], others: dict[str, Source]) -> None:
    for id, source in others.items():
        if id in sources and sources[id] != source:
            places = [place(each) for each in (sources[id], source)]
            raise UserError(f"two videos are called {id}: {places[0]} and {places[1]}; rename one")
        sources[id] = source


def place(source: Source) -> Path:
    """The file, or the folder of pictures."""
    match source:
        case Pictures():
            return source.folder
        case Entry():
            return source.file
    return source


def shown_fps(pictures: Pictures, fps: float | None) -> float:
    """Pictures per second.

    Raises:
        UserError: if nobody says it.
    """
    if fps is None:
        raise UserError(
            f"{pictures.folder}: pictures do not say how fast they follow; give --fps, as in"
            " --fps 25"
        )
    return fps
