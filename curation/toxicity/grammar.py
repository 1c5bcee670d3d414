"""What may be done to a group in a sentence: patterns over tagged words, each with the score of the plain statement."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curation.toxicity.sentence import compile_tags

Category = Literal["derogation", "dehumanisation", "threat", "slur", "profanity"]
CATEGORIES: tuple[Category, ...] = ("derogation", "dehumanisation", "threat", "slur", "profanity")

_FILE = Path(__file__).with_name("patterns.toml")
_MACROS = {
    "{T}": "(?:<you>?<group|slur>)",
    "{S}": "<skip|intens|demo>",
    "{W}": "<*|^comma|^brk|^group|^mistreat|^stop|^report>",
    "{X}": "<*|^comma|^group|^mistreat|^stop>",
}


@dataclass(frozen=True)
class Rule:
    """A statement about a group.

    Attributes:
        name: for people who read findings.
        category: what it counts as.
        score: of the plain statement.
        pattern: over rows of tags. All repeats are bounded, so that matching is linear in the length of the row.
        subject: ``speaker`` where it is hateful only if the speaker, or nobody, is its subject.
        denies: is a negation part of it (``no respect for …``)? Else one turns it round.
        predicate: tags of the word that says it; its negation is looked for before that word.
    """

    name: str
    category: Category
    score: float
    pattern: re.Pattern[str]
    subject: Literal["speaker", "any"]
    denies: bool
    predicate: frozenset[str]


@functools.cache
def rules() -> tuple[Rule, ...]:
    """The rules, compiled once in a process."""
    with _FILE.open("rb") as file:
        rows = tomllib.load(file)["rule"]
    made = []
    for row in rows:
        pattern = "".join(row["pattern"].split())
        for macro, meaning in _MACROS.items():
            pattern = pattern.replace(macro, meaning)
        made.append(
            Rule(
                row["name"],
                row["category"],
                row["score"],
                compile_tags(pattern),
                row.get("subject", "any"),
                row.get("denies", False),
                frozenset(row["predicate"].split()),
            )
        )
    return tuple(made)
