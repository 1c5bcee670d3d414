"""What a text is compared by: its words, and its signs in order, as stable 64-bit hashes.

This is the definition, in plain Python, for texts one at a time. :mod:`curation.lexical.kernel` does the same
to many texts at once, from tables that :mod:`curation.lexical.tables` makes of the functions here.
"""

from __future__ import annotations

import functools
import re
import unicodedata

import numpy as np
import numpy.typing as npt

from datagen.core.typography import SINGLE, TYPOGRAPHIC, is_single, marks

Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

MAX_VOCABULARY = 300_000  # tokens remembered by one process: about 60 MB

FULL = (1 << 64) - 1
WORD_SEED = 0xCBF29CE484222325  # offset basis and prime of FNV-1a (Fowler, Noll and Vo; RFC 9923)
FNV_PRIME = 0x100000001B3
SIGN_SEED = 0x84222325CBF29CE4  # so that a sign is no word of one letter
AFTER_SPACE = 0xD6E8FEB86659FD93
APOSTROPHE = 0xA0761D6478BD642F

JOINERS = "'+#"  # part of a word but never its beginning; an apostrophe is not its end either


def _ranges(points: list[int]) -> str:
    """Ascending code points as the inside of a pattern's brackets."""
    out: list[list[int]] = []
    for point in points:
        if out and out[-1][1] == point - 1:
            out[-1][1] = point
        else:
            out.append([point, point])
    return "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in out)


# A space that was before it is part of a token: so one pass says what the words are, and what the text is.
_ASCII_TOKEN = re.compile(r" ?(?:[a-z0-9_][a-z0-9_'+#]*|[^ ])")


@functools.cache
def _token() -> re.Pattern[str]:
    single = "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in SINGLE)
    inside = _ranges(sorted(point for point in marks() if not is_single(point)))
    alone = _ranges(sorted(point for point in marks() if is_single(point)))
    plain = rf"[^\W{single}]"
    return re.compile(rf" ?(?:(?!{plain})[\w{alone}]|{plain}(?:{plain}|[{inside}'+#])*|[^ ])")


def normalise(text: str) -> str:
    """NFKC (UAX #15), case folded, typographic signs as a typewriter's, white space to single spaces."""
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKC", text).casefold().translate(TYPOGRAPHIC)
    return " ".join(text.split())


def pieces(text: str) -> list[str]:
    """A :func:`normalise`\\ d text cut into words and signs, each with the space before it."""
    return (_ASCII_TOKEN if text.isascii() else _token()).findall(text)


def tokens(text: str) -> list[str]:
    """Words of a :func:`normalise`\\ d text, raw: see :func:`word`. Each character is one in scripts without spaces."""
    return [bare for piece in pieces(text) if word(bare := piece.lstrip(" "))]


def word(token: str) -> str:
    """The word in a token, without quotation marks; "" where there is none."""
    return _known_word(token) if len(token) <= _SHORT else _word(token)


_SHORT = 40  # characters of a token that is remembered


def _word(token: str) -> str:
    begins = token[:1]
    if not begins or not (begins.isalnum() or begins == "_" or is_single(ord(begins))):
        return ""
    return token.rstrip("'")


_known_word = functools.lru_cache(maxsize=1 << 15)(_word)


class Vocabulary(dict[str, int]):
    """Piece → number, and what is known of it, by that number.

    Hashes depend on the piece alone, so that processes agree without sharing anything.

    Attributes:
        hashes: of the word in it.
        signs: of the whole piece.
        holds: whether there is a word in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hashes: Hashes = np.zeros(1 << 12, np.uint64)
        self.signs: Hashes = np.zeros(1 << 12, np.uint64)
        self.holds: Flags = np.zeros(1 << 12, np.bool_)

    def __missing__(self, piece: str) -> int:
        number = len(self)
        if number == len(self.hashes):
            self.hashes = np.concatenate([self.hashes, np.zeros_like(self.hashes)])
            self.signs = np.concatenate([self.signs, np.zeros_like(self.signs)])
            self.holds = np.concatenate([self.holds, np.zeros_like(self.holds)])
        token = piece.lstrip(" ")
        bare = word(token)
        value = stable_hash(bare) if bare else stable_hash(token, SIGN_SEED)
        self.hashes[number] = value
        self.holds[number] = bool(bare)
        if bare:
            value += (len(token) - len(bare)) * APOSTROPHE
        if len(piece) > len(token):
            value += AFTER_SPACE
        self.signs[number] = value & FULL
        self[piece] = number
        return number

    def numbers(self, found: list[str]) -> npt.NDArray[np.int64]:
        """The number of each piece."""
        return np.fromiter(map(self.__getitem__, found), np.int64, len(found))


def stable_hash(word: str, seed: int = WORD_SEED) -> int:
    """64 bits: FNV-1a over code points, then the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    value = seed
    for c in word:
        value = (value ^ ord(c)) * FNV_PRIME & FULL
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & FULL
    value = (value ^ value >> 27) * 0x94D049BB133111EB & FULL
    return value ^ value >> 31


_vocabulary = Vocabulary()


def vocabulary() -> Vocabulary:
    """This process's vocabulary; begun anew when it is full."""
    global _vocabulary
    if len(_vocabulary) > MAX_VOCABULARY:
        _vocabulary = Vocabulary()
    return _vocabulary
