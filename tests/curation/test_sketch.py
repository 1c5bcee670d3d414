"""Sketches: the same everywhere, the shingles a text has, and signatures that estimate similarity."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import words as vocabulary
from curation.minhash import jaccard, sketch, sketch_all, unpack
from curation.sketch import Sketch
from curation.words import normalise, tokens, word
from datagen.core.record import Chunk, Failure, Lineage, Message, Sample, Verdict

TEXTS = st.lists(st.one_of(st.text(max_size=80), st.text(alphabet="ab c.1-\n<>='", max_size=60)), max_size=8)


def words(text: str) -> list[str]:
    return [w for t in tokens(normalise(text)) if (w := word(t))]


def shingles(text: str, n: int) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[i : i + n]) for i in range(len(found) - n + 1)}


@given(TEXTS, st.integers(1, 5))
def test_a_text_has_as_many_shingle_hashes_as_shingles(texts: list[str], n: int) -> None:
    for text, data in zip(texts, sketch_all(texts, n, 16), strict=True):
        got = unpack(data)
        wanted = len(shingles(text, n)) or int(bool(normalise(text)))
        assert len(got.shingles) == wanted
        assert np.all(got.shingles[1:] > got.shingles[:-1])


@given(TEXTS)
def test_together_or_alone_is_the_same(texts: list[str]) -> None:
    assert sketch_all(texts) == [sketch(text) for text in texts]


@given(st.text(max_size=200), st.text(max_size=200))
def test_jaccard_of_hashes_is_jaccard_of_shingles(a: str, b: str) -> None:
    x, y = shingles(a, 1), shingles(b, 1)
    if x and y:
        assert jaccard(unpack(sketch(a, 1)).shingles, unpack(sketch(b, 1)).shingles) == len(x & y) / len(x | y)


def test_signatures_estimate_similarity() -> None:
    rng = random.Random(3)
    errors = []
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        for _ in range(20):
            a = [f"w{rng.getrandbits(40)}" for _ in range(300)]
            b = [w if rng.random() < share else f"w{rng.getrandbits(40)}" for w in a]
            x, y = unpack(sketch(" ".join(a), 1)), unpack(sketch(" ".join(b), 1))
            errors.append(float(np.mean(x.signature == y.signature)) - jaccard(x.shingles, y.shingles))
    # Variance s(1-s)/128 is at most 1/512: mean of 100 within 4 standard errors, spread about as large as it must be.
    assert abs(np.mean(errors)) < 4 * 0.045 / 10
    assert 0.02 < np.std(errors) < 0.06


def test_two_processes_agree() -> None:
    text = "Ein Text mit 3 Zahlen, naïve Wörter und 漢字 <= 5"
    code = f"import sys; from curation.minhash import sketch; sys.stdout.write(sketch({text!r}).hex())"
    got = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True
    )
    assert got.stdout == sketch(text).hex()


def test_the_vocabulary_stays_bounded_and_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"a text about subject{i} and number{i}" for i in range(300)]
    wanted = sketch_all(texts)
    monkeypatch.setattr(vocabulary, "MAX_VOCABULARY", 50)
    assert [sketch(text) for text in texts] == wanted
    assert len(vocabulary.vocabulary()) < 100


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Don't use C++ or C#, it's 'old'.", ["don't", "use", "c++", "or", "c#", "it's", "old"]),
        ("# Heading\n\n+ item - 5", ["heading", "item", "5"]),
        ("The root of -4 (-5.5) 3-4", ["the", "root", "of", "4", "5", "5", "3", "4"]),
        ("ＦＵＬＬ ﬁne Straße Ünï", ["full", "fine", "strasse", "ünï"]),
        ("漢字ひら mixed", ["漢", "字", "ひ", "ら", "mixed"]),
        ("नहीं हिन्दी", ["नहीं", "हिन्दी"]),
        ("مرحبا بالعالم שלום", ["مرحبا", "بالعالم", "שלום"]),
        ("l’eau", ["l'eau"]),
        ("??? ...", []),
    ],
)
def test_words(text: str, wanted: list[str]) -> None:
    assert words(text) == wanted


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("It is “safe” — now…", 'it is "safe" - NOW...', True),
        ("soft\u00adhyphen\ufeff  and\u00a0space", "softhyphen and space", True),
        ("l’eau", "l'eau", True),
        ("Stra\u00dfe", "STRASSE", True),
        ("e\u0301tude", "\u00e9tude", True),
        ("It is safe.", "It is safe!", False),
        ("a b", "ab", False),
        ("a 'b'", "a b", False),
        ("x -1", "x 1", False),
        ("\U0001f600", "\U0001f603", False),
    ],
)
def test_what_is_the_same_text(a: str, b: str, same: bool) -> None:
    assert (unpack(sketch(a)).exact == unpack(sketch(b)).exact) is same


@pytest.mark.parametrize("data", [b"", b"MH", b"XX" + bytes(40), sketch("a b c d")[:-1], b"MH\x01" + sketch("a")[2:]])
def test_what_is_no_sketch_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="sketch"):
        unpack(data)


def test_the_stage_sketches_what_has_no_verdict() -> None:
    chunk = Chunk(id="1", path="a", sha256="0", start=0, end=3, text="one two three four")
    lineage = Lineage(path="a", sha256="0", chunk="1", start=0, end=3, model="none")
    talk = (Message(role="user", content="What is it?"), Message(role="assistant", content="This."))
    sample = Sample(id="2", recipe="qa", messages=talk, lineage=lineage)
    bad = chunk.model_copy(update={"verdict": Verdict(stage="x", reason="y")})
    failure = Failure(call="c", recipe="qa", chunk="1", samples=1, reason="r", attempts=1, raw="")
    for produces in ("chunk", "sample"):
        stage = pickle.loads(pickle.dumps(Sketch(3, 64, produces=produces)))
        assert stage.produces == produces
        out = stage.run([chunk, bad, sample, failure])
        assert out == [
            chunk.model_copy(update={"sketch": sketch("one two three four", 3, 64)}),
            bad,
            sample.model_copy(update={"sketch": sketch("What is it?", 3, 64)}),
            failure,
        ]
