"""How hard an English text is to read: the Flesch-Kincaid grade, with a syllable counter of our own.

J. P. Kincaid et al., "Derivation of New Readability Formulas for Navy Enlisted Personnel", 1975:
0.39 × words per sentence + 11.8 × syllables per word - 15.59, in years of schooling in the USA. The formula is
made for English; of other languages it says nothing that can be compared.
"""

from __future__ import annotations

import re

from curation.prose import without_code

MAX_CHARACTERS = 200_000  # of a text that are looked at
_SENTENCE = re.compile(r"[.!?]+(?=[\s\"'”’)\]]|\Z)|\n[ \t]*\n")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_VOWELS = re.compile(r"[aeiouyàáâäæèéêëìíîïòóôöœùúûü]+")
_SILENT = re.compile(r"(?:[^laeiouy]es|[^dtaeiouy]ed|[^aeiouyl]e|[aeiouy]le|eed|les)\Z")
_BROKEN = re.compile(r"i[ao]|[^aeiouqg]ua|uo|eo(?!u)|ying|[aeiou]ing|ism\Z|[^aeiouy]le\Z|n't\Z")
_JOINED = re.compile(r"[cgstx]i(?:o|an\Z|ous|al)|geo|people|shion")


def syllables(word: str) -> int:
    """Syllables of an English word, at least 1: groups of vowels, less a silent ending, plus vowels spoken apart."""
    low = word.lower().replace("’", "'")
    if len(low) <= 3:
        return 1
    count = len(_VOWELS.findall(low))
    if _SILENT.search(low) and not re.search(r"[^aeiouy]le\Z|[sxz]es\Z|(?:ch|sh|ce|ge)s\Z|[td]ed\Z", low):
        count -= 1
    elif re.search(r"[^aeiouy]le\Z", low):
        pass  # "ta-ble": the e stands for a syllable that was counted
    count += len(_BROKEN.findall(low.replace("'", ""))) - (1 if re.search(r"[^aeiouy]le\Z", low) else 0)
    count -= len(_JOINED.findall(low))
    return max(1, count)


def grade(text: str) -> float | None:
    """The Flesch-Kincaid grade of a text without its code, in years of schooling; None for one without words."""
    prose = without_code(text[:MAX_CHARACTERS])
    words = [word for word in _WORD.findall(prose) if len(word) <= 40]
    if not words:
        return None
    sentences = sum(1 for part in _SENTENCE.split(prose) if _WORD.search(part))
    return 0.39 * len(words) / max(1, sentences) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59
