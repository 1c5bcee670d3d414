"""What a reader gives: a text with its structure, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["markdown", "text", "code"]


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
class Options:
    """What shapes a reader's text.

    Attributes:
        max_text: characters a text may have.
        text_fields: fields of JSON objects that hold text, dotted, first match wins.
    """

    max_text: int = 20_000_000
    text_fields: tuple[str, ...] = ("text", "content", "body", "markdown")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's text.

    Attributes:
        text: with structure as Markdown where ``format`` is ``"markdown"``.
        format: as :class:`datagen.core.record.Document` says.
        pages: offset in ``text`` of each page, slide or sheet, ascending, first 0; empty without pages.
        title: the document's own title, else "".
    """

    text: str
    format: Format = "markdown"
    pages: tuple[int, ...] = ()
    title: str = ""
