"""The figures on the development data hold, on the half that nothing was tuned on and on the whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation import malicious
from curation.malicious import MaliciousConfig

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the development data is not on this machine")
RULES = MaliciousConfig(exemplars="ngrams")


def _rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def test_payloads() -> None:
    found = malicious.scan([row["text"] for row in _rows("payloads.jsonl")], RULES)
    assert sum(map(bool, found)) >= 0.95 * len(found)


def test_documentation_is_clean() -> None:
    pages = [path.read_text(encoding="utf-8") for path in sorted((DATA / "benign_docs").iterdir())]
    assert malicious.scan(pages, RULES) == [[] for _ in pages]


def test_harmless_texts_with_the_words_of_an_attack() -> None:
    rows = [row for row in _rows("injection.jsonl") if not row["attack"]]
    found = malicious.scan([row["text"] for row in rows], RULES)
    assert sum(map(bool, found)) <= 0.05 * len(rows)
