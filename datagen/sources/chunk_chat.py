"""Cuts a chat into chunks: conversations of a few exchanges, each of which makes one sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from datagen.core.hashing import digest
from datagen.core.names import name_key
from datagen.core.record import Chunk, Document, Verdict
from datagen.sources.chats.transcript import NAMED, THREAD
from datagen.sources.config import ChatConfig
from datagen.sources.tokens import TokenCounter

VERSION = 1
_STAGE = "chunk"


def fingerprint(config: ChatConfig) -> dict[str, Any]:
    """What shapes the cutting."""
    shape = config.model_dump(mode="json", exclude={"drop", "fields"})
    return {**shape, "me": name_key(config.me), "version": VERSION}


def conversations(document: Document, config: ChatConfig, tokens: TokenCounter) -> list[Chunk]:
    """The chunks of a chat. Every message is in exactly one.

    A chunk without a verdict begins with somebody else's message, ends with one of ``config.me``, and has
    ``config.min_exchanges`` to ``config.max_exchanges`` exchanges; an exchange is what others wrote until
    ``config.me`` replied, and the reply. All other messages are in chunks with a verdict of the stage ``chunk``:
    ``unprompted`` (what ``config.me`` wrote before anyone else did), ``unanswered`` (what ``config.me`` did not
    reply to any more), ``too_few_exchanges`` and ``too_long``.
    """
    me = name_key(config.me)
    known = {turn.speaker: name_key(turn.speaker) == me for turn in document.turns}
    mine = [known[turn.speaker] for turn in document.turns]
    places = _places(document)
    out: list[Chunk] = []
    for first, last in _rows(document, places, timedelta(minutes=config.gap_minutes)):
        out += [_chunk(document, part, places, config, tokens) for part in _parts(mine, first, last, config)]
    return out


def sizes(exchanges: int, least: int, most: int) -> list[int]:
    """Into how many exchanges each a row of them is cut: alike, none under ``least`` or over ``most``.

    Where no such cut takes all of them (seven, by four to six), as many as possible are taken, from the front.
    """
    if exchanges < least:
        return []
    parts = -(-exchanges // most)
    if parts * least > exchanges:
        parts -= 1
        exchanges = parts * most
    return [exchanges // parts + (i < exchanges % parts) for i in range(parts)]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a message stands: the start of its line, whether a chat or thread begins with it, and in which it is."""

    start: int
    begins: bool
    title: str
    thread: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """Messages ``first`` to ``last`` (half open) of a document that become one chunk."""

    first: int
    last: int
    verdict: Verdict | None = None


def _places(document: Document) -> list[_Place]:
    out: list[_Place] = []
    end, title, thread = 0, "", False
    for turn in document.turns:
        start = document.text.rfind("\n", end, turn.start) + 1 or end
        between = document.text[end:start]
        begins = not out or between != "\n"
        if begins:
            lines = between.split("\n")
            title = next((line.removeprefix(NAMED) for line in lines if line.startswith(NAMED)), "")
            thread = THREAD in lines
        out.append(_Place(start, begins, title, thread))
        end = turn.end
    return out


def _rows(document: Document, places: Sequence[_Place], gap: timedelta) -> Iterator[tuple[int, int]]:
    """The conversations: rows of messages, half open."""
    first = 0
    before: datetime | None = None
    for number, turn in enumerate(document.turns):
        time = datetime.fromisoformat(turn.time) if turn.time else None
        # A clock may be put back; a jump either way is the end of a talk. Replies in a thread belong together.
        paused = time is not None and before is not None and abs(time - before) > gap and not places[number].thread
        if number and (places[number].begins or paused):
            yield first, number
            first = number
        before = time or before
    yield first, len(document.turns)


def _parts(mine: Sequence[bool], first: int, last: int, config: ChatConfig) -> Iterator[_Part]:
    """A conversation's chunks, which leave out none of its messages."""
    lead = next((i for i in range(first, last) if not mine[i]), last)
    if lead > first:
        yield _Part(first, lead, _rejected("unprompted", f"{lead - first} messages before anybody else wrote"))
    tail = next((i + 1 for i in range(last - 1, lead - 1, -1) if mine[i]), lead)
    replies = [i + 1 for i in range(lead, tail) if mine[i] and (i + 1 == tail or not mine[i + 1])]
    begin, done = lead, 0
    for size in sizes(len(replies), config.min_exchanges, config.max_exchanges):
        done += size
        yield _Part(begin, replies[done - 1])
        begin = replies[done - 1]
    if begin < tail:
        few = f"{len(replies) - done} exchanges, at least {config.min_exchanges} wanted"
        yield _Part(begin, tail, _rejected("too_few_exchanges", few))
    if tail < last:
        yield _Part(tail, last, _rejected("unanswered", f"{last - tail} messages without a reply"))


def _rejected(reason: str, evidence: str) -> Verdict:
    return Verdict(stage=_STAGE, reason=reason, evidence=evidence)


def _chunk(
    document: Document, part: _Part, places: Sequence[_Place], config: ChatConfig, tokens: TokenCounter
) -> Chunk:
    turns = document.turns[part.first : part.last]
    start, end = places[part.first].start, turns[-1].end
    text = document.text[start:end]
    verdict = part.verdict
    said = sum(turn.end - turn.start for turn in turns)
    if verdict is None and said > config.max_characters:
        verdict = _rejected("too_long", f"{said:,} characters, at most {config.max_characters:,} wanted")
    title = places[part.first].title
    return Chunk.model_construct(
        id=digest([document.path, document.sha256, start, end]),
        path=document.path,
        sha256=document.sha256,
        split=document.split,
        title=document.title,
        format=document.format,
        start=start,
        end=end,
        heading=(title,) if title else (),
        text=text,
        tokens=tokens.count(text),
        turns=turns,
        verdict=verdict,
    )
