"""What a reader gives: a text with its structure, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Format = Literal["markdown", "text", "code", "chat"]
RawTurn = tuple[str, str, int, int]
"""Speaker, time, start and end of one message of a chat, as :class:`datagen.core.record.Turn` has them."""


class Unreadable(Exception):
    """A file that cannot be read, said so that a person understands.

    Args:
        reason: short snake_case name, counted in reports, as in ``"password"``.
        evidence: one readable sentence; the same file gives the same sentence.
    """

    def __init__(self, reason: str, evidence: str) -> None:
        super().__init__(reason, evidence)
        self.reason = reason
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What shapes the reading of chats.

    Attributes:
        me: whose messages are the assistant's.
        drop: texts of whole messages that are left out.
        fields: ``speaker``, ``text``, ``time``, ``conversation`` → the field of the export that holds it,
            dotted; those not named are found out.
    """

    me: str
    drop: tuple[str, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Options:
    """What shapes a reader's text.

    Attributes:
        max_text: characters a text may have.
        text_fields: fields of JSON objects that hold text, dotted, first match wins.
        chat: set where files are looked at as chat exports.
    """

    max_text: int = 20_000_000
    text_fields: tuple[str, ...] = ("text", "content", "body", "markdown")
    chat: ChatOptions | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's text.

    Attributes:
        text: with structure as Markdown where ``format`` is ``"markdown"``.
        format: as :class:`datagen.core.record.Document` says.
        pages: offset in ``text`` of each page, slide or sheet, ascending, first 0; empty without pages.
        title: the document's own title, else "".
        turns: the messages of a chat, ascending.
        notes: how it was read, for people: what was left out, what had to be assumed.
    """

    text: str
    format: Format = "markdown"
    pages: tuple[int, ...] = ()
    title: str = ""
    turns: tuple[RawTurn, ...] = ()
    notes: tuple[str, ...] = ()
