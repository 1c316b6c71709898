"""Colours and words for the kinds of false positives of `metrics.errors`."""

from __future__ import annotations

from untrimmed.metrics.errors import Kind

COLOURS = {
    Kind.TRUE_POSITIVE: 2,
    Kind.DOUBLE_DETECTION: 0,
    Kind.WRONG_LABEL: 4,
    Kind.LOCALIZATION: 5,
    Kind.CONFUSION: 1,
    Kind.BACKGROUND: 3,
}
"""Of the palette: the first eight differ most."""

MEANINGS = {
    Kind.DOUBLE_DETECTION: "overlaps an action of its class well, which a surer one has hit",
    Kind.WRONG_LABEL: "overlaps an action of another class well",
    Kind.LOCALIZATION: "overlaps an action of its class a little",
    Kind.CONFUSION: "overlaps an action of another class a little",
    Kind.BACKGROUND: "overlaps hardly anything",
}


def kind_name(kind: Kind) -> str:
    """The kind in words, as in `wrong label`."""
    return kind.name.lower().replace("_", " ")
