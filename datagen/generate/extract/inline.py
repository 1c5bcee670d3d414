"""Inline Markdown and small pieces of English: plain text, words, sentences, terms."""

from __future__ import annotations

import re

from datagen.generate.extract.lexicon import wordset

_IMAGE = re.compile(r"!\[[^\[\]\n]{0,300}\]\([^()\s]{0,500}\)")
_LINK = re.compile(r"\[([^\[\]\n]{1,300})\](?:\([^()\s]{0,500}(?: \"[^\"\n]{0,200}\")?\)|\[[^\[\]\n]{0,100}\])")
_BOLD = re.compile(r"(\*\*|__)(?=\S)([^*_\n]{1,200})(?<=\S)\1")
_ITALIC = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])([^*_\n]{1,200})(?<=\S)\1(?![\w*])")
_SPAN = re.compile(r"(`[^`\n]{1,200}`)")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SPACE = re.compile(r"\s+")
_STOP = re.compile(r"[.!?][\"')\]*`”’]{0,3}(?=\s+(?:[\"'(\[*“‘]{0,3}[A-Z0-9]|\*{0,2}`))")
_ABBREVIATION = wordset(
    "e.g i.e etc vs cf al no nr fig sec eq dr mr mrs ms prof st approx resp incl inc ltd jr sr dept est ca viz"
)


def plain(markup: str) -> str:
    """Text without links, images and emphasis, on one line; code spans keep their backticks."""
    text = markup
    if "[" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub("", text))
    if "*" in text or "_" in text:
        pieces = _SPAN.split(text)  # what a code span holds is no emphasis
        pieces[::2] = [_ITALIC.sub(r"\2", _BOLD.sub(r"\2", piece)) for piece in pieces[::2]]
        text = "".join(pieces)
    return _SPACE.sub(" ", text).strip()


def words(text: str) -> list[str]:
    """Words in order, in their own case; hyphens and apostrophes join."""
    return _WORD.findall(text)


def count_words(text: str) -> int:
    """Number of parts between white space."""
    return len(text.split())


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of a paragraph, without white space around them."""
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _STOP.finditer(text):
        before = text[max(start, match.start() - 12) : match.start()].rpartition(" ")[2].lstrip("(\"'").lower()
        if text[match.start()] == "." and (before in _ABBREVIATION or (len(before) == 1 and before.isalpha())):
            continue
        if text.count("`", start, match.end()) % 2:  # inside a code span
            continue
        spans.append((start, match.end()))
        start = match.end()
        while start < len(text) and text[start].isspace():
            start += 1
    if start < len(text):
        spans.append((start, len(text.rstrip())))
    return [(a, b) for a, b in spans if b > a]


def is_code(term: str) -> bool:
    """Whether a term is one code span."""
    return len(term) > 2 and term[0] == term[-1] == "`" and "`" not in term[1:-1]


def is_identifier(term: str) -> bool:
    """Whether a term looks like a name in a program: ``snake_case``, ``a.b``, ``--flag``, ``camelCase``, ``f()``."""
    if " " in term.strip() or not term:
        return False
    body = term.strip("`")
    if body.startswith("-") or body.endswith("()"):
        return True
    return any(c in body[1:-1] for c in "_.=/") or (body[:1].islower() and any(c.isupper() for c in body))


def as_code(term: str) -> str:
    """A term as one code span."""
    return term if is_code(term) else f"`{term}`"


def lower_first(phrase: str) -> str:
    """The phrase with a small first letter, unless its first word is an acronym, a name in code, or mixed case."""
    head, _, rest = phrase.partition(" ")
    if not head or not head[0].isupper() or any(c.isupper() or c.isdigit() for c in head[1:]):
        return phrase
    if head.lower() in _NAMES or (len(head) == 1 and head not in "AI"):
        return phrase
    return head.lower() + (f" {rest}" if rest else "")


_NAMES = wordset(
    """python java rust linux windows unix docker kubernetes git github gitlab markdown jupyter django flask numpy
    pandas tensorflow redis mysql postgres sqlite oracle google microsoft amazon apple android ubuntu debian fedora
    english french german spanish italian chinese japanese unicode ascii excel word outlook powerpoint slack parquet
    arrow spark hadoop ray torch bash perl ruby swift kotlin scala haskell node react angular vue npm pip conda
    january february march april may june july august september october november december monday tuesday wednesday
    thursday friday saturday sunday europe america asia africa"""
)
"""Names that keep their capital; common ones only, since a wrong capital costs less than a wrong name."""
