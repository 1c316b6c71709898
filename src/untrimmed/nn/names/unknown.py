"""Names in a file that no weights of a network have, said in a few words."""

from __future__ import annotations

from collections.abc import Sequence


class UnknownNamesError(ValueError):
    """Entries of a file are none of those that a network has in its authors' files.

    Args:
        names: of the entries, at least one.
        of: what they should be of, as in "a Video Swin Transformer".
    """

    def __init__(self, names: Sequence[str], *, of: str) -> None:
        super().__init__(f"not of {of}: {listed(names)}")
        self.names = tuple(names)


def listed(names: Sequence[str], *, most: int = 8) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
