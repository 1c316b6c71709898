"""Which file holds which video, and its frames at the rate and size of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from untrimmed.core.errors import MediaError
from untrimmed.sources.frames import Frames, open_frames
from untrimmed.sources.video import open_video

SUFFIXES = (
    ".mp4",
    ".mkv",
    ".webm",
    ".avi",
    ".mov",
    ".m4v",
    ".mpg",
    ".mpeg",
    ".ts",
    ".m2ts",
    ".flv",
)
"""Endings, in any case, of files that are looked at as videos."""


def videos_in(folder: Path) -> dict[str, Path]:
    """Video files of a folder and its subfolders by their name without ending, sorted.

    Raises:
        MediaError: if the folder is missing.
    """
    if not folder.is_dir():
        raise MediaError("no such folder of videos", file=folder)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return {path.stem: path for path in files}


def find(folder: Path, ids: Iterable[str]) -> dict[str, Path]:
    """The file of each video; those without one are left out.

    A file belongs to a video if its name without ending is the id, with or without the `v_`
    that ActivityNet puts before its ids in file names only.
    """
    files = videos_in(folder)
    named = {id: files.get(id) or files.get(f"v_{id}") for id in ids}
    return {id: path for id, path in named.items() if path is not None}


class Media:
    """Opens videos by id, each once; can be sent to another process, which opens its own.

    Args:
        files: by id of the video.
        fps: frames per second at which they are read.
        size: height and width of the frames.
        prepared: a folder of copies written by `untrimmed prepare`; a video without a copy there
            is read from its file.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        *,
        fps: float,
        size: tuple[int, int],
        prepared: Path | None = None,
    ) -> None:
        self.files = dict(files)
        self.fps = fps
        self.size = size
        self.prepared = prepared
        self._open: dict[str, Frames] = {}

    def __call__(self, video: str) -> Frames:
        """Frames of a video.

        Raises:
            MediaError: if it has no file, or the file cannot be read.
        """
        if video not in self._open:
            self._open[video] = self._opened(video)
        return self._open[video]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": {}}

    def _opened(self, video: str) -> Frames:
        if self.prepared is not None:
            for copy in prepared_copies(self.prepared, video):
                if copy.exists():
                    if copy.suffix == ".npy":
                        return open_frames(copy, fps=self.fps, size=self.size)
                    return open_video(copy, fps=self.fps, size=self.size)
        if video not in self.files:
            raise MediaError(f"no file for the video {video}", file=video)
        return open_video(self.files[video], fps=self.fps, size=self.size)


def prepared_copies(folder: Path, video: str) -> tuple[Path, Path]:
    """Where copies of a video lie in a prepared folder: raw frames, and a small mp4."""
    return folder / f"{video}.npy", folder / f"{video}.mp4"
