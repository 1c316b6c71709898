"""Files from the network, whole or not at all; no torch.

A download that is cut off goes on where it ended, if the server says that the file is still the
same.  Nothing has its name before it is whole and its checksum, where one is known, is right.
"""

from __future__ import annotations

import hashlib
import http.client
import math
import os
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from untrimmed import __version__
from untrimmed.core.errors import UserError
from untrimmed.runs.progress import Job, Progress

_BLOCK = 1 << 20
_MEBIBYTE = 1 << 20
_SILENT_S = 60.0


def user_cache() -> Path:
    """Where this user's programs keep what can be fetched again, below it `untrimmed`."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "untrimmed"


def download(
    url: str, path: Path, *, by_hand: str, sha256: str | None = None, token: str | None = None
) -> Job[Path]:
    """Bring a file to a place where nothing is yet.

    Args:
        by_hand: how else to get it, for the message if it cannot be fetched.
        sha256: the first hexadecimal digits of its checksum, as many as are known.
        token: by which the server knows the user; no other server is told.

    Raises:
        UserError: if the source cannot be reached or breaks off, which the same call mends later,
            or what came has another checksum.  What came so is deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    stage = f"fetch {path.name}, MiB"
    try:
        for done, total in _received(url, part, token=token):
            yield Progress(stage, done // _MEBIBYTE, math.ceil(total / _MEBIBYTE))
    except (HTTPError, URLError) as error:
        raise UserError(f"{url} cannot be fetched: {reason(error)}\n{by_hand}") from error
    except (OSError, http.client.HTTPException) as error:
        raise UserError(f"{url}: {error}; the same command goes on from here") from error
    if done != total:
        raise UserError(
            f"{url}: the connection ended after {done} of {total} bytes;"
            " the same command goes on from here"
        )
    _mark(part).unlink(missing_ok=True)
    if sha256 is not None and not checksum(part).startswith(sha256):
        part.unlink()
        raise UserError(
            f"{url}: what came has another checksum than was published, {sha256}; it is deleted"
        )
    yield Progress(stage, math.ceil(total / _MEBIBYTE), math.ceil(total / _MEBIBYTE))
    part.replace(path)
    return path


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def answer_to(
    url: str, *, headers: Mapping[str, str] | None = None, token: str | None = None
) -> http.client.HTTPResponse:
    """What a server answers.

    Args:
        token: as of `download`.

    Raises:
        HTTPError, URLError: if it refuses, or cannot be reached.
    """
    request = Request(url, headers={"User-Agent": f"untrimmed/{__version__}", **(headers or {})})
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    opener = build_opener(_Discreet())
    answer: http.client.HTTPResponse = opener.open(request, timeout=_SILENT_S)
    return answer


def reason(error: URLError) -> str:
    """Why a server could not be asked, or what it answered."""
    if isinstance(error, HTTPError):
        return f"the server answers {error.code} {error.reason}"
    return str(error.reason)


class _Discreet(HTTPRedirectHandler):
    """Follows a server to another without telling that one who the user is."""

    def redirect_request(
        self,
        req: Request,
        fp: object,
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> Request | None:
        request = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if request is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            request.remove_header("Authorization")
        return request


def _received(url: str, part: Path, *, token: str | None) -> Iterator[tuple[int, int]]:
    """Write what the server sends behind what is in `part`; yield bytes there, and of the whole.

    Two parts of a file are joined only if the server knows it by the same mark.
    """
    begun = part.stat().st_size if part.exists() and _mark(part).exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if begun:
        mark = _mark(part).read_text(encoding="ascii")
        headers |= {"Range": f"bytes={begun}-", "If-Range": mark}
    with _opened(url, headers, token=token) as answer:
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


def _opened(url: str, headers: dict[str, str], *, token: str | None) -> http.client.HTTPResponse:
    """The answer of the server; from the beginning if it has nothing behind what is here."""
    try:
        return answer_to(url, headers=headers, token=token)
    except HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        whole = {key: headers[key] for key in headers.keys() - {"Range", "If-Range"}}
        return answer_to(url, headers=whole, token=token)


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
