"""Public weights on this machine: which are here, and how to fetch the others; no torch.

A download that is cut off goes on where it ended, if the server says that the file is still the
same.  Nothing has its name before it is whole and its checksum, where one is published, is right.
"""

from __future__ import annotations

import hashlib
import http.client
import math
import os
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from untrimmed import __version__
from untrimmed.core.errors import UserError
from untrimmed.recipes.weights import PUBLIC, EncoderWeights, PublicWeights, public_weights
from untrimmed.runs.progress import Job, Progress

_BLOCK = 1 << 20
_MEBIBYTE = 1 << 20
_SILENT_S = 60.0


def cache_folder() -> Path:
    """Where this user's programs keep what can be fetched again, below it `untrimmed/weights`."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "untrimmed" / "weights"


def weights_file(weights: EncoderWeights) -> Path:
    """The file that a recipe's encoder starts from.

    Raises:
        ConfigError: if no public weights have that name.
        UserError: if the file is not here; the message says how to get it.
    """
    if weights.path is not None:
        if not weights.path.exists():
            raise UserError(f"{weights.path}: there is no such file")
        return weights.path
    name = str(weights.name)
    path = cache_folder() / public_weights(name).file
    if not path.exists():
        raise UserError(f"the weights {name} are not here: run `untrimmed weights get {name}`")
    return path


def weights_table(folder: Path) -> str:
    """All public weights as a table of text: what a user chooses by.

    Args:
        folder: where they are looked for.
    """
    rows = [("name", "encoder", "trained on, top-1", "size", "licence", "here")]
    for name, weights in PUBLIC.items():
        size = "not published" if weights.mebibytes is None else f"{weights.mebibytes:.0f} MiB"
        here = "yes" if (folder / weights.file).exists() else ""
        encoder = weights.encoder.strip("{}").removeprefix("name: ")
        rows.append((name, encoder, weights.trained_on, size, weights.licence, here))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def fetch(weights: PublicWeights, folder: Path) -> Job[Path]:
    """Bring public weights into a folder, unless they are there.

    Returns:
        The file; its checksum is right, if one is published.

    Raises:
        UserError: if the source cannot be reached or breaks off, which the same call mends later,
            or what came, or lies there, has another checksum.  What came so is deleted.
    """
    path = folder / weights.file
    if path.exists():
        if not _is_right(path, weights):
            raise UserError(f"{path}: not what was published ({weights.url}): delete it")
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{weights.file}.part"
    stage = f"fetch {weights.file}, MiB"
    try:
        for done, total in _received(weights.url, part):
            yield Progress(stage, done // _MEBIBYTE, math.ceil(total / _MEBIBYTE))
    except HTTPError as error:
        what = f"the server answers {error.code} {error.reason}"
        raise UserError(_by_hand(weights, path, what)) from error
    except URLError as error:
        raise UserError(_by_hand(weights, path, str(error.reason))) from error
    except (OSError, http.client.HTTPException) as error:
        raise UserError(f"{weights.url}: {error}; the same command goes on from here") from error
    if done != total:
        raise UserError(
            f"{weights.url}: the connection ended after {done} of {total} bytes;"
            " the same command goes on from here"
        )
    _mark(part).unlink(missing_ok=True)
    if not _is_right(part, weights):
        part.unlink()
        raise UserError(
            f"{weights.url}: what came has another checksum than was published,"
            f" {weights.sha256}; it is deleted"
        )
    yield Progress(stage, math.ceil(total / _MEBIBYTE), math.ceil(total / _MEBIBYTE))
    part.replace(path)
    return path


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_right(path: Path, weights: PublicWeights) -> bool:
    return weights.sha256 is None or checksum(path).startswith(weights.sha256)


def _by_hand(weights: PublicWeights, path: Path, reason: str) -> str:
    return (
        f"{weights.url} cannot be fetched: {reason}\n"
        f"fetch it elsewhere, from there or by way of {weights.source}, and put it at {path}"
    )


def _received(url: str, part: Path) -> Iterator[tuple[int, int]]:
    """Write what the server sends behind what is in `part`; yield bytes there, and of the whole.

    Two parts of a file are joined only if the server knows it by the same mark.
    """
    begun = part.stat().st_size if part.exists() and _mark(part).exists() else 0
    headers = {"User-Agent": f"untrimmed/{__version__}", "Accept-Encoding": "identity"}
    if begun:
        mark = _mark(part).read_text(encoding="ascii")
        headers |= {"Range": f"bytes={begun}-", "If-Range": mark}
    with _opened(url, headers) as answer:
        goes_on = answer.status == HTTPStatus.PARTIAL_CONTENT
        if goes_on and not answer.headers["Content-Range"].startswith(f"bytes {begun}-"):
            raise http.client.HTTPException("the server sent another part than was asked for")
        done = begun if goes_on else 0
        length = answer.headers["Content-Length"]
        if length is None:
            raise http.client.HTTPException("the server does not say how large the file is")
        total = done + int(length)
        _write_mark(part, answer.headers)
        with part.open("ab" if goes_on else "wb") as file:
            yield done, total
            while block := answer.read(_BLOCK):
                file.write(block)
                done += len(block)
                yield done, total


def _opened(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    """The answer of the server; from the beginning if it has nothing behind what is here."""
    try:
        answer: http.client.HTTPResponse = urlopen(Request(url, headers=headers), timeout=_SILENT_S)
    except HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        whole = {key: headers[key] for key in headers.keys() - {"Range", "If-Range"}}
        answer = urlopen(Request(url, headers=whole), timeout=_SILENT_S)
    return answer


def _mark(part: Path) -> Path:
    return part.with_name(f"{part.name}.mark")


def _write_mark(part: Path, headers: http.client.HTTPMessage) -> None:
    """Keep that by which the server knows this state of the file; without it, no going on."""
    tag = headers["ETag"]
    mark = headers["Last-Modified"] if tag is None or tag.startswith("W/") else tag
    if mark is None:
        _mark(part).unlink(missing_ok=True)
    else:
        _mark(part).write_text(mark, encoding="ascii")
