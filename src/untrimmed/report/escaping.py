"""Text that stays text, whatever is in it: in HTML, in SVG, and in a script element."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def text(value: str) -> str:
    """Text for an element or a quoted attribute; characters that XML forbids become U+FFFD."""
    return escape(_NOT_XML.sub("\ufffd", value))


def script_json(value: Any) -> str:
    """JSON for a `<script type="application/json">`, which nothing in a string can close.

    Raises:
        ValueError: if a number is not finite.
    """
    plain = json.dumps(value, allow_nan=False, separators=(",", ":"))  # ASCII alone
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
