"""The word lists of the toxicity rules: which word can do what in a sentence."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

Tags = frozenset[str]

_FILE = Path(__file__).with_name("lexicon.toml")
_VOWELS = "aeiou"

# (section, list) → tag of the words as they stand; nouns and verbs get further forms.
_PLAIN = {
    ("groups", "adjectives"): "groupadj",
    ("groups", "after_the"): "afterthe",
    ("reference", "back"): "back",
    ("reference", "people"): "those",
    ("hostility", "attitude_phrases"): "attitude",
    ("hostility", "nouns"): "attnoun",
    ("hostility", "repel_phrases"): "repelsme",
    ("derogation", "implied"): "implied",
    ("derogation", "places"): "place",
    ("derogation", "belongs"): "belong",
    ("derogation", "ours"): "ours",
    ("derogation", "apposed"): "apposed",
    ("threat", "harm_forms"): "harmed",
    ("threat", "expel_forms"): "harmed",
    ("threat", "dies"): "die",
    ("threat", "death"): "death",
    ("threat", "intends"): "intend",
    ("threat", "obliges"): "oblige",
    ("threat", "lives"): "life",
    ("threat", "begone"): "begone",
    ("threat", "grateful"): "grateful",
    ("threat", "sends"): "sends",
    ("threat", "away"): "away",
    ("threat", "menaces"): "menace",
    ("denial", "convinces"): "convince",
    ("denial", "liked"): "liked",
    ("denial", "regard"): "regard",
    ("denial", "entitled"): "entitled",
    ("denial", "merits"): "merit",
    ("denial", "worthy"): "worthy",
    ("denial", "nofor"): "nofor",
    ("denial", "permits"): "permit",
    ("denial", "never"): "never",
    ("slurs", "strong"): "slur",
    ("slurs", "loose"): "loose",
    ("slurs", "homonym"): "homonym",
    ("slurs", "typical"): "typical",
    ("profanity", "intensifiers"): "intens",
    ("profanity", "verbs"): "fverb",
    ("profanity", "nouns"): "profane",
    ("profanity", "mild"): "mild",
    ("polarity", "negations"): "neg",
    ("polarity", "not_negations"): "skip",
    ("polarity", "stops"): "stop",
    ("polarity", "mistreated"): "mistreat",
    ("polarity", "reports"): "report",
    ("polarity", "evaluates"): "eval",
    ("polarity", "good"): "good",
    ("polarity", "endorses"): "endorse",
    ("polarity", "rhetorical"): "rhet",
    ("grammar", "be"): "be",
    ("grammar", "self"): "self",
    ("grammar", "you"): "you",
    ("grammar", "others"): "other",
    ("grammar", "skips"): "skip",
    ("grammar", "demonstratives"): "demo",
    ("grammar", "conditions"): "cond",
    ("grammar", "as"): "as",
    ("grammar", "worth"): "worth",
    ("grammar", "rather"): "rather",
    ("grammar", "better"): "better",
    ("grammar", "without"): "without",
    ("grammar", "pointing"): "pointing",
    ("grammar", "again"): "again",
    ("grammar", "one"): "one",
    ("grammar", "to"): "to",
    ("grammar", "needy"): "needy",
    ("grammar", "cleft"): "cleft",
    ("grammar", "why"): "why",
    ("grammar", "prepositions"): "prep",
    ("grammar", "breaks"): "brk",
    ("grammar", "helpers"): "help",
}
_NOUNS = {
    ("groups", "nouns"): "group",
    ("groups", "people"): "person",
    ("derogation", "nouns"): "badnoun",
    ("dehumanisation", "nouns"): "dehum",
}
# tag of the active forms, tag of the past participle ("" leaves it out)
_VERBS = {
    ("hostility", "attitudes"): ("attitude", "attitude"),
    ("hostility", "repels"): ("repel", ""),
    ("derogation", "harms"): ("ruins", "ruins"),
    ("threat", "harms"): ("harm", "harmed"),
    ("threat", "expels"): ("expel", "harmed"),
    ("threat", "ends"): ("end", ""),
    ("grammar", "judges"): ("judge", ""),
}
# What a slip of the pen or a missing space may hide; other words are not looked for.
_KEYS = frozenset(
    "group groupadj attitude attnoun repel bad implied badnoun dehum harm harmed expel slur loose intens fverb profane "
    "apposed death die worth life ruins".split()
)


@dataclass(frozen=True)
class Lexicon:
    """What is known of words.

    Attributes:
        tags: word → what it can do.
        phrases: first word → the phrases that begin so, longest first, each with its tags.
        keys: words that are worth finding under a disguise.
        slips: a word with a letter missing or two swapped → the word that was meant.
        real: words that are what they look like, and hide nothing.
    """

    tags: dict[str, Tags]
    phrases: dict[str, list[tuple[tuple[str, ...], Tags]]]
    keys: frozenset[str]
    slips: dict[str, str]
    real: frozenset[str]


def plural(noun: str) -> str:
    """The regular plural of an English noun."""
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return noun[:-1] + "ies"
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    return noun + "s"


def compared(adjective: str) -> tuple[str, str]:
    """The comparative and the superlative that an English adjective would have."""
    if adjective.endswith("y"):
        stem = adjective[:-1] + "i"
    elif adjective.endswith("e"):
        stem = adjective[:-1]
    elif len(adjective) == 3 and adjective[1] in _VOWELS:
        stem = adjective + adjective[-1]
    else:
        stem = adjective
    return stem + "er", stem + "est"


def verb_forms(verb: str) -> tuple[list[str], str]:
    """The active forms of a regular English verb (base, -s, -ing) and its past participle; of a phrasal verb, the
    forms of its first word."""
    head, _, tail = verb.partition("_")
    rest = f"_{tail}" if tail else ""
    short = (
        len(head) > 2
        and head[-1] not in _VOWELS + "wxyh"
        and head[-2] in _VOWELS
        and head[-3] not in _VOWELS
        and (len(head) < 5 or head.endswith("el"))
    )
    stem = head + head[-1] if short else head
    if head.endswith("e"):
        ing, past = head[:-1] + "ing", head + "d"
    elif head.endswith("y") and head[-2] not in _VOWELS:
        ing, past = head + "ing", head[:-1] + "ied"
    else:
        ing, past = stem + "ing", stem + "ed"
    return [verb, plural(head) + rest, ing + rest], past + rest


@functools.cache
def load() -> Lexicon:
    """The lexicon of this process, read once."""
    with _FILE.open("rb") as file:
        tree: dict[str, dict[str, str]] = tomllib.load(file)
    found: dict[str, set[str]] = {}

    def add(word: str, tag: str) -> None:
        found.setdefault(word, set()).add(tag)

    for place, tag in _PLAIN.items():
        for word in tree[place[0]][place[1]].split():
            add(word, tag)
    for place, tag in _NOUNS.items():
        for word in tree[place[0]][place[1]].split():
            add(word, tag)
            add(plural(word), tag)
    for word in tree["derogation"]["adjectives"].split():
        for form in (word, *(compared(word) if "_" not in word and "-" not in word else ())):
            add(form, "bad")
    for place, (active, passive) in _VERBS.items():
        for word in tree[place[0]][place[1]].split():
            forms, past = verb_forms(word)
            for form in forms:
                add(form, active)
            if passive:
                add(past, passive)
    words = {word: frozenset(tags) for word, tags in found.items() if "_" not in word}
    phrases: dict[str, list[tuple[tuple[str, ...], Tags]]] = {}
    for word, tags in found.items():
        if "_" in word:
            parts = tuple(word.split("_"))
            phrases.setdefault(parts[0], []).append((parts, frozenset(tags)))
    for held in phrases.values():
        held.sort(key=lambda phrase: -len(phrase[0]))
    keys = frozenset(word for word, tags in words.items() if tags & _KEYS)
    parts_of = {part for word in found for part in word.split("_")}
    real = parts_of | set(tree["spelling"]["words"].split())
    disguised = {part for word, tags in found.items() if "_" in word and tags & _KEYS for part in word.split("_")}
    disguised |= {word for word, tags in words.items() if tags & {"oblige", "person"}}
    return Lexicon(
        words, phrases, keys, _slips(keys | {part for part in disguised if len(part) > 5}, real), frozenset(real)
    )


def _slips(keys: AbstractSet[str], real: set[str]) -> dict[str, str]:
    """Every word with one letter missing or two neighbours swapped, where that makes no real word."""
    slips: dict[str, str] = {}
    for key in sorted(keys, key=lambda word: (-len(word), word)):
        if len(key) < 4 or not key.isalpha():
            continue
        # The first letter is hardly ever the one that is left out, and without it chance words come out.
        missing = {key[:i] + key[i + 1 :] for i in range(1, len(key))}
        swapped = {key[:i] + key[i + 1] + key[i] + key[i + 2 :] for i in range(len(key) - 1)}
        for slip in missing | swapped:
            if slip not in real and len(slip) >= 3:
                slips[slip] = key
    return slips
