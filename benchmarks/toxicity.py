"""How much hate the toxicity rules find and how often they are wrong, beside better-profanity and alt-profanity-check.

    python -m benchmarks.toxicity [--data FOLDER] [--corpus FOLDER] [--model NAME]

The labelled sentences are functional tests (HateCheck, P. Röttger et al., ACL 2021): each row names what it tests. The
rules were tuned while looking at the rows of every other functionality (in the order of their names) and not at those
that name disabled people, trans people or immigrants; "held out" are the other functionalities, "held-out groups" those
rows. Of scores, each tool's threshold is the lowest that keeps false alarms at 15 % or less of the harmless rows.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from curation.toxicity import ToxicityConfig, score

MAX_FALSE = 0.15
GROUPS = ("disabled", "trans", "immigrant")
CHUNK = 1000  # characters
Row = dict[str, Any]
Scorer = Callable[[Sequence[str]], list[float]]


def better_profanity() -> Scorer | None:
    """1.0 for a text with a word of its list."""
    try:
        from better_profanity import profanity  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return None
    profanity.load_censor_words()
    return lambda texts: [float(profanity.contains_profanity(text)) for text in texts]


def alt_profanity_check() -> Scorer | None:
    """The probability of its linear model."""
    try:
        from profanity_check import predict_prob  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return None
    return lambda texts: [float(p) for p in predict_prob(list(texts))]


def best_threshold(rows: Sequence[Row], scores: Sequence[float]) -> float:
    """The lowest score at which at most :data:`MAX_FALSE` of the harmless rows are flagged; above all if none is."""
    harmless = [s for row, s in zip(rows, scores, strict=True) if not row["hateful"]]
    for limit in sorted({s for s in scores if s > 0}):
        if sum(s >= limit for s in harmless) <= MAX_FALSE * len(harmless):
            return limit
    return max(scores) + 1


def figures(rows: Sequence[Row], scores: Sequence[float], limit: float) -> str:
    """Recall, false alarms and F1 of the hateful class."""
    hits = sum(row["hateful"] and s >= limit for row, s in zip(rows, scores, strict=True))
    wrong = sum(not row["hateful"] and s >= limit for row, s in zip(rows, scores, strict=True))
    hateful = sum(row["hateful"] for row in rows)
    f1 = 2 * hits / max(1, hits + wrong + hateful)
    false = wrong / max(1, len(rows) - hateful)
    return f"recall {hits / max(1, hateful):.3f}  false alarms {false:.3f}  F1 {f1:.3f}"


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--corpus", default="../shared/corpus")
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    lines = (Path(options.data) / "toxicity.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[Row] = [json.loads(line) for line in lines]
    tests = sorted({row["functionality"] for row in rows})
    tuned = set(tests[::2])
    parts = {
        "all rows": rows,
        "tuned": [r for r in rows if r["functionality"] in tuned and not _held_group(r)],
        "held out": [r for r in rows if r["functionality"] not in tuned],
        "held-out groups": [r for r in rows if r["functionality"] in tuned and _held_group(r)],
    }
    tools: dict[str, Scorer | None] = {
        "rules": lambda texts: score(texts),
        "better-profanity": better_profanity(),
        "alt-profanity-check": alt_profanity_check(),
    }
    if options.model:
        tools["rules and model"] = lambda texts: score(texts, ToxicityConfig(model=options.model))
    texts = [row["text"] for row in rows]
    ours: list[float] = []
    score(texts[:5])  # word lists and patterns are read once
    for name, tool in tools.items():
        if tool is None:
            print(f"{name:<20} is not installed, skipped")
            continue
        begun = time.perf_counter()
        found = tool(texts)
        took = time.perf_counter() - begun
        ours = ours or found
        limit = best_threshold(rows, found)
        print(f"{name:<20} threshold {limit:.3f}, {len(texts) / took:,.0f} sentences/s")
        by_row = {id(row): s for row, s in zip(rows, found, strict=True)}
        for part, held in parts.items():
            print(f"    {part:<16} {len(held):>5} rows  {figures(held, [by_row[id(r)] for r in held], limit)}")
        if limit > 0.5:
            print(f"    {'all, from 0.5 on':<16} {len(rows):>5} rows  {figures(rows, found, 0.5)}")
    print("always 'hateful'")
    print(f"    {'all rows':<16} {len(rows):>5} rows  {figures(rows, [1.0] * len(rows), 0.5)}")
    print("rules at the default threshold of 0.5")
    print(f"    {'all rows':<16} {len(rows):>5} rows  {figures(rows, ours, 0.5)}")
    flagged: dict[str, list[bool]] = defaultdict(list)
    for row, s in zip(rows, ours, strict=True):
        flagged[row["functionality"]].append(s >= 0.5)
    for name in tests:
        mark = "tuned" if name in tuned else "held out"
        print(f"    {name:<20} flagged {sum(flagged[name]):>3} of {len(flagged[name]):>3}  {mark}")
    _corpus(Path(options.corpus))


def _held_group(row: Row) -> bool:
    return any(name in row["text"].lower() for name in GROUPS)


def _corpus(folder: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.suffix in {".rst", ".md", ".txt", ".html", ".py"})
    chunks = [
        text[at : at + CHUNK]
        for path in files
        for text in [path.read_text(encoding="utf-8", errors="replace")]
        for at in range(0, len(text), CHUNK)
    ]
    if not chunks:
        print(f"{folder} has no text files, skipped")
        return
    begun = time.perf_counter()
    found = sum(s >= 0.5 for s in score(chunks))
    took = time.perf_counter() - begun
    print(
        f"corpus: {found} of {len(chunks):,} chunks flagged; {len(chunks) / took:,.0f} chunks of {CHUNK} characters/s"
    )


if __name__ == "__main__":
    main()
