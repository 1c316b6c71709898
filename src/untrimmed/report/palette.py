"""A colour for every class.

Twenty colours, found by search: any two keep a distance for people with full colour vision and
for those with protanopia, deuteranopia or tritanopia, and the first eight keep a large one.  From
the 21st class on they repeat; nothing in a report is told by colour alone.
"""

from __future__ import annotations

LIGHT = (
    "#405ed6", "#ec6106", "#37a783", "#a93e54", "#9d7ece",
    "#e7ad41", "#704390", "#40c4f7", "#9d6530", "#a2c67b",
    "#bc7154", "#cb9acf", "#0c6e59", "#7a71e2", "#85ab60",
    "#d1378c", "#875119", "#856ea3", "#933db6", "#fa7aa0",
)  # fmt: skip
"""On a light ground, by class."""

DARK = (
    "#6185fe", "#fe8d5a", "#5ac6a0", "#d26477", "#bb9cee",
    "#fec662", "#9769b9", "#87d9fe", "#c18752", "#b9de92",
    "#de9072", "#e5b3e9", "#40947d", "#9994fe", "#a1c87b",
    "#f75dad", "#af7642", "#a68fc6", "#b963de", "#fea6bd",
)  # fmt: skip
"""The same hues on a dark ground."""


def colour_name(label: int) -> str:
    """The style class of a label, `colour-0` to `colour-19`."""
    return f"colour-{label % len(LIGHT)}"


def colour(label: int) -> str:
    """The colour of a label on a light ground, as #rrggbb."""
    return LIGHT[label % len(LIGHT)]


def style_rules() -> str:
    """Style sheet that gives `--colour` to every element that bears a `colour_name`."""
    light, dark = (
        "".join(f".colour-{n}{{--colour:{value}}}" for n, value in enumerate(values))
        for values in (LIGHT, DARK)
    )
    return f"{light}@media(prefers-color-scheme:dark){{{dark}}}"
