"""Small measures on texts that recipes check their replies with."""

from __future__ import annotations

import difflib
import re

from datagen.generate.tfidf import words

MIN_LETTERS = 4  # shorter words are mostly grammar
# Speaks of the text that it was made from, which whoever reads the sample never sees. English alone: elsewhere the
# judge has to notice.
_REFERS = re.compile(
    r"\b(?:the|this|that|these|above|following|given|provided|said) (?:given |provided |above |following )?"
    r"(?:text|passage|paragraph|excerpt|snippet|extract|author|document|section above|description above)s?\b|"
    r"\b(?:mentioned|described|stated|shown|listed|given) (?:above|below|here)\b",
    re.I,
)


def count(text: str) -> int:
    """Words; in scripts without spaces two characters make one."""
    found = words(text)
    single = sum(len(w) == 1 and not w.isascii() for w in found)
    return len(found) - single // 2


def longest_run(a: str, b: str) -> int:
    """Words of the longest stretch that stands in both texts, case and punctuation aside."""
    first, second = words(a), words(b)
    return difflib.SequenceMatcher(None, first, second, autojunk=False).find_longest_match().size


def shared(a: str, b: str) -> float:
    """Share of the different words of ``a`` that ``b`` has too, 0..1; 1 where ``a`` has none that count.

    Words under :data:`MIN_LETTERS` letters do not count, but in scripts without spaces each character does.
    """
    wanted = {w for w in words(a) if len(w) >= MIN_LETTERS or not w.isascii()}
    return len(wanted & set(words(b))) / len(wanted) if wanted else 1.0


def refers(text: str) -> str:
    """The words with which a text speaks of its own source, or ""."""
    match = _REFERS.search(text)
    return match.group() if match else ""
