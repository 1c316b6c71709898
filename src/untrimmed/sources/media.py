"""Which file holds which video, and its frames at the rate and size of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from untrimmed.core.errors import MediaError
from untrimmed.core.rate import Rate, described, matches
from untrimmed.sources.frames import Frames, StoredFrames, open_frames
from untrimmed.sources.video import VideoFrames, open_video

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

HELD_OPEN = 64
"""Files held open at a time, each with a decoder."""


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
    """Opens videos by id; can be sent to another process, which opens files of its own.

    What was learnt of a video is kept, and the files of those read last are held open, not more
    than `HELD_OPEN`.

    Args:
        files: by id of the video.
        fps: frames per second at which they are read, or how they follow from each.
        size: height and width of the frames.
        prepared: a folder of copies written by `untrimmed prepare`; a video without a copy there
            is read from its file.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        *,
        fps: Rate,
        size: tuple[int, int],
        prepared: Path | None = None,
    ) -> None:
        self.files = dict(files)
        self.fps = fps
        self.size = size
        self.prepared = prepared
        self._known: dict[str, VideoFrames | StoredFrames] = {}
        self._recent: dict[str, None] = {}  # ids, the one read last at the end

    def __call__(self, video: str) -> Frames:
        """Frames of a video.

        Raises:
            MediaError: if it has no file, or the file cannot be read.
        """
        if video not in self._known:
            self._known[video] = self._opened(video)
        self._recent.pop(video, None)
        self._recent[video] = None
        if len(self._recent) > HELD_OPEN:
            oldest = next(iter(self._recent))
            del self._recent[oldest]
            self._known[oldest].close()  # reading it again opens it again
        return self._known[video]

    def _opened(self, video: str) -> VideoFrames | StoredFrames:
        if self.prepared is not None:
            raw, small = prepared_copies(self.prepared, video)
            if raw.exists():
                return open_frames(raw, fps=self.fps, size=self.size)
            if small.exists():
                return self._small(small)
        if video not in self.files:
            raise MediaError(f"no file for the video {video}", file=video)
        return open_video(self.files[video], fps=self.fps, size=self.size)

    def _small(self, path: Path) -> VideoFrames:
        copy = open_video(path, fps=self.fps, size=self.size)
        made = (copy.index.height, copy.index.width)
        of_rate = matches(self.fps, fps=copy.index.fps, frames=len(copy.index), tolerance=1e-3)
        if made != tuple(self.size) or not of_rate:
            raise MediaError(
                f"a copy of {made[0]} x {made[1]} pixels at {copy.index.fps:g} frames per second,"
                f" wanted are {self.size[0]} x {self.size[1]} at {described(self.fps)}; delete it"
                " and run `untrimmed prepare`",
                file=path,
            )
        return copy


def prepared_copies(folder: Path, video: str) -> tuple[Path, Path]:
    """Where copies of a video lie in a prepared folder: raw frames, and a small mp4."""
    return folder / f"{video}.safetensors", folder / f"{video}.mp4"
