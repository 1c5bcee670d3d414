"""The streaming index: the same with and without compiled code, however it is cut, whatever the disk does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import index
from curation.index import Index, Match
from curation.lexical import bands
from curation.minhash import sketch, sketch_all
from tests.curation.test_dedupe import WORDS, collection

TEXTS = st.lists(
    st.one_of(
        st.lists(st.sampled_from(["a", "b", "c", "d", "漢", "É", "7"]), max_size=9).map(" ".join),
        st.text(max_size=15),
        st.sampled_from(["", "...", "The same text here.", "the SAME text,  here", "\ud800 x"]),
    ),
    max_size=25,
)


def added(
    texts: list[str],
    cut: int,
    monkeypatch: pytest.MonkeyPatch,
    small: int,
    *,
    every: bool = False,
    threshold: float = 0.7,
) -> list[list[Match]]:
    monkeypatch.setattr(index, "SMALL", small)
    held = Index(threshold, every=every)
    out: list[list[Match]] = []
    sketches = sketch_all(texts)
    for i in range(0, len(texts), cut):
        out += held.add(sketches[i : i + cut], [f"n{k}" for k in range(i, min(i + cut, len(texts)))])
    assert isinstance(held._engine, index._Compiled) == (len(held) > small)
    return out


@pytest.mark.parametrize("every", [False, True])
def test_compiled_and_plain_find_the_same(every: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = collection(1200, 11)
    wanted = added(texts, 10**9, monkeypatch, 10**9, every=every)
    assert sum(map(bool, wanted)) > 200
    assert added(texts, 100, monkeypatch, 0, every=every) == wanted
    assert added(texts, 70, monkeypatch, 300, every=every) == wanted


@given(TEXTS, st.integers(1, 6), st.booleans())
@settings(max_examples=60)
def test_any_text_and_any_cut(texts: list[str], cut: int, every: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        wanted = added(texts, 100, patch, 10**9, every=every)
        assert added(texts, cut, patch, 0, every=every) == wanted


def test_tables_grow_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(7)
    texts = [" ".join(rng.choices(WORDS, k=12)) + f" x{i}" for i in range(9000)]
    out = added(texts + texts[::-1], 500, monkeypatch, 0)
    assert not any(matches for matches in out[: len(texts)])
    assert [m[0].name for m in out[len(texts) :]] == [f"n{i}" for i in reversed(range(len(texts)))]


def test_a_crowd_of_similar_texts_is_compared_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts from one template share buckets without being duplicates."""
    rng = random.Random(1)
    template = [rng.choice(WORDS) for _ in range(60)]
    texts = []
    for i in range(900):
        words = list(template)
        words[10:22] = [f"x{i}y{k}" for k in range(12)]
        texts.append(" ".join(words))
    calls = 0
    real = index.jaccard

    def counting(a: object, b: object) -> float:
        nonlocal calls
        calls += 1
        return real(a, b)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "jaccard", counting)
    monkeypatch.setattr(bands, "MAX_BUCKET", 5)
    got = Index(0.8)
    assert got.add(sketch_all(texts), [str(i) for i in range(900)]) == [[]] * 900
    assert calls <= 900 * 5 * len(got.columns)
    assert len(got) == 900


def test_the_guard_is_asked_of_what_would_merge() -> None:
    asked: list[tuple[str, str]] = []

    def guard(a: str, b: str) -> str:
        asked.append((a, b))
        return "number" if "7" in b else ""

    base = " ".join(WORDS[:30])
    texts = [base, base + " 7", base + "  ", base + " more", "something else", "7 " + base]
    found = Index(0.8, guard=guard).add(sketch_all(texts), list("abcdef"), texts)
    assert [[(m.name, m.method) for m in matches] for matches in found] == [
        [], [], [("a", "exact")], [("a", "minhash")], [], [],
    ]  # fmt: skip
    assert (base, base + "  ") not in asked, "white space alone is no fact"
    assert all("something else" not in pair for pair in asked)


def test_sketches_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="permutations"):
        Index(0.8, 64).add([sketch("a b c")], ["a"])
    with pytest.raises(ValueError, match="permutations"):
        Index(0.8, 128).add([sketch("a b c"), sketch("a b c", num_perm=64)], ["a", "b"])


def test_a_full_disk_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    from datagen.core.errors import StoppedEarly

    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(StoppedEarly, match="disk is full"):
        Index(0.8).add([sketch("a b c")], ["a"])
