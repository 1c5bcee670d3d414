"""The compiled search against its plain twin, against brute force and against datasketch."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.lexical import bands, near_pairs, rows
from curation.lexical.engine import search
from curation.lexical.tables import tables
from curation.minhash import shingle_all, signatures_of
from curation.words import normalise
from tests.curation.test_dedupe import WORDS, collection, true_pairs

HARD = "aAbBß'’+# \t\n.-_1²½漢字ไ่ิเ́\u200d\u200b\u0301İŉΐǰ\u0345\ud800\U0001f468😀\U000e0041\U0010ffffกข・"
HARD += "ー々ﬁ\x00\x1c\u00ad"
ANY = st.one_of(st.text(max_size=60), st.text(alphabet=HARD, max_size=40), st.text(alphabet="ab '+#.\n", max_size=40))


def compiled(texts: list[str], ngram: int = 3, threads: int = 1, threshold: float = 0.8) -> rows.Rows:
    return rows.of(texts, ngram, 128, bands.columns(threshold, 128), compiled=True, threads=threads)


def same(a: rows.Rows, b: rows.Rows) -> bool:
    if not all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("exact", "keys", "coarse")):
        return False
    return len(a) == len(b) and all(np.array_equal(a.row(i), b.row(i)) for i in range(len(a)))


@given(st.lists(ANY, max_size=6), st.integers(1, 6))
@settings(max_examples=150)
def test_the_kernel_reads_any_text_as_the_definition_does(texts: list[str], ngram: int) -> None:
    plain = rows.of(texts, ngram, 128, bands.columns(0.8, 128), compiled=False, threads=1)
    assert same(compiled(texts, ngram), plain)


def test_every_code_point_is_read_as_the_definition_does() -> None:
    step = 97
    texts = ["".join(f"x{chr(c)}y {chr(c)}z" for c in range(begin, 0x110000, step)) for begin in range(0, step, 4)]
    assert same(compiled(texts, 2), rows.of(texts, 2, 128, bands.columns(0.8, 128), compiled=False, threads=1))


def test_the_tables_are_small() -> None:
    assert sum(part.nbytes for part in tables()) < 2_000_000


def test_hostile_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        "a" * 3_000_000, "a " * 500_000, "'" * 1_000_000, "\x00" * 1_000_000, "\u0301" * 300_000, "漢" * 300_000,
        "\ud800" * 1000, bytes(range(256)).decode("latin-1") * 100, "\U0001f468\u200d\U0001f4bb" * 1000, "x'" * 100_000,
    ]  # fmt: skip
    found = search(texts + texts, 0.8, compiled=True)
    assert found.firsts.tolist() == [*range(10), *range(10)]


@pytest.mark.parametrize(("threshold", "seed"), [(0.8, 1), (0.7, 2), (0.5, 3), (0.95, 4)])
def test_every_engine_finds_the_same(threshold: float, seed: int) -> None:
    texts = list(dict.fromkeys(collection(2200, seed)))
    texts = list({normalise(text): text for text in texts}.values())
    truth = true_pairs(texts, threshold)
    assert len(truth) > 50

    def pairs(**how: object) -> dict[tuple[int, int], float]:
        found = search(texts, threshold, **how)  # type: ignore[arg-type]
        return dict(zip(zip(found.left.tolist(), found.right.tolist(), strict=True), found.similarity, strict=True))

    every = pairs(method="exact", compiled=True)
    assert set(every) == set(truth)
    assert all(every[pair] == pytest.approx(truth[pair]) for pair in truth)
    assert pairs(method="exact", compiled=False) == every
    found = pairs(compiled=True)
    assert pairs(compiled=False) == found
    assert pairs(compiled=True, threads=1) == pairs(compiled=True, threads=3) == found
    assert set(found) <= set(truth)
    assert len(found) >= 0.999 * len(truth)


def test_datasketch_finds_nothing_that_we_do_not() -> None:
    pytest.importorskip("datasketch")
    texts = list({normalise(text): text for text in collection(800, 9)}.values())
    ours = search(texts, 0.8, method="exact")
    theirs = search(texts, 0.8, method="datasketch")
    every = set(zip(ours.left.tolist(), ours.right.tolist(), strict=True))
    found = set(zip(theirs.left.tolist(), theirs.right.tolist(), strict=True))
    assert found <= every
    assert len(found) > 0.6 * len(every)


def test_without_datasketch_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from datagen.core.errors import UsageError

    monkeypatch.setitem(sys.modules, "datasketch", None)
    with pytest.raises(UsageError, match="not installed"):
        search(["a", "b"], 0.8, method="datasketch")


def test_threads_and_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = collection(500, 5)
    wanted = compiled(texts)
    monkeypatch.setattr(rows, "BATCH_BYTES", 5000)
    assert same(compiled(texts, threads=3), wanted)


def test_a_crowd_of_near_copies_stays_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """More near-copies than a bucket compares, and more pairs than are listed: still connected."""
    from curation.clusters import Pairs, ranks, resolve
    from curation.lexical import engine

    rng = random.Random(2)
    template = [rng.choice(WORDS) for _ in range(80)]
    texts = []
    for i in range(1500):
        words = list(template)
        words[rng.randrange(80)] = f"x{i}"
        texts.append(" ".join(words))
    monkeypatch.setattr(engine, "LISTED", 1000)
    monkeypatch.setattr(bands, "MAX_BUCKET", 20)
    near = search(texts, 0.8, compiled=True)
    assert len(near.left) < 60_000
    pairs = Pairs(near.left, near.right, near.similarity, np.ones(len(near.left), np.uint8))
    assert len(set(resolve(ranks(len(texts), "first"), pairs, "chained").labels.tolist())) == 1


@pytest.mark.parametrize("num_perm", [16, 50, 128, 256])
@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.5, 0.7, 0.8, 0.95, 1.0])
def test_bands_miss_next_to_nothing(threshold: float, num_perm: int) -> None:
    columns = bands.columns(threshold, num_perm)
    count, size = columns.shape
    assert columns.min() >= 0
    assert columns.max() < num_perm
    assert all(len(set(band)) == size for band in columns.tolist())
    assert len({tuple(sorted(band)) for band in columns.tolist()}) == count
    if threshold >= 0.5:
        assert (1 - threshold**size) ** count <= bands.MISSED
    assert bands.least_equal(threshold, num_perm) <= num_perm * threshold


def test_signatures_are_the_same_compiled_and_plain() -> None:
    texts = collection(50, 3)
    (plain,) = shingle_all(texts, 3)
    keys, coarse = rows.banded(
        signatures_of(plain.shingles, plain.bounds, 128), bands.columns(0.8, 128), compiled=False
    )
    made = compiled(texts)
    assert np.array_equal(made.keys, keys)
    assert np.array_equal(made.coarse, coarse)


def test_near_pairs_names_equal_texts_too() -> None:
    long = " ".join(WORDS[:30])
    assert near_pairs([long, "x", long.upper(), long + " more"]) == [(0, 2, 1.0), (0, 3, pytest.approx(28 / 29))]
    assert near_pairs([]) == []


def test_small_inputs_do_not_start_numba() -> None:
    code = (
        "import sys; from curation.dedupe import cluster; cluster(['a b c d', 'a b c e'] * 500);"
        "assert not {'numba', 'torch', 'datasketch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)


def test_without_a_place_for_a_cache_it_still_compiles(tmp_path: Path) -> None:
    code = (
        "import numba.core.caching as c\n"
        "def no(*a, **k): raise RuntimeError('cannot cache function: no locator available')\n"
        "c.FunctionCache.__init__ = no\n"
        "from curation.lexical.kernel import mix\nimport numpy as np\n"
        "assert mix(np.uint64(0)) == 0"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
