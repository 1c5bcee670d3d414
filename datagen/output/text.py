"""Text as it may stand in a file: valid UTF-8, one JSON value a line whatever a reader takes for a line end."""

from __future__ import annotations

import json
from typing import Any

from datagen.core.text import scrub as scrub  # what is written here is scrubbed: one place to import from

# Line ends for str.splitlines and for JavaScript before ES2019, which JSON leaves as they are.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def json_line(value: Any) -> bytes:
    """``value`` as one line of JSON in UTF-8: keys in their given order, nothing in it that any reader
    takes for a line end but the one at its end. Lone surrogates become U+FFFD."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return scrub(text).translate(_LINE_ENDS).encode() + b"\n"


def pretty_json(value: Any) -> bytes:
    """``value`` as indented JSON with sorted keys and a line end: for people, and the same every time."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=2)
    return scrub(text).translate(_LINE_ENDS).encode() + b"\n"


def script_json(value: Any) -> str:
    """``value`` as JSON that may stand in a ``<script>`` element: no ``<``, ``>`` or ``&`` is left, so
    nothing in it can close the element or open a comment (HTML, section 4.12.1.3)."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    table = {**_LINE_ENDS, 0x3C: "\\u003c", 0x3E: "\\u003e", 0x26: "\\u0026"}
    return scrub(text).translate(table)


def clip(text: str, most: int) -> str:
    """``text``, or its first ``most`` characters and an ellipsis."""
    return text if len(text) <= most else text[:most].rstrip() + " …"
