"""What the headers of a request say: whom it is meant for, and which part of a file it asks for."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def is_own_host(header: str, *, listening_on: str) -> bool:
    """Whether a `Host` header can be of somebody who meant this server.

    Addresses are, as nobody else can give those a meaning; of names, those of this machine and
    the one that the server was told to listen on.
    """
    name = (urlsplit(f"//{header}").hostname or "") if header else ""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name in {"localhost", listening_on.lower(), socket.gethostname().lower()}
    return address.is_loopback or not is_loopback(listening_on)


def is_loopback(host: str) -> bool:
    """Whether an address, or the name of one, is reached by this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def part_of(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte that a `Range` asks for; None for all, as of ranges that we do not know.

    A first byte behind the end stays there, so that it can be refused.
    """
    asked = _RANGE.fullmatch(header.strip())
    if asked is None or not (asked[1] or asked[2]):
        return None
    if not asked[1]:  # the last so many bytes
        count = int(asked[2])
        return (max(0, size - count), size - 1) if count else (size, size)
    first, last = int(asked[1]), int(asked[2] or size)
    if last < first:
        return None
    return first, min(last, size - 1)
