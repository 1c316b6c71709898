"""The text of a file, with the line for a complaint about what is none."""

from __future__ import annotations

from pathlib import Path

from untrimmed.core.errors import FormatError


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark; line ends as they are.

    Raises:
        FormatError: if there is none, naming the line of the first byte that is no text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", file=path) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before, wrong = error.object[: error.start], error.object[error.start]
        raise FormatError(
            f"cannot be read as text: the byte {wrong:#04x} is no UTF-8",
            file=path,
            place=before.count(b"\n") + 1,
        ) from error
