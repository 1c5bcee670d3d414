"""Selection: the threshold, and the best of what passes it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.choose import WORDS_ALONE
from curation.lexical_vectors import LexicalVectors
from curation.quotas import balanced
from curation.select import Select, SelectBest
from curation.select_config import SelectConfig
from datagen.core.progress import listen
from datagen.core.record import AnyRecord, Sample
from tests.generate.support import pair


def samples(scores: list[float | None]) -> list[AnyRecord]:
    made: list[AnyRecord] = []
    for i, score in enumerate(scores):
        made.append(pair(f"Q{i}?", "A").model_copy(update={"score": score, "scores": {"clarity": score or 0}}))
    return made


def kept(records: list[AnyRecord]) -> list[float | None]:
    return [r.score for r in records if isinstance(r, Sample) and r.verdict is None]


def test_what_is_under_the_threshold_or_unscored_goes_with_its_reason() -> None:
    out = Select(4.0).emit(samples([5, 3.9, None, 4.0]))
    assert [r.verdict.reason if isinstance(r, Sample) and r.verdict else None for r in out] == [
        None,
        "low_score",
        "unscored",
        None,
    ]


def test_without_a_threshold_everything_stays() -> None:
    assert len(kept(Select(None).emit(samples([1, None])))) == 2


@given(st.lists(st.floats(1, 5) | st.none(), max_size=20), st.integers(1, 9), st.integers(1, 20))
def test_the_best_are_kept_exactly_as_many_as_asked_however_shards_are_cut(
    scores: list[float | None], target: int, cut: int
) -> None:
    records = samples(scores)
    shards = [records[i : i + cut] for i in range(0, len(records), cut)]
    fold = SelectBest(3.0, target)
    fold.begin()
    for shard in shards:
        fold.see(shard)
    out = [r for shard in shards for r in fold.emit(shard)]
    passing = sorted((s for s in scores if s is not None and s >= 3), reverse=True)
    assert sorted((s or 0 for s in kept(out)), reverse=True) == passing[:target]
    assert len(out) == len(records)


def of(document: str, family: str, score: float, text: str = "", vector: list[float] | None = None) -> Sample:
    made = pair(text or f"{document} {family} {score}?", "A")
    stored = None if vector is None else (np.array(vector) / np.linalg.norm(vector)).astype("<f2").tobytes()
    lineage = made.lineage.model_copy(update={"path": document})
    return made.model_copy(
        update={
            "id": f"{document}/{family}/{score}/{text}", "family": family, "score": score, "scores": {"clarity": score},
            "lineage": lineage, "vector": stored,
        }
    )  # fmt: skip


def selected(records: list[Sample], target: int, **given: Any) -> list[Sample]:
    fold = SelectBest(1.0, target, SelectConfig(**given))
    fold.begin()
    fold.see(records)
    out = fold.emit(records)
    assert len(out) == len(records)
    return [r for r in out if isinstance(r, Sample)]


def left(records: list[Sample]) -> list[str]:
    return [r.id for r in records if r.verdict is None]


def test_of_a_document_no_more_are_kept_than_asked_and_none_more_are_counted() -> None:
    records = [of("a.md", "", score) for score in (5.0, 4.5, 4.0, 3.5)] + [of("b.md", "", 2.0)]
    fold = SelectBest(1.0, 0, SelectConfig(per_document=2))
    fold.see(records)
    assert fold.passing == 3
    out = [r for r in fold.emit(records) if isinstance(r, Sample)]
    assert left(out) == [records[0].id, records[1].id, records[4].id]
    assert [r.verdict.reason for r in out if r.verdict] == ["over_document"] * 2
    assert left(selected(records, 2, per_document=1)) == [records[0].id, records[4].id]


def test_diverse_prefers_what_stands_for_the_others_and_says_next_to_what_one_stood() -> None:
    records = [
        of("a.md", "", 4.0, "t1", [1.0, 0.0, 0.02]),
        of("b.md", "", 4.1, "t2", [1.0, 0.01, 0.0]),
        of("c.md", "", 4.0, "t3", [1.0, 0.0, 0.0]),
        of("d.md", "", 3.0, "u1", [0.0, 1.0, 0.0]),
    ]
    out = selected(records, 2, strategy="diverse")
    assert left(out)[1] == records[3].id
    assert len(left(out)) == 2
    told = [r.verdict.evidence for r in out if r.verdict]
    assert all("nearest of those kept" in evidence for evidence in told)
    assert all(r.vector is None for r in out)
    assert left(selected(records, 2, strategy="score")) == [records[0].id, records[1].id]
    assert records[3].id in left(selected(records, 2, strategy="diverse", diversity="distance"))


def test_without_vectors_the_words_decide_and_this_is_said() -> None:
    records = [of("a.md", "", 4.0, f"How long must pump {n} rest before it is filled with oil?") for n in range(6)]
    records.append(of("b.md", "", 3.0, "Which colours does the northern flag have?"))
    told: list[str] = []
    leave = listen(told.append)
    out = selected(records, 2, strategy="diverse")
    leave()
    assert records[6].id in left(out)
    assert told == [WORDS_ALONE]


def test_balanced_gives_each_family_and_document_its_share() -> None:
    records = [of("a.md", "qa", 5 - n / 10) for n in range(10)]
    records += [of("b.md", "qa", 2.0), of("b.md", "topic", 1.5), of("c.md", "topic", 1.4), of("c.md", "topic", 1.3)]
    kinds = Counter(name.split("/")[1] for name in left(selected(records, 4, strategy="balanced")))
    assert kinds == {"qa": 2, "topic": 2}
    weighted = left(selected(records, 4, strategy="balanced", shares={"topic": 3}))
    assert Counter(name.split("/")[1] for name in weighted) == {"qa": 1, "topic": 3}
    assert left(selected(records[:11], 2, strategy="balanced")) == [records[0].id, records[10].id]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=30),
    st.integers(0, 30),
    st.integers(0, 4),
)
def test_balanced_takes_what_there_is_and_is_even(rows: list[tuple[str, str]], k: int, most: int) -> None:
    families, documents = [f for f, _ in rows], [d for _, d in rows]
    chosen = balanced(families, documents, k, most=most)
    there = Counter(documents)
    assert len(set(chosen)) == len(chosen) == min(k, sum(min(n, most or n) for n in there.values()))
    if not most:
        taken, had = Counter(families[i] for i in chosen), Counter(families)
        for one, other in (("a", "b"), ("b", "a")):
            assert taken[one] <= taken[other] + 1 or taken[other] == had[other]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.floats(1, 5)), max_size=15),
    st.integers(0, 10),
    st.sampled_from(["score", "diverse", "balanced"]),
    st.integers(0, 3),
)
def test_every_strategy_keeps_as_many_as_may_be_and_loses_none(
    rows: list[tuple[str, str, float]], target: int, strategy: Any, most: int
) -> None:
    records = [of(d, f, s, f"t{i}", [1.0, s, i]) for i, (d, f, s) in enumerate(rows)]
    out = selected(records, target, strategy=strategy, per_document=most)
    possible = sum(min(n, most or n) for n in Counter(r.lineage.path for r in records).values())
    assert len(left(out)) == min(target or len(rows), possible)
    assert {r.verdict.reason for r in out if r.verdict} <= {"over_target", "over_document"}
    assert [r.id for r in out] == [r.id for r in records]


def test_gold_samples_are_left_alone_and_take_no_place() -> None:
    gold = of("g.md", "", 1.0).model_copy(update={"recipe": "gold", "score": None})
    records = [gold, of("a.md", "", 5.0), of("b.md", "", 4.0)]
    assert left(selected(records, 1)) == [gold.id, records[1].id]


def test_a_sample_without_a_vector_is_like_no_other() -> None:
    records = [of("a.md", "", 4.0, "t1", [1.0, 0.0]), of("b.md", "", 4.0, "t2", [1.0, 0.1]), of("c.md", "", 4.0, "t3")]
    assert records[2].id in left(selected(records, 2, strategy="diverse"))


@settings(max_examples=50)
@given(st.lists(st.text(max_size=60), max_size=12))
def test_words_give_unit_rows_for_any_texts(texts: list[str]) -> None:
    held = LexicalVectors()
    held.add(texts)
    norms = np.linalg.norm(held.matrix().astype(np.float32), axis=1)
    assert held.matrix().shape == (len(texts), 512)
    assert np.all((np.abs(norms - 1) < 0.01) | (norms == 0))


def test_texts_with_rare_words_in_common_are_nearer_than_texts_with_common_ones() -> None:
    held = LexicalVectors()
    held.add(["How does the turbine start?", "The turbine of what?", "How does the flag look?"])
    held.add([f"How does the {thing} work?" for thing in "door lamp pump clock mill saw fan bell oven lock".split()])
    rows = held.matrix().astype(np.float32)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
