"""What a chat export holds, whatever program wrote it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Post:
    """One message, as exported.

    Attributes:
        speaker: the name in the export.
        text: what the person wrote, without marks of the program.
        time: without time zone; None where the export gives none.
    """

    speaker: str
    text: str
    time: datetime | None = None


@dataclass(slots=True)
class Section:
    """Messages that belong together: one chat, or one thread of it.

    Attributes:
        posts: in order.
        name: of the chat, "" where the export gives none.
        thread: replies to one message; a pause does not end it.
    """

    posts: list[Post] = field(default_factory=list)
    name: str = ""
    thread: bool = False


@dataclass(slots=True)
class Export:
    """All of one file.

    Attributes:
        program: who wrote it, as in ``"WhatsApp"``.
        sections: chats and threads.
        left_out: messages that are not among the posts: what they are → how many.
        notes: what had to be assumed, a sentence each.
    """

    program: str
    sections: list[Section] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
