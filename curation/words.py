"""Words of normalised text as stable 64-bit hashes, and which of them must agree in duplicates."""

from __future__ import annotations

import functools
import hashlib
import re
import sys
import unicodedata

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

MAX_VOCABULARY = 300_000  # tokens remembered by one process: about 40 MB

# What splitting would lose is first written as control characters: a minus before a number, comparisons.
_MINUS = "\x01"
_SIGNS = {
    "-": ((" -", " \x01"), ("(-", "(\x01"), ("[-", "[\x01"), ("=-", "=\x01")),
    "=": (("<=", " \x02 "), (">=", " \x03 "), ("!=", " \x04 "), ("==", " \x05 ")),
    "<": ((" < ", " \x06 "),),
    ">": ((" > ", " \x07 "),),
    "≤": (("≤", " \x02 "),),
    "≥": (("≥", " \x03 "),),
    "≠": (("≠", " \x04 "),),
}
_COMPARE = "\x02\x03\x04\x05\x06\x07"
_KEPT = "_'+#" + _MINUS + _COMPARE
_ASCII = {c: " " for c in range(128) if not (chr(c).isalnum() or chr(c) in _KEPT)}

# Scripts that write no space between words: each character is a word.
_SINGLE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_JAPANESE_NOT = "ない|なかっ|なく|ません|ずに"

_NEGATIONS = frozenset(
    # English
    "not no never none nor neither nobody nothing nowhere cannot without non dont doesnt didnt isnt arent wasnt werent "
    "cant couldnt wont wouldnt shouldnt "
    # German
    "nicht kein keine keinen keinem keiner keines nie niemals niemand nichts weder ohne "
    # French
    "ne pas jamais aucun aucune rien ni sans personne "
    # Spanish, Portuguese, Italian, Romanian
    "nunca jamás ningún ninguno ninguna nada nadie tampoco sin não nem nenhum nenhuma ninguém sem "
    "non mai nessun nessuno nessuna niente nulla senza né nu niciodată fără "
    # Dutch, Swedish, Danish, Norwegian, Finnish
    "niet geen nooit niemand niets zonder inte ej ingen inget inga aldrig utan ikke aldri ei eivät älä "
    # Russian, Ukrainian, Polish, Czech
    "не нет ни никогда без нельзя ні немає ніколи nie nigdy bez żaden ne není nikdy žádný "
    # Turkish, Greek, Hebrew, Arabic, Persian, Hindi
    "değil yok hiç asla δεν μην όχι χωρίς לא אין בלי אל לא لا لم لن ليس ليست غير بدون نه نیست هیچ नहीं मत न बिना "
    # Indonesian, Vietnamese
    "tidak bukan jangan tanpa không chưa chẳng chớ "
    # Chinese and Japanese, one sign each
    "不 没 沒 无 無 未 非 勿 莫 否 别 別".split()
) | frozenset(_JAPANESE_NOT.split("|"))

_NUMBER_WORDS = frozenset(
    "zero two three four five six seven eight nine ten eleven twelve hundred thousand million billion "
    "first second third fourth fifth half twice double "
    "null zwei drei vier fünf sechs sieben acht neun zehn elf zwölf hundert tausend "
    "deux trois quatre cinq sept huit neuf dix cent mille "
    "cero dos tres cuatro cinco seis siete ocho nueve diez cien mil "
    "一 二 三 四 五 六 七 八 九 十 百 千 万 萬 零 〇".split()
)
_KOREAN_NOT = re.compile("않|못|없|아니|안$")


@functools.cache
def _other() -> re.Pattern[str]:
    """The pattern for text that is not ASCII: marks (vowel signs, accents) belong to their word."""
    points = (c for c in range(0x300, sys.maxunicode + 1) if c < 0x20000 or c > 0xE00FF)
    marks = _ranges([c for c in points if unicodedata.category(chr(c)) in ("Mn", "Mc", "Me")])
    return re.compile(rf"{_JAPANESE_NOT}|[{_SINGLE}]|(?:[^\W{_SINGLE}]|[{marks}\u200c\u200d'+#\x01-\x07])+")


def _ranges(points: list[int]) -> str:
    out: list[list[int]] = []
    single = re.compile(f"[{_SINGLE}]")
    for point in points:
        if single.match(chr(point)):
            continue
        if out and out[-1][1] == point - 1:
            out[-1][1] = point
        else:
            out.append([point, point])
    return "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in out)


def normalise(text: str) -> str:
    """NFKC (UAX #15), case folded, one kind of apostrophe and of minus, white space to single spaces."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold()
        text = unicodedata.normalize("NFKC", text).replace("’", "'").replace("\u2212", "-")
    else:
        text = text.lower()
    return " ".join(text.split())


def tokens(text: str) -> list[str]:
    """Words of a :func:`normalise`\\ d text, raw: see :func:`word`. Each sign is one in scripts without spaces."""
    text = " " + text
    for sign, changes in _SIGNS.items():
        if sign in text:
            for found, written in changes:
                text = text.replace(found, written)
    return text.translate(_ASCII).split() if text.isascii() else _other().findall(text)


def word(token: str) -> str:
    """The word in a token, without quotation marks and stray signs; "" where there is none."""
    negative = token[0] == _MINUS and token[1:2].isdigit()
    bare = token.lstrip("'+#" + _MINUS + _COMPARE).rstrip("'" + _MINUS + _COMPARE)
    return "-" + bare if negative else bare


def must_agree(token: str) -> bool:
    """Whether a duplicate must have this too: a number, a negation, a comparison."""
    bare = word(token)
    if not bare:
        return token[0] in _COMPARE
    return (
        any(c.isnumeric() for c in bare)
        or bare in _NEGATIONS
        or bare in _NUMBER_WORDS
        or bare.endswith("n't")
        or bare.startswith("n'")
        or ("\uac00" <= bare[0] <= "\ud7a3" and _KOREAN_NOT.search(bare) is not None)
    )


class Vocabulary(dict[str, int]):
    """Token → number, and what is known of it, by that number.

    Hashes depend on the word alone, so that processes agree without sharing anything.

    Attributes:
        hashes: BLAKE2b (RFC 7693) of the word in 64 bits.
        holds: whether there is a word in the token.
        agree: as :func:`must_agree`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hashes: Hashes = np.zeros(1 << 12, np.uint64)
        self.holds: Flags = np.zeros(1 << 12, np.bool_)
        self.agree: Flags = np.zeros(1 << 12, np.bool_)

    def __missing__(self, token: str) -> int:
        number = len(self)
        if number == len(self.hashes):
            self.hashes = np.concatenate([self.hashes, np.zeros_like(self.hashes)])
            self.holds = np.concatenate([self.holds, np.zeros_like(self.holds)])
            self.agree = np.concatenate([self.agree, np.zeros_like(self.agree)])
        bare = word(token)
        self.hashes[number] = stable_hash(bare or token)
        self.holds[number] = bool(bare)
        self.agree[number] = must_agree(token)
        self[token] = number
        return number

    def numbers(self, found: list[str]) -> npt.NDArray[np.int64]:
        """The number of each token."""
        return np.fromiter(map(self.__getitem__, found), np.int64, len(found))


def stable_hash(word: str) -> int:
    """64 bits of BLAKE2b."""
    data = word.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


_vocabulary = Vocabulary()


def vocabulary() -> Vocabulary:
    """This process's vocabulary; begun anew when it is full."""
    global _vocabulary
    if len(_vocabulary) > MAX_VOCABULARY:
        _vocabulary = Vocabulary()
    return _vocabulary
