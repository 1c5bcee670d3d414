"""A record as a report shows it: texts cut to a readable length, the quoted words marked in their source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from datagen.core.record import Chunk, Failure, Quote, Sample
from datagen.output.text import clip

QUESTION, ANSWER, SOURCE, EVIDENCE, RAW = 1_500, 3_000, 900, 400, 800
"""Most characters shown of each text."""
_TURNS = 12
_WORD = 30  # characters within which a cut looks for the end of a word
_AROUND = 250  # characters of source shown before the first quote when the source is cut

Segments = list[tuple[str, bool]]


def spans(source: str, quotes: Iterable[Quote], offset: int) -> list[tuple[int, int]]:
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


def segments(source: str, marked: list[tuple[int, int]], most: int = SOURCE) -> Segments:
    """``source`` as pieces of text and whether each is quoted, cut to about ``most`` characters around the
    first quote."""
    begin, end = 0, len(source)
    if end > most:
        begin = max(0, min(marked[0][0] - _AROUND if marked else 0, end - most))
        end = begin + most
        begin = _word_start(source, begin, marked[0][0] if marked else end)
        end = source.rfind(" ", end - _WORD, end) + 1 or end if end < len(source) else end
    pieces: Segments = [("… ", False)] if begin else []
    at = begin
    for start, stop in marked:
        start, stop = max(start, begin), min(stop, end)
        if start >= stop:
            continue
        if start > at:
            pieces.append((source[at:start], False))
        pieces.append((source[start:stop], True))
        at = stop
    if at < end:
        pieces.append((source[at:end], False))
    if end < len(source):
        pieces.append((" …", False))
    return pieces


def _word_start(text: str, at: int, before: int) -> int:
    """The next start of a word from ``at`` on, if one is near and not after ``before``."""
    if at == 0 or text[at - 1].isspace():
        return at
    space = text.find(" ", at, min(at + _WORD, before))
    return space + 1 if space >= 0 else at


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
        "turns": [[m.role, clip(m.content, ANSWER if m.role == "assistant" else QUESTION)] for m in turns],
        "more_turns": len(record.messages) - len(turns),
        "source": segments(record.source, spans(record.source, made.quotes, made.start)),
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
