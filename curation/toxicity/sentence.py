"""Sentences as rows of tagged words, in which patterns over tags can be looked for."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from curation.toxicity.lexicon import Tags, load
from curation.toxicity.spell import Token

MAX_WORDS = 120  # a longer sentence is read in pieces
_OTHER: Tags = frozenset({"w"})
_SKIP: Tags = frozenset({"skip"})
_ADJECTIVE: Tags = frozenset({"groupadj"})
_FIRST = 0x100  # code point that stands for the first set of tags
_CONTRACTED = {"'s": "be", "'re": "be", "'m": "be", "'ll": "intend", "'d": "intend", "'ve": "help"}


@dataclass(slots=True)
class Word:
    """A word, phrase or mention of a group.

    Attributes:
        text: in lower case, the words of a phrase joined by a space.
        tags: what it can do.
        start, end: code points of the text.
        quoted: does it stand in quotation marks?
    """

    text: str
    tags: Tags
    start: int
    end: int
    quoted: bool = False


@dataclass(slots=True)
class Sentence:
    """Words of one sentence, and the row of characters that stand for their tags.

    Attributes:
        words: its words and commas.
        row: one character a word.
        asks: does it end in a question mark?
        quotes: does it hold quotation marks, or stand within them?
    """

    words: list[Word]
    row: str
    asks: bool
    quotes: bool


class Alphabet:
    """A character for every set of tags that a word can have."""

    def __init__(self) -> None:
        self._codes: dict[Tags, str] = {}
        self._tags: list[Tags] = []
        lexicon = load()
        held = set(lexicon.tags.values()) | {tags for all_ in lexicon.phrases.values() for _, tags in all_}
        fixed: list[Tags] = [
            _OTHER,
            *(frozenset({tag}) for tag in ("comma", "group", "groupadj", "be", "intend", "help", "skip")),
        ]
        fixed += [frozenset({"group", tag}) for tag in ("ref", "those")]
        for tags in [*fixed, *sorted(held, key=sorted)]:
            if tags not in self._codes:
                self._codes[tags] = chr(_FIRST + len(self._tags))
                self._tags.append(tags)

    def code(self, tags: Tags) -> str:
        """The character of a set of tags."""
        return self._codes[tags]

    def characters(self, wanted: str) -> str:
        """The inside of a character class: all sets with one of the tags, of ``a|b``; none of ``^c``; any of ``*``."""
        yes = {tag for tag in wanted.split("|") if tag[0] != "^"}
        no = {tag[1:] for tag in wanted.split("|") if tag[0] == "^"}
        return "".join(
            re.escape(code)
            for tags, code in self._codes.items()
            if (not yes or "*" in yes or tags & yes) and not tags & no
        )


@functools.cache
def alphabet() -> Alphabet:
    """The alphabet of this process."""
    return Alphabet()


def compile_tags(pattern: str) -> re.Pattern[str]:
    """A pattern over tags, as in ``<attitude><skip>{0,5}<group>``, as one over rows of characters."""
    return re.compile(re.sub(r"<([^<>=!]+)>", lambda m: f"[{alphabet().characters(m[1])}]", pattern))


@functools.cache
def _mention() -> re.Pattern[str]:
    # "(young) black people", "Muslims", "people who are gay", "the disabled", "those of you who are deaf"
    return compile_tags(
        "<groupadj><groupadj|group>{0,2}(?:<person|group>{1,2}|<those>)"
        "|<group>{1,3}"
        "|<person><comma>?<brk><be|back>{0,2}<be><skip>{0,2}<groupadj|group|afterthe>(?:<person>)?"
    )


@functools.cache
def _conditional() -> re.Pattern[str]:
    # "people, especially if they are disabled people"
    return compile_tags(
        "<person>(?:<comma|w|skip|brk|help>{1,4})<back|other><be><skip>{0,2}<groupadj|group>{1,2}<person>?"
    )


def sentences(found: list[Token]) -> Iterator[Sentence]:
    """The sentences of a text, with phrases, mentions of groups and quotations made out."""
    words: list[Word] = []
    quoted, touched = False, False
    opened = 0
    for at, token in enumerate(found):
        if token.sign and token.text in ("open", "close", "quote"):
            if token.text == "quote" and token.raw in "“„«":
                quoted, opened = True, at
            elif token.text == "quote" and token.raw in "”»":
                quoted = False
            elif token.text == "quote":
                quoted = not quoted
                opened = at
            elif token.text == "open":
                quoted, opened = any(t.text == "close" for t in found[at : at + MAX_WORDS]), at
            else:
                quoted = False
            touched = True
        elif token.sign and token.text == "end":
            following = found[at + 1] if at + 1 < len(found) else None
            # A stop within quotation marks, or right before the closing ones, does not end the sentence around them.
            if quoted and at - opened < MAX_WORDS:
                words.append(Word(".", frozenset({"comma"}), token.start, token.end, quoted))
                continue
            if following is not None and following.sign and following.text == "end":
                if "?" in following.raw and words:
                    yield _made(words, True, touched)
                    words, touched = [], False
                continue
            if words:
                yield _made(words, "?" in token.raw, touched)
            words, touched = [], False
        elif token.sign:
            words.append(Word(",", frozenset({"comma"}), token.start, token.end, quoted))
        else:
            words.append(Word(token.text, _tags(token.text), token.start, token.end, quoted))
        if len(words) >= MAX_WORDS:
            yield _made(words, False, touched)
            words, quoted, touched = [], False, False
    if words:
        yield _made(words, False, touched)


def _tags(word: str) -> Tags:
    if word in _CONTRACTED:
        return frozenset({_CONTRACTED[word]})
    return load().tags.get(word, _OTHER)


def _made(words: list[Word], asks: bool, quotes: bool) -> Sentence:
    words = _phrased(words)
    for word, following in pairwise(words):
        if "group" in word.tags and "groupadj" in word.tags and following.tags == _OTHER:
            word.tags = _ADJECTIVE  # "Indian elephants" are no Indians
    words = _collapsed(words, _mention())
    for word, following in pairwise(words):
        if word.text == "that" and following.tags & {"bad", "intens"}:
            word.tags = _SKIP  # as in "that stupid"
    words = _collapsed(words, _conditional())
    return Sentence(words, row_of(words), asks, quotes)


def row_of(words: list[Word]) -> str:
    """The characters that stand for the tags of some words."""
    known = alphabet()
    return "".join(known.code(word.tags) for word in words)


def _phrased(words: list[Word]) -> list[Word]:
    phrases = load().phrases
    out: list[Word] = []
    i = 0
    while i < len(words):
        for parts, tags in phrases.get(words[i].text, ()):
            n = len(parts)
            if i + n <= len(words) and all(words[i + k].text == parts[k] for k in range(1, n)):
                out.append(Word(" ".join(parts), tags, words[i].start, words[i + n - 1].end, words[i].quoted))
                i += n
                break
        else:
            out.append(words[i])
            i += 1
    return out


def _collapsed(words: list[Word], pattern: re.Pattern[str]) -> list[Word]:
    out: list[Word] = []
    at = 0
    row = row_of(words)
    for match in pattern.finditer(row):
        i, j = match.span()
        text = " ".join(word.text for word in words[i:j])
        out += words[at:i]
        out.append(Word(text, frozenset({"group"}), words[i].start, words[j - 1].end, words[i].quoted))
        at = j
    return out + words[at:]
