"""Serve the page of a report on this machine.

The page is that of `html`; videos are sent as they are asked for, in ranges, so that a click in a
long one costs no more than what is shown.  Nothing is sent but the page, the videos of the page by
their ids, and copies of them that every browser plays: no path comes from outside.

Who may ask.  The server listens on this machine alone unless told otherwise.  A page of another
site cannot read it (browsers keep origins apart), nor pretend to be it: a `Host` that is neither
an address nor a name of this machine is refused, as it may be a stranger's name that was made to
lead here (DNS rebinding).  What changes something, or makes a file, needs the token in the page.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from untrimmed.core.errors import ConfigError, UserError
from untrimmed.report.requests import is_loopback, is_own_host, part_of

LARGEST_BODY = 8 * 2**20
"""Bytes of a request; a video with a hundred thousand labels has less."""

_PIECE = 256 * 1024  # bytes of a file that are sent at once
_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "frame-ancestors 'none'",
}
_MEDIA = re.compile(r"/media/([^/]+)(/copy)?")


class Site(Protocol):
    """What is served; its methods are called from several threads."""

    def page(self, token: str) -> str:
        """The page; `token` has to come back with every change."""
        ...

    def media(self, id: str) -> Path | None:
        """The file of a video of the page; None if there is none."""
        ...

    def copy(self, id: str) -> Path | None:
        """A copy that every browser plays, made if need be; raises UserError if it cannot be."""
        ...

    def news(self, seen: str) -> Mapping[str, Any]:
        """What is new since the answer whose `seen` that was."""
        ...

    def correct(self, request: Mapping[str, Any]) -> None:
        """Keep the labels of a video; raises UserError or ValueError if they cannot be."""
        ...

    def export(self, request: Mapping[str, Any]) -> tuple[str, bytes]:
        """Name and content of a file of annotations; raises as `correct`."""
        ...


@dataclass(frozen=True)
class Address:
    """Where a server listens: `url` leads a browser of this machine to it."""

    host: str
    port: int

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host in ("", "0.0.0.0") else self.host
        host = "::1" if host == "::" else host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        return is_loopback(self.host)


def serve(
    site: Site,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    listening: Callable[[Address], None] = lambda _: None,
) -> None:
    """Serve until interrupted.

    Args:
        port: 0 takes a free one.
        listening: told where, once requests are answered.

    Raises:
        ConfigError: if the host is not of this machine, or the port is taken.
    """
    token = secrets.token_urlsafe(24)
    handler = type("Handler", (_Handler,), {"site": site, "token": token, "host": host})
    server_class = _Server6 if ":" in host else _Server
    try:
        server = server_class((host, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {reason}; leave out --port to take a free one",
            path="--port" if port else "--host",
        ) from error
    with server:
        listening(Address(host, server.server_address[1]))
        server.serve_forever()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a video on its way does not keep the command from ending


class _Server6(_Server):
    address_family = socket.AF_INET6


class _RefusedError(Exception):
    def __init__(self, status: HTTPStatus, message: str = "") -> None:
        super().__init__(message or status.phrase)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    site: Site
    token: str
    host: str
    protocol_version = "HTTP/1.1"
    server_version = "untrimmed"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_HEAD(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal belongs to the command."""

    def _answered(self, answer: Callable[[], None]) -> None:
        try:
            if not is_own_host(self.headers.get("Host", ""), listening_on=self.host):
                raise _RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")
            answer()
        except _RefusedError as refused:
            self._send(refused.status, "text/plain", str(refused).encode())
        except (UserError, ValueError) as error:
            self._send(HTTPStatus.UNPROCESSABLE_ENTITY, "text/plain", str(error).encode())
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the browser went on to something else

    def _get(self) -> None:
        url = urlsplit(self.path)
        media = _MEDIA.fullmatch(url.path)
        if url.path == "/":
            content = self.site.page(self.token).encode()
            self._send(HTTPStatus.OK, "text/html", content)
        elif url.path == "/news":
            seen = parse_qs(url.query).get("seen", [""])[0]
            content = json.dumps(self.site.news(seen)).encode()
            self._send(HTTPStatus.OK, "application/json", content)
        elif media is not None:
            file_of = self.site.copy if media[2] else self.site.media
            self._file(file_of(unquote(media[1])))
        else:
            raise _RefusedError(HTTPStatus.NOT_FOUND)

    def _post(self) -> None:
        # Read in any case: what is left in the connection would be taken for the next request.
        body = self._body()
        if not secrets.compare_digest(
            self.headers.get("X-Token", "").encode(), self.token.encode()
        ):
            message = "this page is of an earlier server; reload it"
            raise _RefusedError(HTTPStatus.FORBIDDEN, message)
        request = json.loads(body)
        if not isinstance(request, dict):
            raise ValueError("wanted a JSON object")
        if self.path == "/corrections":
            self.site.correct(request)
            self._send(HTTPStatus.OK, "text/plain", b"kept")
        elif self.path == "/export":
            name, content = self.site.export(request)
            self._send(HTTPStatus.OK, "application/octet-stream", content, {"X-Name": name})
        else:
            raise _RefusedError(HTTPStatus.NOT_FOUND)

    def _body(self) -> bytes:
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError as error:
            self.close_connection = True
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED) from error
        if not 0 <= length <= LARGEST_BODY:
            self.close_connection = True
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return self.rfile.read(length)

    def _send(
        self,
        status: HTTPStatus,
        kind: str,
        content: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        kind = f"{kind}; charset=utf-8" if kind != "application/octet-stream" else kind
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            **(headers or {}),
            **_HEADERS,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _file(self, path: Path | None) -> None:
        """A file, or the part of it that is asked for."""
        try:
            file = None if path is None else path.open("rb")
        except OSError:
            file = None
        if path is None or file is None:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such video")
        with file:
            size = path.stat().st_size
            part = part_of(self.headers.get("Range", ""), size)
            if part is not None and part[0] >= size:
                headers = {"Content-Range": f"bytes */{size}"}
                status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                self._send(status, "text/plain", b"", headers)
                return
            first, last = part or (0, size - 1)
            self.send_response(HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT)
            if part is not None:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            for name, value in {
                "Content-Type": _TYPES.get(path.suffix.lower(), "application/octet-stream"),
                "Content-Length": str(last - first + 1),
                "Accept-Ranges": "bytes",
                "Cache-Control": "no-cache",
                **_HEADERS,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                file.seek(first)
                _copied(file, self.wfile, last - first + 1)


def _copied(source: BinaryIO, target: Any, count: int) -> None:
    while count:
        piece = source.read(min(count, _PIECE))
        if not piece:  # it was cut off meanwhile
            raise ConnectionError
        target.write(piece)
        count -= len(piece)
