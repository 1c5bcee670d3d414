"""Source code and configuration files, as text."""

from __future__ import annotations

from datagen.sources.encoding import decode
from datagen.sources.parsed import Options, Parsed


def read(data: bytes, options: Options) -> Parsed:
    """The code as it is; its form feeds and odd spaces too, but no invisible characters."""
    return Parsed(decode(data), "code")
