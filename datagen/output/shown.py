"""A record as a report shows it: texts cut to a readable length, the quoted words marked in their source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from datagen.core.record import Chunk, Failure, Quote, Sample
from datagen.output.text import clip

QUESTION, ANSWER, SOURCE, EVIDENCE, RAW = 1_500, 3_000, 900, 400, 800
"""Most characters shown of each text."""
_TURNS = 12
_WORD = 30  # characters within which a cut looks for the end of a word
_AROUND = 250  # characters of source shown before the first quote when the source is cut

QUOTED, LITERAL = 1, 2
"""Flags of a piece of text: words that a sample rests on; code or a table."""

Pieces = list[tuple[str, int]]
Spans = Sequence[tuple[int, int]]
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def find_quotes(source: str, quotes: Iterable[Quote], offset: int) -> list[tuple[int, int]]:
    """Where the quotes stand in ``source``, ascending, overlapping ones joined.

    Args:
        source: a passage of the document.
        quotes: with spans of the document; one that is not at its span is looked for, and left out
            if it is nowhere.
        offset: of the passage in the document.
    """
    found: list[tuple[int, int]] = []
    for quote in quotes:
        start = quote.start - offset
        if start < 0 or source[start : quote.end - offset] != quote.text:
            start = source.find(quote.text)
        if start >= 0 and quote.text:
            found.append((start, start + len(quote.text)))
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def literal(text: str) -> list[tuple[int, int]]:
    """Where fenced code and table rows stand in Markdown text, ascending: what is read in columns."""
    found: list[tuple[int, int]] = []
    at, fence = 0, ""
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line)
        if fence or match or line.startswith("|"):
            joined = bool(found) and found[-1][1] == at
            found[-1:] = [(found[-1][0], at + len(line))] if joined else [*found[-1:], (at, at + len(line))]
        if fence:
            fence = "" if line.strip().startswith(fence) and not line.strip().strip(fence[0]) else fence
        elif match:
            fence = match[1]
        at += len(line)
    return found


def pieces(text: str, quoted: Spans = (), begin: int = 0, end: int | None = None) -> Pieces:
    """``text[begin:end]`` cut where a quote, code or a table begins or ends."""
    last = len(text) if end is None else end
    layers = ((QUOTED, quoted), (LITERAL, literal(text)))
    borders = (at for _, spans in layers for span in spans for at in span if begin < at < last)
    out: Pieces = []
    for start, end in pairwise(sorted({begin, last, *borders})):
        flags = sum(flag for flag, spans in layers if any(a <= start and end <= b for a, b in spans))
        out.append((text[start:end], flags))
    return out


def passage(source: str, quotes: Iterable[Quote], offset: int, most: int = SOURCE) -> Pieces:
    """A passage with its quotes marked, cut to about ``most`` characters around the first quote.

    Args:
        source: the passage.
        quotes: as for :func:`find_quotes`.
        offset: of the passage in the document.
        most: characters shown.
    """
    marked = find_quotes(source, quotes, offset)
    first = marked[0][0] if marked else 0
    begin, end = 0, len(source)
    if end > most:
        begin = max(0, min(first - _AROUND, end - most))
        end = begin + most
        if begin and not source[begin - 1].isspace():
            space = source.find(" ", begin, min(begin + _WORD, first))
            begin = space + 1 if space >= 0 else begin
        if end < len(source):
            end = source.rfind(" ", end - _WORD, end) + 1 or end
    out = pieces(source, marked, begin, end)
    return [*([("… ", 0)] if begin else []), *out, *([(" …", 0)] if end < len(source) else [])]


def sample(record: Sample) -> dict[str, Any]:
    """A sample for people."""
    made = record.lineage
    turns = record.messages[:_TURNS]
    return {
        "id": record.id,
        "recipe": record.recipe,
        "split": record.split,
        "path": made.path,
        "heading": list(made.heading),
        "page": made.page,
        "turns": [[m.role, pieces(clip(m.content, ANSWER if m.role == "assistant" else QUESTION))] for m in turns],
        "more_turns": len(record.messages) - len(turns),
        "source": passage(record.source, made.quotes, made.start),
        "score": record.score,
        "scores": dict(sorted(record.scores.items())),
        "scored_by": record.scored_by,
        "why": clip(record.justification, EVIDENCE),
        "rejected": {"content": clip(record.rejected.content, ANSWER), "flaw": clip(record.rejected.flaw, EVIDENCE)}
        if record.rejected
        else None,
        "verdict": {
            "stage": record.verdict.stage,
            "reason": record.verdict.reason,
            "evidence": clip(record.verdict.evidence, EVIDENCE),
        }
        if record.verdict
        else None,
    }


def chunk(record: Chunk) -> dict[str, Any]:
    """A rejected chunk as an example."""
    return {
        "path": record.path,
        "heading": list(record.heading),
        "page": record.page,
        "text": clip(record.text, SOURCE),
        "evidence": clip(record.verdict.evidence, EVIDENCE) if record.verdict else "",
    }


def rejected_sample(record: Sample) -> dict[str, Any]:
    """A rejected sample as an example: its last exchange and the evidence."""
    question = next((m.content for m in reversed(record.messages) if m.role == "user"), "")
    return {
        "path": record.lineage.path,
        "heading": list(record.lineage.heading),
        "page": record.lineage.page,
        "question": clip(question, QUESTION // 2),
        "answer": clip(record.messages[-1].content if record.messages else "", ANSWER // 4),
        "score": record.score,
        "evidence": clip(record.verdict.evidence, EVIDENCE) if record.verdict else "",
    }


def failure(record: Failure) -> dict[str, Any]:
    """A failed call as an example, with the beginning of its raw reply."""
    return {
        "recipe": record.recipe,
        "chunk": record.chunk,
        "attempts": record.attempts,
        "samples": record.samples,
        "raw": clip(record.raw, RAW),
    }
