"""Which language a text is in: by script and frequent words, and where these do not tell, by a small model.

The words alone are hardly ever wrong and, under ten words, mostly undecided. Where ``py3langid`` is installed (A.
Barbaresi; after M. Lui and T. Baldwin, "langid.py: An Off-the-shelf Language Identification Tool", ACL 2012; its model
of 4 MB is in the package) it is asked about those texts. :func:`method` says which of the two is at work. Where
nothing is sure the answer is ``"und"`` (ISO 639-2: undetermined), and code and identifiers never count as words.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache, lru_cache
from importlib import metadata, util
from typing import Any

from curation.language_words import LETTERS, WORDS

SEEN = 4000  # characters looked at
MIN_LETTERS = 12
MIN_WORDS = 6
MODEL_SURE = 0.9  # least probability with which the model names one
SURE = 0.5  # least confidence with which a language is named

_FENCE = re.compile(r"(?ms)^[ \t]{0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]{0,3}\1[`~]*[ \t]*$|\Z)")
_SPAN = re.compile(r"`[^`\n]{1,200}`|https?://\S{1,500}|<[^<>\n]{1,200}>|\]\([^()\s]{1,300}\)")
# A word that is not part of a path, an identifier, an option or an address.
_WORD = re.compile(r"(?<![\w./\\:=@#$%&-])[^\W\d_]+(?:['’][^\W\d_]+)?(?![\w/\\=@(-]|[.:]\w)")

# First character ranges of scripts; the language where a script has only one here, else "".
_SCRIPTS: tuple[tuple[int, int, str, str], ...] = (
    (0x0041, 0x024F, "latin", ""),
    (0x1E00, 0x1EFF, "latin", ""),
    (0x0370, 0x03FF, "greek", "el"),
    (0x0400, 0x052F, "cyrillic", ""),
    (0x0590, 0x05FF, "hebrew", "he"),
    (0x0600, 0x06FF, "arabic", ""),
    (0x0750, 0x077F, "arabic", ""),
    (0xFB50, 0xFEFC, "arabic", ""),
    (0x0900, 0x097F, "devanagari", "hi"),
    (0x0980, 0x09FF, "bengali", "bn"),
    (0x0B80, 0x0BFF, "tamil", "ta"),
    (0x0E00, 0x0E7F, "thai", "th"),
    (0x10A0, 0x10FF, "georgian", "ka"),
    (0x0530, 0x058F, "armenian", "hy"),
    (0x1100, 0x11FF, "hangul", "ko"),
    (0xAC00, 0xD7AF, "hangul", "ko"),
    (0x3040, 0x30FF, "kana", "ja"),
    (0x3400, 0x4DBF, "han", "zh"),
    (0x4E00, 0x9FFF, "han", "zh"),
)
_BY_SCRIPT: dict[str, tuple[str, ...]] = {
    "cyrillic": ("ru", "uk", "bg", "sr"),
    "arabic": ("ar", "fa", "ur"),
}
_LATIN = tuple(code for code in WORDS if code not in {c for codes in _BY_SCRIPT.values() for c in codes})
_SHARED: dict[str, Counter[str]] = {
    group: Counter(word for code in codes for word in WORDS[code])
    for group, codes in {"latin": _LATIN, **_BY_SCRIPT}.items()
}
# What people call the languages told apart here, in English and as their speakers do.
_NAMES = {
    "en": "english", "de": "german deutsch", "fr": "french français francais", "es": "spanish español espanol",
    "it": "italian italiano", "pt": "portuguese português portugues", "nl": "dutch nederlands flemish",
    "sv": "swedish svenska", "da": "danish dansk", "no": "norwegian norsk bokmål nynorsk", "fi": "finnish suomi",
    "pl": "polish polski", "cs": "czech čeština", "tr": "turkish türkçe", "ro": "romanian română",
    "hu": "hungarian magyar", "id": "indonesian", "vi": "vietnamese",
    "ru": "russian русский", "uk": "ukrainian українська", "bg": "bulgarian български", "sr": "serbian српски",
    "ar": "arabic العربية", "fa": "persian farsi فارسی", "ur": "urdu اردو", "el": "greek ελληνικά",
    "he": "hebrew עברית", "hi": "hindi हिन्दी", "bn": "bengali bangla বাংলা", "ta": "tamil தமிழ்", "th": "thai ไทย",
    "ka": "georgian ქართული", "hy": "armenian հայերեն", "ko": "korean 한국어", "ja": "japanese 日本語",
    "zh": "chinese mandarin 中文",
}  # fmt: skip
_CODES = {name: code for code, names in _NAMES.items() for name in names.split()}
_APART = re.compile(r"[\s,;/()_-]+")
_LETTER_WEIGHT = 0.5
# Spelt alike but for little: when these two lead, the lead decides with less.
_CLOSE = (frozenset({"da", "no"}), frozenset({"es", "pt"}), frozenset({"cs", "pl"}))


def code_of(name: str) -> str:
    """The ISO 639-1 code of a language, by its name or code as in ``"German"``, ``"Deutsch"``, ``"pt-BR"`` or
    ``"Brazilian Portuguese"``; "" where that is no language that :func:`identify` can name."""
    parts = [part for part in _APART.split(name.casefold()) if part]
    if parts and parts[0] in _NAMES:
        return parts[0]
    return next((_CODES[part] for part in parts if part in _CODES), "")


@lru_cache(maxsize=64)  # the samples of a chunk come one after another and share its text
def identify(text: str) -> tuple[str, float]:
    """The language of a text and how sure that is.

    Args:
        text: Markdown or plain text; code blocks, code spans and addresses are left out.

    Returns:
        An ISO 639-1 code (``"no"`` for any Norwegian) and a confidence in 0..1; ``("und", c)`` where
        the text is short, has few words, or nothing leads clearly.
    """
    prose = _prose(text)
    scripts, letters = _count_scripts(prose)
    if letters < MIN_LETTERS // 2:
        return "und", 0.0
    script, share = _leading(scripts, letters)
    if script in ("latin", "cyrillic", "arabic"):
        if letters < MIN_LETTERS or share < 0.6:
            return "und", 0.0
        found = _by_words(prose, script)
        return found if found[0] != "und" else _by_model(prose, script)
    code = "ja" if script == "kana" else next((code for _, _, name, code in _SCRIPTS if name == script), "und")
    return (code, round(share, 3)) if share >= 0.3 else ("und", round(share, 3))


def _prose(text: str) -> str:
    seen = text[:SEEN]
    if "```" in seen or "~~~" in seen:
        seen = _FENCE.sub(" ", seen)
    return _SPAN.sub(" ", seen)


def _count_scripts(prose: str) -> tuple[Counter[str], int]:
    counts: Counter[str] = Counter()
    letters = 0
    for character, number in Counter(prose).items():
        if character.isalpha():
            letters += number
            counts[_script(ord(character))] += number
    return counts, letters


@lru_cache(maxsize=4096)
def _script(point: int) -> str:
    return next((name for low, high, name, _ in _SCRIPTS if low <= point <= high), "")


def _leading(scripts: Counter[str], letters: int) -> tuple[str, float]:
    """The script that decides: Japanese mixes kana with Han, and any of them mixes with Latin names."""
    asian = scripts["han"] + scripts["kana"]
    if scripts["kana"] > 0.1 * asian and asian > 0.3 * letters:
        return "kana", asian / letters
    script, number = max(scripts.items(), key=lambda item: (item[1], item[0]))
    # One character of these says as much as several letters.
    for dense in ("han", "hangul"):
        if scripts[dense] > 0.3 * letters:
            return dense, scripts[dense] / letters
    return script, number / letters


def _by_words(prose: str, group: str) -> tuple[str, float]:
    codes = _BY_SCRIPT.get(group, _LATIN)
    words = [m.group().lower().replace("’", "'") for m in _WORD.finditer(prose)]
    if len(words) < MIN_WORDS:
        return "und", 0.0
    shared = _SHARED[group]
    counts = Counter(words)
    characters = set(prose.lower())
    score: dict[str, float] = {}
    sign: dict[str, int] = {}
    for code in codes:
        known = [word for word in counts if word in WORDS[code]]
        letters = min(4, sum(letter in characters for letter in LETTERS.get(code, "")))
        # A single letter is as often a variable's name: it adds to the score but is no sign of its own.
        sign[code] = sum(len(word) > 1 for word in known) + min(1, letters)
        score[code] = sum(counts[word] / shared[word] ** 1.5 for word in known) + _LETTER_WEIGHT * letters
    first, second = sorted(codes, key=lambda code: (-score[code], code))[:2]
    best, next_best = score[first], score[second]
    if best == 0 or sign[first] < (2 if first == "en" else 3):
        return "und", 0.0
    lead = (best - next_best) / best
    if {first, second} in _CLOSE:
        lead = min(1.0, 2 * lead)
    enough = min(1.0, best / len(words) / 0.12)
    confidence = round(enough * min(1.0, 1.5 * lead), 3)
    return (first, confidence) if confidence >= SURE else ("und", confidence)


def method() -> str:
    """What tells languages apart here: ``"words"``, or ``"words, py3langid VERSION"``."""
    return f"words, py3langid {metadata.version('py3langid')}" if util.find_spec("py3langid") else "words"


@cache
def _model() -> Any:
    """The model, held to the languages named here; None where it is not installed."""
    if util.find_spec("py3langid") is None:
        return None
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped, unused-ignore]

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages([code for code in _NAMES if code in set(model.labels)])
    return model


def _by_model(prose: str, script: str) -> tuple[str, float]:
    """The model's word on a text of a few plain words; of names and single words it would guess."""
    words = [match.group() for match in _WORD.finditer(prose)]
    plain = sum(word[0].islower() for word in words) if script != "arabic" else len(words)
    if len(words) < 3 or plain < 2 or 2 * plain < len(words) or _model() is None:
        return "und", 0.0
    code, share = _model().classify(" ".join(words))
    code, share = str(code), round(min(1.0, float(share)), 3)
    code = "no" if code in ("nb", "nn") else code
    known = _BY_SCRIPT.get(script, _LATIN)
    return (code, share) if share >= MODEL_SURE and code in known else ("und", share)
