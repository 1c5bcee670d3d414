"""Which parts of a long source are shown: those that speak of what the reply speaks of."""

from __future__ import annotations

import re
from collections import Counter

from curation.words import normalise, tokens

GAP = "\n[…]\n"
"""Stands where something was left out. No quote can reach across it, for it does not stand in the source."""
BLOCK = 1_000  # characters
_END = re.compile(r"\s")


def shown(source: str, about: str, limit: int) -> tuple[str, int]:
    """The parts of a source that matter for a text, in their order.

    The source is cut into blocks of about 1,000 characters at white space. Blocks are taken by how many words of the
    text they have, each word weighted by how few blocks have it (K. Spärck Jones, "A statistical interpretation of
    term specificity and its application in retrieval", 1972, in its plainest form), until the limit is reached.

    Args:
        source: the whole.
        about: the text, such as a reply with what it replies to.
        limit: characters of the source at most.

    Returns:
        What is shown, with :data:`GAP` where something is missing, and how many characters are missing.
    """
    if len(source) <= limit:
        return source, 0
    blocks = _blocks(source, min(BLOCK, max(1, limit // 4)))
    wanted = set(tokens(normalise(about)))
    found = [wanted.intersection(tokens(normalise(source[start:end]))) for start, end in blocks]
    spread = Counter(word for words in found for word in words)
    weight = [sum(1 / spread[word] for word in words) for words in found]
    taken: list[int] = []
    room = limit
    for i in sorted(range(len(blocks)), key=lambda i: (-weight[i], i)):
        start, end = blocks[i]
        if end - start <= room:
            taken.append(i)
            room -= end - start
    parts: list[str] = []
    before = 0
    for i in sorted(taken):
        start, end = blocks[i]
        if start > before:
            parts.append(GAP)
        parts.append(source[start:end])
        before = end
    if before < len(source):
        parts.append(GAP)
    return "".join(parts), len(source) - (limit - room)


def _blocks(source: str, size: int) -> list[tuple[int, int]]:
    """Spans that cover the source, each at most ``size`` long, ended at white space where there is some."""
    spans: list[tuple[int, int]] = []
    start = 0
    while start < len(source):
        end = min(start + size, len(source))
        if end < len(source):
            end = max((found.end() for found in _END.finditer(source, start + size // 2, end)), default=end)
        spans.append((start, end))
        start = end
    return spans
