"""Selection: the threshold, and the best of what passes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from curation.select import Select, SelectBest
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
