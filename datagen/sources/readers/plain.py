"""Plain text."""

from __future__ import annotations

from datagen.sources.encoding import decode
from datagen.sources.parsed import Options, Parsed


def read(data: bytes, options: Options) -> Parsed:
    """The text as it is."""
    return Parsed(decode(data), "text")
