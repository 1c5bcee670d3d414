"""What a rule sees of a chunk, and what it makes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from datagen.core.record import Chunk
from datagen.generate.extract.blocks import Block, scan
from datagen.generate.extract.inline import count_words, is_identifier, plain
from datagen.generate.extract.lexicon import wordset

_NUMBERED = re.compile(r"((?:PEP|RFC|ISO|ADR|BIP|EIP|JEP|KEP)[ -]?\d{1,5})\b")
_SECTION_NUMBER = re.compile(
    r"^(?:(?:chapter|section|part|appendix|step)\s+)?(?:\d{1,3}|[a-z])(?:\.\d{1,3}){0,4}[.:)]?\s+", re.I
)
_BARE_NUMBER = re.compile(
    r"^(?:\d{1,3}(?:\.\d{1,3}){0,4}[.:)]?|(?:chapter|section|part|appendix|step) [\dA-Z]{1,3}[.:]?)\s+", re.I
)

NAVIGATION = frozenset(
    name.strip()
    for name in """table of contents|contents|references|reference|copyright|changelog|change log|change
    history|history|
    see also|further reading|external links|notes|footnotes|bibliography|acknowledgements|acknowledgments|
    acknowledgement|license|licence|authors|author|credits|index|links|resources|related|related work|
    next steps|what's next|what next|release notes|todo|to do|open issues|discussion|citations|sources|
    navigation|menu|search|contact|contents:|post-history|discussions-to|resolution|appendix|example|
    examples|footnote|comments""".split("|")
)
"""Headings under which nothing is asked about."""

GENERIC = wordset(
    """introduction overview abstract summary background motivation rationale specification details usage example
    examples notes description general basics readme home welcome documentation docs guide tutorial quickstart
    installation configuration reference api faq options parameters arguments settings commands conclusion preface
    untitled index contents manual library tool project package handbook cookbook introduction changelog about
    features requirements design implementation discussion"""
)
"""Headings and titles that do not name a subject."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question and the span of its answer in the chunk's text.

    Attributes:
        kind: the family of questions, for variety within a chunk.
        weight: how good the family's questions usually are; higher is taken first.
        whole: the answer may hold structure (lists, fences) and need not be one clean sentence.
    """

    kind: str
    question: str
    start: int
    end: int
    weight: int = 5
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk, cut into blocks.

    Attributes:
        subject: the short proper name of what the document is about ("PEP 8", "NumPy"), or "".
    """

    text: str
    blocks: tuple[Block, ...]
    path: str
    subject: str
    format: str

    @classmethod
    def of(cls, chunk: Chunk) -> Passage:
        blocks = tuple(scan(chunk.text, chunk.heading)) if chunk.format != "code" else ()
        title = chunk.title or (chunk.heading[0] if chunk.heading else "")
        return cls(chunk.text, blocks, chunk.path, subject_of(title), chunk.format)

    def body(self, block: Block) -> str:
        """A block's content without its marker."""
        return self.text[block.body : block.end]

    def navigational(self, block: Block) -> bool:
        """Whether the block stands under a heading that nothing is asked about."""
        return any(is_navigation(heading) for heading in block.path[-2:])

    def about(self, block: Block) -> str:
        """The words of headings and title around a block, lower case."""
        return " ".join((self.subject, *block.path)).lower()


def is_navigation(heading: str) -> bool:
    """Whether a heading is one of those that nothing is asked about, whatever its number."""
    return unnumbered(plain(heading)).lower().strip(" :.") in NAVIGATION


def unnumbered(heading: str) -> str:
    """A heading without its section number: ``"2.1 Scope"`` → ``"Scope"``."""
    return (
        _BARE_NUMBER.sub("", heading, count=1) if heading[:1].isdigit() or _SECTION_NUMBER.match(heading) else heading
    )


def subject_of(title: str) -> str:
    """The short proper name a title states, or "" where it is a common phrase.

    ``"PEP 8 – Style Guide for Python Code"`` → ``"PEP 8"``; ``"NumPy"`` → ``"NumPy"``; ``"semchunk"`` →
    ``"semchunk"``; ``"Configuration"``, ``"Getting Started"`` → ``""``.
    """
    text = plain(title).strip()
    if numbered := _NUMBERED.match(text):
        return numbered[1]
    for separator in (" – ", " — ", " - ", ": ", " | "):
        head, found, _ = text.partition(separator)
        if found:
            text = head.strip()
            break
    if not text or count_words(text) > 3 or text.lower() in GENERIC or len(text) > 40:
        return ""
    if is_identifier(text):
        return text if "/" not in text and "." not in text.strip("`") else ""
    words = text.split()
    if words[-1].lower() in GENERIC or not text.replace(" ", "").replace("-", "").isalnum():
        return ""
    if len(words) == 1:
        return text if text.islower() or any(c.isupper() for c in text[1:]) else ""
    mixed = any(any(c.isupper() for c in w[1:]) and not w.isupper() for w in words)
    return text if mixed or any(c.isdigit() for c in text) else ""
