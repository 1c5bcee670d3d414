"""What shows that two texts repeat each other: both, side by side, and what they have in common."""

from __future__ import annotations

from curation.decontaminate.matcher import Match

SHOWN = 160  # characters of each side


def evidence(name: str, match: Match, text: str, other: str, decided: str = "") -> str:
    """One line for a verdict.

    Args:
        name: of the other text, as in ``"gsm8k.jsonl:17"``.
        match: how it was found.
        text, other: the sample's and the other.
        decided: who decided, where it was not the score alone.
    """
    how = f"{match.score:.0%} of its n-grams" if match.method == "ngram" else f"reworded, score {match.score:.2f}"
    common = f"; in common: “{short(match.overlap)}”" if match.overlap else ""
    said = f"; {decided}" if decided else ""
    return f"{name} ({how}{said}): “{short(text)}” repeats “{short(other)}”{common}"


def short(text: str, most: int = SHOWN) -> str:
    """A text on one line, cut."""
    plain = " ".join(text[: 4 * most].split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"
