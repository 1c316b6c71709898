"""Where the page of a report finds its videos: inside itself, beside itself, or nowhere.

Base64 in the page makes one file of it all, a third larger than the videos.  What is too large is
made smaller first (`proxy`), and linked if that would leave nothing to see.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from untrimmed.core.errors import MediaError
from untrimmed.report.proxy import duration_s, played_as, write_proxy

LONGEST_COPIED_S = 2 * 3600
"""A longer video that browsers do not play is not copied: that may take as long as it lasts."""

_LEAST_BITS_PER_S = 120_000  # below, a copy of 640 pixels shows blocks
_HEADROOM = 0.95  # the container comes on top of the pictures


@dataclass(frozen=True)
class Embedded:
    """A video inside the page.

    Args:
        kind: its media type.
        content: the whole file.
    """

    kind: str
    content: bytes


@dataclass(frozen=True)
class Linked:
    """A video beside the page; `address` is relative to the page, quoted."""

    address: str


@dataclass(frozen=True)
class Missing:
    """A video that cannot be shown, and why."""

    reason: str


Place = Embedded | Linked | Missing


def placed(
    files: Mapping[str, Path], page: Path, *, embed: bool, max_embedded_bytes: int
) -> dict[str, Place]:
    """A place for each video of a page.

    The smallest come first; each may fill an equal share of what is left of the limit, so that
    small ones leave room for large ones.  Copies for linking go to a folder beside the page that
    has its name with `_videos`.

    Args:
        files: by id of the video.
        page: the file that will hold the page.
        embed: put videos into the page where they fit; else link all.
        max_embedded_bytes: most bytes of all embedded videos together, before base64.
    """
    places: dict[str, Place] = {}
    sizes = {id: path.stat().st_size if path.is_file() else 0 for id, path in files.items()}
    left = max_embedded_bytes if embed else 0
    for number, id in enumerate(sorted(files, key=sizes.__getitem__)):
        share = left // (len(files) - number)
        place: Place
        try:
            place = _embedded(files[id], share) or _linked(id, files[id], page)
        except MediaError as error:
            place = Missing(str(error).removeprefix(f"{error.file}: "))
        if isinstance(place, Embedded):
            left -= len(place.content)
        places[id] = place
    return places


def _embedded(path: Path, share: int) -> Embedded | None:
    """The file or a copy of at most `share` bytes; None if that is too little."""
    kind = played_as(path)
    if kind is not None and path.stat().st_size <= share:
        return Embedded(kind, path.read_bytes())
    bits_per_s = int(_HEADROOM * 8 * share / (duration_s(path) + 1.0))
    if bits_per_s < _LEAST_BITS_PER_S:
        return None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.mp4"
        write_proxy(path, copy, bits_per_s=bits_per_s)
        content = copy.read_bytes()
    return Embedded("video/mp4", content) if len(content) <= share else None


def _linked(id: str, path: Path, page: Path) -> Linked:
    if played_as(path) is None:
        if duration_s(path) > LONGEST_COPIED_S:
            raise MediaError(
                "browsers do not play this kind of file, and it is too long to be copied unasked:"
                " convert it with `ffmpeg -i FILE -c:v libx264 NEW.mp4`",
                file=path,
            )
        path = browser_copy(id, path, copies_of(page))
    relative = Path(os.path.relpath(path.resolve(), page.parent.resolve()))
    return Linked(quote(relative.as_posix()))


def copies_of(page: Path) -> Path:
    """The folder of copies that belong to a page."""
    return page.parent / f"{page.stem}_videos"


def browser_copy(id: str, path: Path, folder: Path) -> Path:
    """A copy of a video that every browser plays; made unless there is one that is younger.

    Raises:
        MediaError: if the video cannot be decoded.
    """
    # The digest keeps ids apart that differ only in what a file name cannot hold.
    digest = hashlib.sha256(id.encode()).hexdigest()[:8]
    copy = folder / f"{re.sub('[^A-Za-z0-9._-]', '_', id)[:80]}-{digest}.mp4"
    made_s = copy.stat().st_mtime if copy.exists() else -1.0
    if not path.exists() or made_s <= path.stat().st_mtime:
        write_proxy(path, copy)
    return copy
