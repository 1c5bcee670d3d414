"""Signs that writers and models exchange freely, and scripts in which a character is a word."""

from __future__ import annotations

import functools
import unicodedata

# Scripts that write no space between words: each character is a word. Thai, Lao, Burmese, Khmer, Chinese, Japanese.
SINGLE = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x1B000, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip
_ZERO_WIDTH = "\u200c\u200d"  # non-joiner and joiner: part of a word, as marks are
_MARKED = (range(0x300, 0x20000), range(0xE0100, 0xE01F0))  # where Unicode 17 has marks

TYPOGRAPHIC = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛ʼ", "'"),
        **dict.fromkeys("“”„‟«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        # Nothing that is seen: soft hyphen, zero-width space, word joiner, byte order mark, marks of direction.
        **dict.fromkeys(
            "\u00ad\u200b\u2060\ufeff\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        ),
    }
)


def is_single(point: int) -> bool:
    """Is the code point a word of its own?"""
    return any(a <= point <= b for a, b in SINGLE) and (chr(point).isalnum() or point in marks())


@functools.cache
def marks() -> frozenset[int]:
    """Code points that belong to the word before them: accents, vowel signs, joiners."""
    found = (c for part in _MARKED for c in part if unicodedata.category(chr(c)) in ("Mn", "Mc", "Me"))
    return frozenset([*found, *map(ord, _ZERO_WIDTH)])
