"""How much personal data is found, how much of what is found is some, and how fast, beside stock Presidio.

    python -m benchmarks.pii [FOLDER] [--corpus FOLDER] [--show]

Reads ``pii.jsonl`` of a folder (default ../shared/data) and the PEPs of ``../shared/corpus``. Rules and thresholds were
made on one half of the rows (even CRC-32 of the text); all figures are of the other half. Presidio is run as it comes,
over ``spacy.blank("en")``: no model can be had offline.

A labelled span counts as found where a finding overlaps it, whatever its type; a finding is right where it overlaps a
label, and typed right where one of these labels is of a type that means the same (``SAME``). F2 weighs recall twice.
The two label sets of the file differ: one says PERSON, US_SSN, ORGANIZATION where the other says PERSON_NAME,
SOCIAL_SECURITY_NUMBER, ORGANIZATION_NAME; the first cuts a postal address into ADDRESS and LOCATION pieces, so either
is right for an address or a place; its TITLE (of a job) and PREFIX ("Mrs.") have no type of ours and count as missed.
On the PEPs nothing is labelled: a finding is taken for false unless it is an e-mail address or a name that stands among
the authors, delegates or sponsors at the top of one of the files, or (with ``--show`` to be read) one of the people
thanked. The figure printed is therefore an upper bound.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import statistics
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from curation.pii import PiiConfig, find

SAME: dict[str, set[str]] = {
    "PERSON": {"PERSON", "PERSON_NAME", "PREFIX"},
    "ADDRESS": {"ADDRESS", "LOCATION"},
    "LOCATION": {"LOCATION", "ADDRESS"},
    "ORGANIZATION": {"ORGANIZATION", "ORGANIZATION_NAME"},
    "US_SSN": {"US_SSN", "SOCIAL_SECURITY_NUMBER"},
    "US_ITIN": {"US_SSN", "SOCIAL_SECURITY_NUMBER"},
    "DATE_OF_BIRTH": {"DATE_TIME"},
    "URL": {"DOMAIN_NAME"},
    "DRIVER_LICENSE": {"US_DRIVER_LICENSE"},
}
"""A type of ours or of Presidio's → the labels that mean the same; any other type means the label of its name."""

STOCK_TYPES = (
    "CREDIT_CARD", "CRYPTO", "DATE_TIME", "DATE_OF_BIRTH", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "MAC_ADDRESS",
    "MEDICAL_LICENSE", "NATIONAL_ID", "PHONE_NUMBER", "URL", "BANK_ACCOUNT", "DRIVER_LICENSE", "PASSPORT", "US_SSN",
)  # fmt: skip
"""What stock Presidio's recognisers for English look for, as types of ours."""

ROUNDS = 3
SPEED_TEXTS = 300
CHUNK = 1000  # characters
_HEADER = re.compile(r"\A.*?\n\n", re.DOTALL)
_NAME = re.compile(r"[^\W\d_][\w'’-]+")


class Finding(NamedTuple):
    start: int
    end: int
    type: str
    score: float


Finder = Callable[[Sequence[str]], list[list[Finding]]]


def ours(texts: Sequence[str], config: PiiConfig = PiiConfig()) -> list[list[Finding]]:
    return [[Finding(s.start, s.end, s.type, s.score) for s in spans] for spans in find(texts, config)]


def stock() -> Finder | None:
    """Presidio's analyzer as it comes, or None where it is not installed."""
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
    except ImportError:
        return None
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    logging.getLogger("tldextract").setLevel(logging.CRITICAL)

    class Blank(SpacyNlpEngine):  # type: ignore[misc]
        def load(self) -> None:
            self.nlp = {"en": spacy.blank("en")}

    engine = Blank(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.load()
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])

    def run(texts: Sequence[str]) -> list[list[Finding]]:
        found = (analyzer.analyze(text, language="en") for text in texts)
        return [[Finding(r.start, r.end, r.entity_type, r.score) for r in results] for results in found]

    return run


def measures(rows: Sequence[dict[str, Any]], found: Sequence[Sequence[Finding]]) -> dict[str, float]:
    """Recall, precision and typed precision by overlap, and F2, all 0..1."""
    labels = hits = right = typed = total = 0
    for row, findings in zip(rows, found, strict=True):
        labels += len(row["spans"])
        hits += sum(any(f.start < s["end"] and s["start"] < f.end for f in findings) for s in row["spans"])
        for f in findings:
            over = [s["type"] for s in row["spans"] if f.start < s["end"] and s["start"] < f.end]
            total += 1
            right += bool(over)
            typed += any(label in SAME.get(f.type, {f.type}) for label in over)
    recall, precision = hits / max(labels, 1), right / max(total, 1)
    f2 = 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0
    return {"recall": recall, "precision": precision, "typed": typed / max(total, 1), "f2": f2, "labels": labels}


def table(name: str, rows: Sequence[dict[str, Any]], finders: dict[str, Finder]) -> None:
    for who, finder in finders.items():
        m = measures(rows, finder([row["text"] for row in rows]))
        print(
            f"  {name:<22} {who:<16} F2 {m['f2']:.3f}  recall {m['recall']:.3f}  precision {m['precision']:.3f}  "
            f"typed precision {m['typed']:.3f}   ({m['labels']:,} labels)"
        )


def peps(folder: Path, finders: dict[str, Finder], show: bool) -> None:
    texts = [path.read_text("utf-8", "replace") for path in sorted(folder.glob("*.rst"))]
    if not texts:
        print(f"  no PEPs in {folder}: skipped")
        return
    words = sum(len(text.split()) for text in texts)
    known: set[str] = set()
    for text in texts:
        header = _HEADER.match(text)
        known.update(_NAME.findall(header[0].partition("Author:")[2].partition("Status:")[0]) if header else ())
    for who, finder in finders.items():
        began = time.perf_counter()
        found = finder(texts)
        seconds = time.perf_counter() - began
        false: Counter[str] = Counter()
        people = 0
        for text, findings in zip(texts, found, strict=True):
            for f in findings:
                value = text[f.start : f.end]
                if f.type == "EMAIL_ADDRESS":
                    continue
                if f.type == "PERSON":
                    people += 1
                    if known.intersection(_NAME.findall(value)):
                        continue
                false[f.type] += 1
                if show and who == "datagen":
                    print(f"    {f.type} {f.score:.2f} {value!r}")
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in false.most_common(6))
        print(
            f"  {who:<16} at most {1000 * sum(false.values()) / words:.2f} false findings per 1,000 words"
            f" ({words:,} words; {kinds or 'none'}; {people} names found),"
            f" {sum(map(len, texts)) / seconds / 1e6:.2f} MB/s"
        )


def speed(texts: Sequence[str], name: str, finders: dict[str, Finder]) -> None:
    taken: dict[str, list[float]] = {who: [] for who in finders}
    for finder in finders.values():
        finder(texts[:20])
    for _ in range(ROUNDS):
        for who, finder in finders.items():
            began = time.perf_counter()
            finder(texts)
            taken[who].append(time.perf_counter() - began)
    rate = {who: len(texts) / statistics.median(seconds) for who, seconds in taken.items()}
    slowest = rate.get("stock Presidio")
    for who, texts_a_second in rate.items():
        ratio = f"{texts_a_second / slowest:6.1f} ×" if slowest else ""
        print(f"  {name:<26} {who:<32} {texts_a_second:9,.0f} texts/s  {ratio}")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Personal data: what is found, and how fast.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--show", action="store_true", help="show what counts as false on the PEPs")
    given = parser.parse_args(arguments)
    with (given.folder / "pii.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rows = [row for row in rows if zlib.crc32(row["text"].encode("utf-8", "surrogatepass")) % 2]
    finders: dict[str, Finder] = {"datagen": ours}
    presidio = stock()
    if presidio is None:
        print("Presidio is not installed (pip install 'datagen[pii]'): skipped.")
    else:
        finders["stock Presidio"] = presidio
    print(f"Found, held-out half ({len(rows):,} texts):")
    table("all", rows, finders)
    hard = [row for row in rows if row["source"].startswith("adversarial")]
    table("adversarial", hard, finders)
    table("synthetic sentences", [row for row in rows if not row["source"].startswith("adversarial")], finders)
    for source in sorted({row["source"] for row in hard}):
        table(source.partition(":")[2], [row for row in hard if row["source"] == source], {"datagen": ours})
    print("False findings on technical documents:")
    peps(given.corpus / "peps", finders, given.show)
    print(f"Speed (one process, medians of {ROUNDS} rounds):")
    same = PiiConfig(types=STOCK_TYPES)
    fast: dict[str, Finder] = {"datagen, the same recognisers": lambda t: ours(t, same), "datagen, with names": ours}
    fast |= {"stock Presidio": presidio} if presidio else {}
    speed([row["text"] for row in rows][:SPEED_TEXTS], "sentences", fast)
    whole = "".join(path.read_text("utf-8", "replace") for path in sorted((given.corpus / "peps").glob("*.rst"))[:6])
    if whole:
        chunks = [whole[i : i + CHUNK] for i in range(0, len(whole), CHUNK)][:100]
        speed(chunks, f"chunks of {CHUNK} characters", fast)


if __name__ == "__main__":
    main(sys.argv[1:])
