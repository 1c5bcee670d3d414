"""How many reworded benchmark questions are found, beside 13-gram overlap and the cosine of embeddings alone.

::

    python -m benchmarks.contamination [FOLDER]

FOLDER holds ``contamination.jsonl`` (rows of ``benchmark`` and ``rephrased``); default ``../shared/data``. For each
reworded question: is it found against all benchmark questions (found), and is it matched to any where its own is left
out (false)? Even rows were used to choose the weights, odd rows were not. "Borderline asked" counts an ideal judge,
which is right about each pair that it is asked about, and says how many it is asked. The own test split has the
benchmark questions for training, all or those that are not its own, and the reworded ones for test. How they are
compared there, and the width of the borderline, were settled on all rows: in these lines no half is held out.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation import embed
from curation.decontaminate import DecontaminateConfig, DecontaminateSplit, Match, Matcher
from curation.decontaminate.ngrams import Ngrams
from datagen.core.record import Lineage, Message, Sample, Split


def rates(matched: Sequence[bool], false: Sequence[bool]) -> str:
    """Shares of the even rows, the odd rows and all."""
    out = []
    for label, rows in (("tuned half", slice(0, None, 2)), ("held-out half", slice(1, None, 2)), ("all", slice(None))):
        out.append(f"{label} {np.mean(matched[rows]):6.1%} found {np.mean(false[rows]):6.2%} false")
    return "   ".join(out)


def without_its_own(
    asked: Sequence[str], reworded: Sequence[str], items: Any, texts: Any, margin: float = 0.0
) -> list[Match | None]:
    """Each reworded question against the benchmark questions of the other nine tenths of the rows."""
    found: list[Match | None] = [None] * len(asked)
    parts = [list(range(k, len(asked), 10)) for k in range(10)]
    for part in parts:
        rest = [i for i in range(len(asked)) if i not in set(part)]
        others = Matcher([asked[i] for i in rest], vectors=items[rest])
        for i, match in zip(part, others.near([reworded[i] for i in part], margin, texts[part]), strict=True):
            found[i] = match
    return found


def asked_about(matcher: Matcher, found: Sequence[Match | None]) -> list[bool]:
    """Whether each match is on the borderline."""
    width = matcher.config.borderline
    return [m is not None and matcher.standing(m, width) != "clear" for m in found]


def split_rates(asked: Sequence[str], reworded: Sequence[str], items: Any, texts: Any) -> str:
    """The own test split: how many reworded questions repeat their own in train, and how many one that is not."""
    rows = list(zip(asked, items, strict=True)), list(zip(reworded, texts, strict=True))
    train = [_sample(text, "train", f"a{i}", row) for i, (text, row) in enumerate(rows[0])]
    test = [_sample(text, "test", f"b{i}", row) for i, (text, row) in enumerate(rows[1])]
    matched, false = [False] * len(test), [False] * len(test)
    for i, record in enumerate(DecontaminateSplit().emit([*train, *test])[len(train) :]):
        verdict = record.verdict if isinstance(record, Sample) else None
        matched[i] = verdict is not None and verdict.evidence.startswith(f"a{i} ")
    for k in range(10):
        others = [s for i, s in enumerate(train) if i % 10 != k]
        out = DecontaminateSplit().emit([*others, *test[k::10]])[len(others) :]
        for i, record in zip(range(k, len(test), 10), out, strict=True):
            false[i] = isinstance(record, Sample) and record.verdict is not None
    return rates(matched, false)


def _sample(text: str, split: Split, name: str, row: Any) -> Sample:
    lineage = Lineage(path="", sha256="", chunk="", start=0, end=0, model="")
    messages = (Message(role="user", content=text), Message(role="assistant", content="…"))
    return Sample(
        id=name, recipe="qa", split=split, messages=messages, lineage=lineage, vector=row.astype("<f2").tobytes()
    )


def split_speed(asked: Sequence[str], items: Any, times: int = 20) -> float:
    """Samples a second of the own test split: the questions with their words in ``times`` random orders, so that all
    have rewordings to look at and none is a copy; 20 neighbours of each 200 are for test."""
    rng = random.Random(1)
    samples = []
    for n in range(times):
        for i, text in enumerate(asked):
            shuffled = " ".join(rng.sample(words := text.split(), len(words)))
            samples.append(_sample(shuffled, "test" if i // 20 % 10 == n % 10 else "train", f"{n}-{i}", items[i]))
    stage = DecontaminateSplit()
    begun = time.perf_counter()
    for low in range(0, len(samples), 1000):
        stage.emit(samples[low : low + 1000])
    return len(samples) / (time.perf_counter() - begun)


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
    width = DecontaminateConfig().borderline
    near, far = matcher.near(reworded, width, texts), without_its_own(asked, reworded, items, texts, width)
    ideal = [m is not None and m.index == i for i, m in enumerate(near)]
    wrong = [m is not None and not open_ for m, open_ in zip(far, asked_about(matcher, far), strict=True)]
    print(f"borderline asked         {rates(ideal, wrong)}")
    print(f"  of which asked about   {rates(asked_about(matcher, near), asked_about(matcher, far))}")
    print(f"own test split           {split_rates(asked, reworded, items, texts)}")
    print(f"own test split: {split_speed(asked, items):,.0f} samples a second")
    copies = Matcher(asked, DecontaminateConfig(rewordings=False))
    many = reworded * 20
    begun = time.perf_counter()
    copies.match(many)
    print(f"n-grams alone: {len(many) / (time.perf_counter() - begun):,.0f} texts a second")


if __name__ == "__main__":
    main()
