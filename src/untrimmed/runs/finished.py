"""What was found in each video, written as soon as it is known, so that a stopped run goes on.

A file per video, in ActivityNet's form, which every reader of detections takes.  It says what it
was made of: if weights, settings or the video are others now, it is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from untrimmed import __version__
from untrimmed.core.config import dump
from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.inputs import Source, place
from untrimmed.runs.seen_files import FOLDER
from untrimmed.sources.formats import activitynet
from untrimmed.sources.frames import fingerprint
from untrimmed.sources.json_tree import read_json
from untrimmed.sources.pictures import Pictures
from untrimmed.sources.written_actions import file_of


@dataclass(frozen=True)
class Looked:
    """What was found in one video.

    Args:
        duration_s: that it lasts.
    """

    detections: Detections
    duration_s: float


@dataclass(frozen=True)
class Finished:
    """The results of single videos in an output folder.

    Args:
        folder: the output folder.
        classes: names, by label.
        made_of: what tells this detector and its settings from others, see `maker`.
    """

    folder: Path
    classes: tuple[str, ...]
    made_of: str

    def path(self, id: str) -> Path:
        """The file of a video."""
        return file_of(id, self.folder / FOLDER, ".json")

    def read(self, id: str, source: Source) -> Looked | None:
        """What was found in a video before; None if it was not looked at as it is now."""
        path = self.path(id)
        if not path.exists():
            return None
        try:
            said = read_json(path).member("external_data")
            if said.member("made_of").text() != self._made_of(source):
                return None
            found = activitynet.read_detections(path, self.classes)[id]
            return Looked(found, said.member("duration_s").number())
        except (FormatError, KeyError):
            return None  # of something else, or damaged: then it is made again

    def write(self, id: str, source: Source, looked: Looked) -> None:
        """Keep what was found in a video."""
        activitynet.write_detections(
            {id: looked.detections},
            self.classes,
            self.path(id),
            external_data={
                "duration_s": looked.duration_s,
                "file": str(place(source).absolute()),
                "made_of": self._made_of(source),
            },
        )

    def _made_of(self, source: Source) -> str:
        files: Sequence[Path] = source.files if isinstance(source, Pictures) else [place(source)]
        stamps = [
            [str(file.absolute()), stat.st_size, stat.st_mtime_ns]
            for file in files
            if file.exists()
            for stat in [file.stat()]
        ]
        return _digest([self.made_of, stamps])


def maker(recipe: Recipe, weights: Path, *, fps: float | None) -> str:
    """What tells a detector and its settings from others.

    Args:
        fps: that the user gave.

    Raises:
        MediaError: if there are no weights.
    """
    return _digest([__version__, fingerprint(weights), dump(recipe), fps])


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
