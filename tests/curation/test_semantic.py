from __future__ import annotations

import json
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import embed, semantic
from curation.semantic import DropSemantic, Embed
from curation.semantic.decide import decide
from curation.semantic.find import owners, ranking
from curation.semantic.search import neighbours
from curation.semantic.variants import variants
from curation.semantic_config import SemanticConfig
from datagen.core.record import AnyRecord, Sample
from tests.curation import tiny_models
from tests.curation.make import of_family, sample

carried = pytest.mark.skipif(embed.default_folder() is None, reason="no all-MiniLM-L6-v2 on this machine")
ALONE = SemanticConfig(cross_encoder="none")
PAIRS = Path(__file__).parents[3] / "shared" / "data" / "paraphrase_pairs.jsonl"


def merged(texts: list[str], config: SemanticConfig = ALONE) -> set[tuple[int, int]]:
    return {(p.i, p.j) for p in semantic.pairs(texts, config) if p.method != "distinct_facts"}


@carried
@pytest.mark.parametrize(
    "other",
    [
        "HOW DO I SORT A LIST OF NAMES IN PYTHON?",
        "How do I sort a list of names in Python",
        "  How do I\tsort a list\nof names in Python ?",
        "“How do I sort a list of names in Python?”",
        "How do I sotr a list of names in Python?",
        "How do I sort a list of names in Pyhton?",
        "How can I sort a list of names in Python?",
        "How do I sort the list of names in Python?",
        "In Python, how do I sort a list of names?",
    ],
)
def test_trivial_variants_are_merged(other: str) -> None:
    assert merged(["How do I sort a list of names in Python?", "What is a cat?", other]) == {(0, 2)}


@carried
@pytest.mark.parametrize(
    "other",
    [
        "How do I sort a list of 3 names in Python?",
        "How do I sort a list of names in Java?",
        "How do I not sort a list of names in Python?",
        "How do I sort names of a list in Python?",
    ],
)
def test_distinct_facts_survive(other: str) -> None:
    assert merged(["How do I sort a list of names in Python?", other]) == set()


@carried
def test_what_was_spared_is_told_with_the_fact() -> None:
    said = "The trial of the former minister began in spring and took {} days in all, as the paper says."
    said = "The trial of the former minister began in spring and took {} days in all, as the paper says."
    found = semantic.pairs([said.format(3), said.format(4)], ALONE)
    assert [(p.method, p.fact) for p in found] == [("distinct_facts", "number: 3 → 4")]
    unguarded = ALONE.model_copy(update={"guard": False})
    texts = ["Anna wrote a letter to Bert.", "Bert wrote a letter to Anna."]
    assert merged(texts) == set()
    assert merged(texts, unguarded) == {(0, 1)}


@carried
def test_clusters_keep_one_each_by_the_rule() -> None:
    texts = ["What is a cat?", "what is a cat", "What is the cat?!", "Name three rivers.", "", ""]
    found = semantic.cluster(texts, ALONE)
    assert found.labels.tolist() == [0, 0, 0, 1, 2, 3]
    assert found.kept.tolist() == [True, False, False, True, True, True]
    longest = semantic.cluster(texts, ALONE.model_copy(update={"keep": "longest"}))
    assert longest.kept.tolist() == [False, False, True, True, True, True]
    by_score = semantic.cluster(texts, ALONE.model_copy(update={"keep": "score"}), scores=[1, 5, 2, 0, 0, 0])
    assert by_score.kept.tolist() == [False, True, False, True, True, True]
    assert {(i, j) for i, j, *_ in found.pairs} == {(0, 1), (0, 2), (1, 2)}


@carried
def test_given_vectors_are_used_and_left_out_texts_take_no_part() -> None:
    texts = ["What is a cat?", "what is a cat", "What is a cat??"]
    vectors = embed.load().encode(texts).astype(np.float16)
    given_ = semantic.pairs(texts, ALONE, vectors=vectors)
    assert [(p.i, p.j) for p in given_] == [(0, 1), (0, 2), (1, 2)]
    assert [(p.i, p.j) for p in semantic.pairs(texts, ALONE, vectors=vectors, skip=[1])] == [(0, 2)]


@carried
def test_any_text_goes_through() -> None:
    hostile = ["", " ", "\x00", "\ud800", "\u202eשלום", "👩‍👩‍👧", "a" * 100_000, "\ufffd" * 50, "x", "x" * 3, "\n" * 9]
    assert len(semantic.cluster(hostile, ALONE).kept) == len(hostile)
    assert semantic.pairs([], ALONE) == []
    assert len(semantic.cluster([], ALONE).labels) == 0


def unit(rng: np.random.Generator, count: int, dimension: int = 64) -> np.ndarray:
    centres = rng.normal(size=(count // 3, dimension))
    rows = np.concatenate([centres, centres + rng.normal(size=centres.shape) * 0.3, rng.normal(size=centres.shape)])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_search_finds_what_all_pairs_give() -> None:
    rows = unit(np.random.default_rng(1), 3000)
    products = rows @ rows.T
    i, j = np.nonzero(np.triu(products >= 0.9, 1))
    found = neighbours(rows, 0.9)
    assert list(zip(found[0], found[1], strict=True)) == list(zip(i, j, strict=True))
    np.testing.assert_allclose(found[2], products[i, j], atol=1e-6)
    half = neighbours(rows.astype(np.float16), 0.9)
    assert len(set(zip(half[0], half[1], strict=True)) & set(zip(i, j, strict=True))) >= 0.99 * len(i)


def test_faiss_misses_next_to_nothing() -> None:
    pytest.importorskip("faiss")
    rows = unit(np.random.default_rng(2), 6000)
    exact, asked = neighbours(rows, 0.9, exact=True), neighbours(rows, 0.9, exact=False)
    truth, found = (set(zip(i.tolist(), j.tolist(), strict=True)) for i, j, _ in (exact, asked))
    assert len(truth) > 500
    assert len(truth & found) >= 0.99 * len(truth)
    assert len(found - truth) <= 0.01 * len(truth)  # float16 in the index


def test_progress_counts_rows() -> None:
    done: list[int] = []
    neighbours(unit(np.random.default_rng(3), 3000), 0.9, done.append)
    assert sum(done) == 3000


words = st.sampled_from("cat dog sun moon tree river stone apple".split())


@given(st.lists(st.lists(words, min_size=1, max_size=6), max_size=12))
def test_one_word_apart_is_found_by_hashing(found: list[list[str]]) -> None:
    texts = [" ".join(each) for each in found]

    def near(a: list[str], b: list[str]) -> bool:
        shorter = {tuple(a)} | {(*a[:i], *a[i + 1 :]) for i in range(len(a))}
        return bool(shorter & ({tuple(b)} | {(*b[:i], *b[i + 1 :]) for i in range(len(b))}))

    expected = [(i, j) for j in range(len(found)) for i in range(j) if near(found[i], found[j])]
    assert variants(texts, range(len(texts))) == sorted(expected)


def test_in_a_crowd_only_words_that_are_alike_are_paired() -> None:
    rng = random.Random(4)
    names = sorted({"".join(rng.choices("abcdefghij", k=9)) for _ in range(300)})
    texts = [f"describe the creature {name} briefly" for name in names] + [f"describe the creature {names[7]}x briefly"]
    assert (7, len(names)) in variants(texts, range(len(texts)))
    assert len(variants(texts, range(len(texts)))) < 20


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20), st.permutations(range(10)))
@settings(max_examples=60)
def test_each_dropped_text_has_a_kept_one(pairs: list[tuple[int, int]], order: list[int]) -> None:
    linked = [(min(p), max(p)) for p in pairs if p[0] != p[1]]
    for way in ("greedy", "chained"):
        owner = owners(10, linked, order, way)
        assert all(owner[owner[i]] == owner[i] for i in range(10))
        kept = {i for i in range(10) if owner[i] == i}
        assert order[0] in kept
        assert not any(i in kept and j in kept for i, j in linked)
        if way == "greedy":
            assert all(owner[i] == i or (min(i, owner[i]), max(i, owner[i])) in linked for i in range(10))


def test_ranking() -> None:
    assert ranking([3, 9, 9], None, "longest") == [1, 2, 0]
    assert ranking([3, 9, 9], [1, 2, 3], "score") == [2, 1, 0]
    assert ranking([3, 9, 9], [1, 2, 3], "first") == [0, 1, 2]


def named(name: str, question: str, **update: object) -> Sample:
    return sample(question, "An answer.").model_copy(update={"id": name, **update})


@carried
def test_the_stages_reject_and_say_next_to_what() -> None:
    shards = [
        [named("a", "How do I sort a list?"), named("b", "Name three rivers.")],
        [named("g", "how do i sort a list", recipe="gold")],
        [named("c", "How do i sotr a list?"), named("d", "How do I sort 3 lists?")],
        [
            of_family("translation", "How do I sort a list?", "x", form="de").model_copy(update={"id": "e"}),
            of_family("translation", "how do i sort a list", "x", form="fr").model_copy(update={"id": "f"}),
        ],
    ]  # fmt: skip
    stage = pickle.loads(pickle.dumps(DropSemantic(ALONE)))
    for _ in range(2):  # a second run begins anew
        embedded = [Embed().run(shard) for shard in shards]
        stage.begin()
        for shard in embedded:
            stage.see(shard)
        out: dict[str, AnyRecord] = {r.id: r for s in embedded for r in stage.emit(s) if isinstance(r, Sample)}
        verdicts = {name: r.verdict for name, r in out.items() if isinstance(r, Sample) and r.verdict}
        assert list(verdicts) == ["c"]
        assert verdicts["c"].reason == "semantic_duplicate"
        assert verdicts["c"].evidence.startswith("says what a says (similarity 0.")
        assert all(isinstance(r, Sample) and r.vector is None for r in out.values())


@carried
def test_how_the_input_is_cut_makes_no_difference_and_vectors_can_stay() -> None:
    records = Embed().run([named(str(i), f"{word} is a cat?") for i, word in enumerate("What what WHAT Who".split())])
    outcomes = []
    for size in (1, 2, 4):
        stage = DropSemantic(ALONE, leave=True)
        shards = [records[i : i + size] for i in range(0, 4, size)]
        for shard in shards:
            stage.see(shard)
        outcomes.append([r for shard in shards for r in stage.emit(shard)])
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert [isinstance(r, Sample) and r.verdict is None for r in outcomes[0]] == [True, False, False, True]
    assert all(isinstance(r, Sample) and r.vector is not None for r in outcomes[0])


@carried
@pytest.mark.parametrize("keep", ["first", "longest"])
def test_what_an_earlier_round_kept_stays_and_comes_first(keep: Any) -> None:
    stage = DropSemantic(ALONE.model_copy(update={"keep": keep}))
    rounds = [
        [named("a", "What is a cat?"), named("b", "Who is the king of Spain?")],
        [named("c", "WHAT is a cat????"), named("d", "what is a dog?"), named("e", "Who is the King of Spain")],
    ]
    verdicts = []
    for shard in map(Embed().run, rounds):
        stage.see(shard)
        verdicts += [r.verdict for r in stage.emit(shard) if isinstance(r, Sample)]
    assert [v and v.evidence[:11] for v in verdicts] == [None, None, "says what a", None, "says what b"]


def test_without_vectors_nothing_happens() -> None:
    stage = DropSemantic(ALONE)
    records = [named("a", "What is a cat?"), named("b", "What is a cat?")]
    stage.see(records)
    assert stage.emit(records) == records


def test_the_fingerprint_has_what_shapes_the_output() -> None:
    base = DropSemantic(ALONE).fingerprint()
    assert json.dumps(base)
    assert base != DropSemantic(ALONE.model_copy(update={"threshold": 0.9})).fingerprint()
    assert base != DropSemantic(ALONE, leave=True).fingerprint()
    assert base["cross_encoder"] == ""


@pytest.mark.slow
def test_the_fingerprint_tells_whether_there_is_a_cross_encoder(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    folder = tiny_models.cross_encoder(tmp_path)
    there = DropSemantic(SemanticConfig(cross_encoder=str(folder))).fingerprint()
    assert there["cross_encoder"] == str(folder)
    assert there != DropSemantic(SemanticConfig(cross_encoder="none")).fingerprint()


@carried
@pytest.mark.skipif(not PAIRS.exists(), reason="the development data is not there")
def test_pairs_that_say_different_things_stay_apart() -> None:
    rows = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()][1::4]
    texts = [text for row in rows for text in (row["a"], row["b"])]
    vectors = embed.load().encode(texts)
    near = [(2 * n, 2 * n + 1, float(vectors[2 * n] @ vectors[2 * n + 1])) for n in range(len(rows))]
    found = {p.i // 2 for p in decide(texts, near, ALONE) if p.method != "distinct_facts"}
    different = [n for n, row in enumerate(rows) if not row["paraphrase"]]
    same = [n for n, row in enumerate(rows) if row["paraphrase"]]
    assert sum(n in found for n in different) <= 0.03 * len(different)
    assert sum(n in found for n in same) >= 0.3 * len(same)
