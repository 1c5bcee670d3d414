"""Patterns of injection in scripts that put no blanks between words."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from curation.malicious.finding import Signal

_FILE = Path(__file__).with_name("injection.toml")
_SCRIPTS = re.compile("[\u0900-\u097f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")


@functools.cache
def _patterns() -> tuple[tuple[str, float, re.Pattern[str]], ...]:
    tree = tomllib.loads(_FILE.read_bytes().decode())
    return tuple((entry["name"], float(entry["weight"]), re.compile(entry["regex"])) for entry in tree["raw"])


def signals(text: str) -> Iterator[Signal]:
    """What is found in a text; spans are of that text."""
    if not _SCRIPTS.search(text):
        return
    for name, weight, regex in _patterns():
        for found in regex.finditer(text):
            yield Signal("prompt_injection", *found.span(), weight, name)
