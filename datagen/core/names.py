"""When two spellings are the same person's name."""

from __future__ import annotations

import unicodedata


def name_key(name: str) -> str:
    """What two spellings of one name share: compatibility and case aside (Unicode 3.13, D146), one space between
    words, no invisible characters (exports put marks of writing direction around names and numbers)."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join("".join(c for c in folded if unicodedata.category(c) != "Cf").split())
