"""Quotes as models give them: how many are found, and how many that say something else.

::

    python -m benchmarks.faithfulness [FOLDER]

FOLDER holds Markdown and text files; default ``docs``. From each, stretches of 4 to 15 words are taken and retyped as
models retype them: single spaces, other quotation marks and dashes, no emphasis, composed or decomposed accents, an
ellipsis behind. These are to be found. Others are changed in one place, so that they say something else: a digit, the
front of a number that begins the quote, a word, a "not" put in. These are to be missed; a change that happens to stand
in the file is left out. Beside our finder: exact search (the floor of what can be missed and of the time), search
after white space was made single, and RapidFuzz's partial ratio at 90.
"""

from __future__ import annotations

import argparse
import random
import re
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

from datagen.core.quotes import Finder

PER_FILE = 100
Search = Callable[[str], bool]
Tool = Callable[[str], Search]


def retyped(quote: str, rng: random.Random) -> str:
    """The same quote as a model would give it."""
    text = " ".join(quote.split()).replace("**", "").replace("`", "")
    for old, new in rng.choice([(("'", "’"), ("-", "–")), (("’", "'"), ("–", "-"), ("“", '"'), ("”", '"'))]):
        text = text.replace(old, new)
    return unicodedata.normalize(rng.choice(["NFC", "NFD"]), text) + rng.choice(["", "", "…"])


def changed(quote: str, words: list[str], rng: random.Random) -> str | None:
    """The quote with something else in one place, or None where that cannot be done."""
    way = rng.choice(["digit", "front", "word", "not"])
    if way == "digit":
        digits = [m.start() for m in re.finditer(r"\d", quote)]
        at = rng.choice(digits) if digits else -1
        return None if at < 0 else f"{quote[:at]}{(int(quote[at]) + rng.randint(1, 9)) % 10}{quote[at + 1 :]}"
    if way == "front":
        number = re.match(r"\d[\d.,]*\d", quote)
        return None if number is None else quote[rng.randrange(1, number.end()) :]
    parts = quote.split(" ")
    at = rng.randrange(len(parts))
    parts[at] = rng.choice(words) if way == "word" else f"not {parts[at]}"
    return " ".join(parts)


def stretches(text: str, rng: random.Random) -> list[str]:
    """Quotes of a text: half of them anywhere, half from a number on."""
    spans = [m.span() for m in re.finditer(r"\S+", text)]
    starts = range(len(spans) - 15)
    numbers = [i for i in starts if text[spans[i][0]].isdigit()]
    if not starts:
        return []
    firsts = [rng.choice(numbers if numbers and i % 2 else starts) for i in range(PER_FILE)]
    found = [text[spans[i][0] : spans[i + rng.randint(3, 14)][1]] for i in firsts]
    return [quote for quote in found if sum(c.isalnum() for c in quote) > 3]  # rules of tables say nothing


def tools() -> dict[str, Tool]:
    """Name → what makes a search in one text."""

    def single(text: str) -> Search:
        held = " ".join(text.split())
        return lambda quote: " ".join(quote.split()) in held

    def ours(text: str) -> Search:
        finder = Finder(text)
        return lambda quote: finder.find(quote) is not None

    made: dict[str, Tool] = {
        "exact search": lambda text: lambda quote: quote in text,
        "single white space": single,
        "ours": ours,
    }
    try:
        from rapidfuzz import fuzz
    except ImportError:
        print("RapidFuzz is not installed: left out")
    else:
        made["RapidFuzz, 90"] = lambda text: lambda quote: fuzz.partial_ratio(quote, text, score_cutoff=90) > 0
    return made


def main() -> None:
    """Print a line for each tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs"))
    rng = random.Random(0)
    same: list[tuple[str, list[str]]] = []
    other: list[tuple[str, list[str]]] = []
    for path in sorted(p for p in parser.parse_args().folder.rglob("*") if p.suffix in (".md", ".txt", ".rst")):
        text = path.read_text(encoding="utf-8", errors="replace")
        quotes, words, bare = stretches(text, rng), re.findall(r"\w{3,}", text), " ".join(_plain(text).split())
        same.append((text, [retyped(quote, rng) for quote in quotes]))
        made = [changed(" ".join(quote.split()), words, rng) for quote in quotes]
        # "3 bar" of "13 bar" stands in the text as letters, not as a statement: only whole words say the same.
        other.append((text, [q for q in made if q and not re.search(rf"(?<!\w){re.escape(_plain(q))}(?!\w)", bare)]))
    wanted, unwanted = (sum(len(quotes) for _, quotes in part) for part in (same, other))
    print(f"{len(same)} files, {wanted:,} retyped quotes, {unwanted:,} changed ones")
    floor = 0.0
    for name, make in tools().items():
        began = time.process_time()
        found, false = (sum(sum(map(make(text), quotes)) for text, quotes in part) for part in (same, other))
        took = time.process_time() - began
        floor = floor or took
        print(
            f"{name:<20} found {found / wanted:6.2%}   wrongly {false / unwanted:6.2%}   {took / floor:7.1f} x the time"
        )


def _plain(text: str) -> str:
    return text.replace("**", "").replace("`", "")


if __name__ == "__main__":
    main()
