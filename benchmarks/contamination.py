"""How many reworded benchmark questions are found, beside 13-gram overlap and the cosine of embeddings alone.

::

    python -m benchmarks.contamination [FOLDER]

FOLDER holds ``contamination.jsonl`` (rows of ``benchmark`` and ``rephrased``); default ``../shared/data``. For each
reworded question: is it found against all benchmark questions (found), and is it matched to any where its own is left
out (false)? Even rows were used to choose the weights, odd rows were not.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation import embed
from curation.decontaminate import DecontaminateConfig, Match, Matcher
from curation.decontaminate.ngrams import Ngrams


def rates(matched: Sequence[bool], false: Sequence[bool]) -> str:
    """Shares of the even rows, the odd rows and all."""
    out = []
    for label, rows in (("tuned half", slice(0, None, 2)), ("held-out half", slice(1, None, 2)), ("all", slice(None))):
        out.append(f"{label} {np.mean(matched[rows]):6.1%} found {np.mean(false[rows]):6.2%} false")
    return "   ".join(out)


def without_its_own(asked: Sequence[str], reworded: Sequence[str], items: Any, texts: Any) -> list[Match | None]:
    """Each reworded question against the benchmark questions of the other nine tenths of the rows."""
    found: list[Match | None] = [None] * len(asked)
    parts = [list(range(k, len(asked), 10)) for k in range(10)]
    for part in parts:
        rest = [i for i in range(len(asked)) if i not in set(part)]
        others = Matcher([asked[i] for i in rest], vectors=items[rest])
        for i, match in zip(part, others.match([reworded[i] for i in part], texts[part]), strict=True):
            found[i] = match
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", default="../shared/data")
    file = Path(parser.parse_args().folder) / "contamination.jsonl"
    if not file.is_file():
        raise SystemExit(f"{file} is not there: name the folder that holds contamination.jsonl")
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    asked, reworded = [r["benchmark"] for r in rows], [r["rephrased"] for r in rows]

    grams = Ngrams(asked, 13)
    hits = [found is not None for found in grams.covered(reworded)]
    print(f"13-gram overlap          {rates(hits, [False] * len(rows))}")

    model = embed.load()
    begun = time.perf_counter()
    texts, items = model.encode(reworded), model.encode(asked)
    cosines = texts @ items.T
    floor = time.perf_counter() - begun
    others = cosines.copy()
    np.fill_diagonal(others, -1)
    print(f"cosine >= 0.8 alone      {rates(list(np.diag(cosines) >= 0.8), list(others.max(1) >= 0.8))}")

    matcher = Matcher(asked)
    begun = time.perf_counter()
    found = matcher.match(reworded)
    seconds = time.perf_counter() - begun
    right = [m is not None and m.index == i for i, m in enumerate(found)]
    false = [m is not None for m in without_its_own(asked, reworded, items, texts)]
    print(f"n-grams and rewordings   {rates(right, false)}")
    print(f"{2 * len(rows) / seconds:.0f} texts a second, {seconds / floor:.2f} x the embeddings alone")
    copies = Matcher(asked, DecontaminateConfig(rewordings=False))
    many = reworded * 20
    begun = time.perf_counter()
    copies.match(many)
    print(f"n-grams alone: {len(many) / (time.perf_counter() - begun):,.0f} texts a second")


if __name__ == "__main__":
    main()
