"""What a person types into the search field, as a query of SQLite's FTS5 that cannot fail.

https://www.sqlite.org/fts5.html#full_text_query_syntax: a string in double quotes is a phrase, whatever stands in
it; ``*`` after it makes its last word a beginning. Nothing else of the syntax is passed on.
"""

from __future__ import annotations

import re

from datagen.review.index import spaced

MOST_CHARACTERS, MOST_WORDS = 1_000, 32
"""Of what is typed; the rest is passed over, which keeps the parser of queries within its limits."""
_PART = re.compile(r'"([^"]*)"?|([^\s"]+)')
_WORD = re.compile(r"[^\W_]")
_LETTER = re.compile(r'["\W_][^\W_]"\Z')


def query(typed: str) -> str:
    """An FTS5 query for samples that hold all of the words; "" where no word was typed.

    Words in double quotes must follow each other; the last word may be the beginning of one, as it is typed, from its
    second letter on: nearly every text has a word that begins with a given one.
    """
    text = typed[:MOST_CHARACTERS].replace("\0", " ")
    phrases = []
    for match in _PART.finditer(text):
        quoted, word = match[1], match[2]
        words = [w for w in spaced(quoted if word is None else word).split() if _WORD.search(w)]
        if words:
            phrases.append('"' + " ".join(words).encode("utf-8", "replace").decode() + '"')
        if len(phrases) == MOST_WORDS:
            break
    if phrases and not text.endswith(('"', " ")) and not _LETTER.search(phrases[-1]):
        phrases[-1] += "*"
    return " ".join(phrases)
