"""Whether a passage is English prose: the question templates are, so other languages get no questions."""

from __future__ import annotations

import re

from datagen.generate.extract.lexicon import wordset

_WORD = re.compile(r"[^\W\d_]+")
_SEEN = 400  # words looked at

ENGLISH = wordset(
    """the of and to in is that for it as with be on by are this or from at an have not which can was if you has its
    when will all use used but one may more other than into only also no each their they must should does what how
    were been would there then any such these where"""
)
OTHERS = (
    wordset(
        """der die das und ist nicht ein eine den dem von zu mit auf für sich im des auch werden wird le la les et
            est une
    dans que qui pour sur pas du au par el los las y es en por con para una del se lo il di che e un non per della sono
    het een van niet zijn dat o os as do da em não uma och att är som det en på av til og ikke w na nie jest się z je
    że ve bir bu için da"""
    )
    - ENGLISH
    - {"die", "do", "as", "a", "e", "o", "y", "w", "z", "un", "per", "se", "lo", "non", "en", "van", "la"}
)


def is_english(text: str) -> bool:
    """Light check by script and frequent words; short or wordless passages pass where they are ASCII.

    Source code and tables have few frequent words: what matters is that those of other languages are fewer.
    """
    words = [m.group().lower() for m, _ in zip(_WORD.finditer(text), range(_SEEN), strict=False)]
    if not words:
        return False
    letters = "".join(words)
    if sum(c.isascii() for c in letters) < 0.9 * len(letters):
        return False
    english = sum(w in ENGLISH for w in words)
    other = sum(w in OTHERS for w in words)
    return english > 2 * other and (english >= 0.06 * len(words) or (len(words) < 30 and other == 0))
