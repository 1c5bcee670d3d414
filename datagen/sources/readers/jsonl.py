"""JSON Lines: a section for each record."""

from __future__ import annotations

from datagen.sources.parsed import Options, Parsed
from datagen.sources.readers import json


def read(data: bytes, options: Options) -> Parsed:
    """The records' text fields, or all their fields."""
    return json.read(data, options)
