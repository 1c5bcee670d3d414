"""Words of a text as a reader takes them, behind digits for letters, spaces within words and none between them."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

from curation.toxicity.lexicon import load

_TOKEN = re.compile(
    r"(?P<open>(?<![\w'’])['‘](?=\w))|(?P<close>(?<=[\w.!?,])['’](?!\w))|(?P<quote>[\"“”„«»`])|"
    r"(?P<end>[.?!…](?![\w$@])|\n\s*\n)|(?P<comma>[,;:()\[\]–—\n])|"
    r"(?P<word>[\w@$*#|+€\u0300-\u036f\u200b-\u200f\u00ad]+(?:(?:['’\-!]|(?<=\w)\.(?=\w))[\w@$*#|+€]+)*)"
)
_SUFFIX = re.compile(r"(?<=\w)'(?:s|re|m|ve|ll|d)\Z")
_JUNK = re.compile("[\u0300-\u036f\u200b-\u200f\u00ad]")
_RUN = re.compile(r"(.)\1{2,}")
MAX_WORD = 48  # longer ones are no word that anybody reads

# One character for another that looks like it: Cyrillic and Greek lookalikes (UTS #39 lists them).
_LOOKALIKE = str.maketrans("аесорхуіїјѕԁһոτνοαεικρυωᴀᴇɪᴏᴜ", "aecopxyiijsdhntvoaeikpuwaeiou")
_LEET: dict[str, str | tuple[str, ...]] = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "gb", "7": "t", "8": ("b", "ate"), "9": "g",
    "@": "a", "$": "s", "!": "il", "|": "il", "+": "t", "€": "e", "#": "h",
}  # fmt: skip
_WILD = "*#"
_MAX_READINGS = 16


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a sign of a text.

    Attributes:
        text: the word in lower case, undisguised; of a sign ``open``, ``close``, ``quote``, ``end`` or ``comma``.
        start, end: code points of the original text that it stands for.
        sign: True where it is no word.
        raw: the sign as it stands, "" of words.
    """

    text: str
    start: int
    end: int
    sign: bool = False
    raw: str = ""


def tokens(text: str) -> list[Token]:
    """The words and signs of a text, undisguised, with offsets of the text as it is.

    Undone are: lookalike letters, digits and signs for letters, stars within words, zero-width characters, letters
    said too often, letters set apart, words run together, one missing letter and two swapped ones; the last three
    only where a word of the lexicon comes out.
    """
    out: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "word":
            out.append(Token(kind, match.start(), match.end(), True, match.group()))
        elif len(match.group()) > MAX_WORD:
            out.append(Token("", match.start(), match.end()))
        else:
            _words(match.group(), match.start(), out)
    return _together(out)


def _words(raw: str, start: int, out: list[Token]) -> None:
    end = start + len(raw)
    if raw.isascii() and raw.isalpha():
        found: tuple[str, ...] = _read(raw.lower())
    else:
        plain = _plain(raw)
        suffix = _SUFFIX.search(plain)
        if suffix:
            body = _read(plain[: suffix.start()])
            found = (*body, suffix.group())
        else:
            found = _read(plain)
    out += [Token(word, start, end) for word in found]


def _plain(raw: str) -> str:
    if not raw.isascii():
        raw = unicodedata.normalize("NFKD", raw)
        raw = _JUNK.sub("", raw)
    return raw.lower().translate(_LOOKALIKE).replace("’", "'").rstrip("-'")


@functools.lru_cache(maxsize=50_000)
def _read(word: str) -> tuple[str, ...]:
    """The words that are meant by one token."""
    lexicon = load()
    if word in lexicon.tags or word in lexicon.phrases:
        return (word,)
    bare = word.strip("#*|+@")
    if bare in lexicon.tags:
        return (bare,)
    for reading in _readings(word):
        if reading in lexicon.tags or reading in lexicon.phrases:
            return (reading,)
    if "-" in word or "." in word:
        parts = [part for part in re.split(r"[-.]", word) if part]
        if len(parts) > 1:
            if all(len(part) == 1 for part in parts) and (whole := "".join(parts)) in lexicon.keys:
                return (whole,)
            return tuple(inner for part in parts for inner in _read(part))
    for reading in _readings(word):
        if len(reading) >= 3 and reading.replace("'", "").isalpha():
            if reading in lexicon.slips:
                return (lexicon.slips[reading],)
            split = _apart(reading)
            if split:
                return split
    return (word,)


def _readings(word: str) -> list[str]:
    """What a token can mean when digits and signs stand for letters, most literal first."""
    found = [word]
    if _RUN.search(word):
        found += [_RUN.sub(r"\1\1", word), _RUN.sub(r"\1", word)]
    out = list(found)
    for base in found:
        if base.isalpha() or not any(c.isalpha() for c in base):
            continue
        partial = [""]
        for character in base:
            options = _LEET.get(character, character)
            partial = [head + option for head in partial for option in options][:_MAX_READINGS]
        out += [reading for reading in partial if reading not in out]
    if any(c in _WILD for c in word[1:]):
        out += _starred(word)
    return out


def _starred(word: str) -> list[str]:
    """Profanities and slurs that a word with stars for letters can be."""
    letters = sum(c.isalpha() for c in word)
    if letters < 1 or not word[0].isalpha():
        return []
    lexicon = load()
    pattern = re.compile("".join("[a-z]" if c in _WILD else re.escape(c) for c in word))
    return [
        key
        for key in sorted(lexicon.keys)
        if len(key) == len(word)
        and key[0] == word[0]
        and lexicon.tags[key] & {"slur", "loose", "intens", "fverb", "profane"}
        and pattern.fullmatch(key)
    ][:1]


_EDGE = frozenset("i we you they all these those are is be am to u my no of the me us him them you".split())


@functools.lru_cache(maxsize=20_000)
def _apart(word: str) -> tuple[str, ...]:
    """The words run together in one token, () unless all of it is known words."""
    lexicon = load()
    if not 5 <= len(word) <= MAX_WORD or word in lexicon.real:
        return ()
    best: list[tuple[int, tuple[str, ...]] | None] = [None] * (len(word) + 1)
    best[0] = (0, ())
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 16), end):
            before = best[start]
            piece = word[start:end]
            if before is None or not (piece in lexicon.tags or piece in lexicon.phrases):
                continue
            if len(piece) == 1 and piece not in "ia":
                continue
            cost = before[0] + 10 + (10 if len(piece) < 3 else 0)
            here = best[end]
            if here is None or cost < here[0]:
                best[end] = (cost, (*before[1], piece))
    whole = best[len(word)]
    if whole is None or len(whole[1]) < 2:
        return ()
    pieces = whole[1]
    keys = sum(len(piece) > 2 and (piece in lexicon.keys or piece in ("people", "person")) for piece in pieces)
    short = sum(len(piece) < 3 for piece in pieces)
    if keys >= 2 and short * 2 <= len(pieces):
        return pieces
    if keys == 1 and len(pieces) == 2 and (pieces[0] in _EDGE or pieces[1] in _EDGE):
        return pieces
    if keys == 1 and len(pieces) >= 3 and short * 2 < len(pieces):
        return pieces
    return pieces if len(word) >= 6 and short <= 1 else ()


def _together(found: list[Token]) -> list[Token]:
    """Joins letters set apart ("h a t e", "h.a.t.e") and words broken in two ("ha te")."""
    lexicon = load()
    out: list[Token] = []
    i = 0
    while i < len(found):
        token = found[i]
        j = i
        while j < len(found) and not found[j].sign and len(found[j].text) == 1 and j - i < MAX_WORD:
            j += 1
        if j - i >= 3:
            out += _letters(found[i:j])
            i = j
            continue
        following = found[i + 1] if i + 1 < len(found) else None
        if following is not None and not token.sign and not following.sign:
            joined = token.text + following.text
            unknown = token.text not in lexicon.tags or following.text not in lexicon.tags
            if unknown and len(joined) >= 4 and joined in lexicon.keys and following.start > token.end:
                out.append(Token(joined, token.start, following.end))
                i += 2
                continue
        out.append(token)
        i += 1
    return out


def _letters(run: list[Token]) -> list[Token]:
    """A run of single letters as the words they spell, or as it is."""
    lexicon = load()
    spelled = "".join(token.text for token in run)
    for skip in range(min(3, len(run) - 2)):
        for drop in range(min(3, len(run) - skip - 2)):
            whole = spelled[skip : len(run) - drop]
            reading = next((r for r in _readings(whole) if r in lexicon.keys), "") if len(whole) >= 3 else ""
            pieces = (reading,) if reading else (_apart(whole) if len(whole) >= 5 else ())
            if pieces and sum(map(len, pieces)) == len(whole):
                out, at = list(run[:skip]), skip
                for piece in pieces:
                    out.append(Token(piece, run[at].start, run[at + len(piece) - 1].end))
                    at += len(piece)
                return out + list(run[len(run) - drop :] if drop else [])
    return run
