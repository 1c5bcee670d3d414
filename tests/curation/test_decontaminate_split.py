"""The run's own test split: what repeats it is not trained on, what merely looks like it is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import embed
from curation.decontaminate import DecontaminateConfig, DecontaminateSplit, split_status
from curation.decontaminate.earlier import COMMON, Earlier, Held, grams_of
from curation.semantic import Embed
from datagen.core.record import AnyRecord, Sample, Split, Verdict
from tests.curation.test_decontaminate import EVAL, sample

needs_model = pytest.mark.skipif(not embed.available(), reason="no embedding model is installed")
VALVE = "Which of the two valves has to be closed before the filter of the pump may be taken out and cleaned?"


def of(split: Split, asked: str, name: str = "", **fields: object) -> Sample:
    return sample(asked, split=split, **{**fields, "id": name or asked})


def reasons(stage: DecontaminateSplit, *shards: Sequence[AnyRecord]) -> list[str]:
    """Ids of what is rejected."""
    out = [r for shard in shards for r in stage.emit(shard)]
    return [r.id for r in out if isinstance(r, Sample) and r.verdict is not None]


@pytest.mark.parametrize(("first", "second"), [("train", "test"), ("test", "train"), ("test", "valid")])
def test_the_later_of_two_copies_on_both_sides_goes(first: Split, second: Split) -> None:
    shard = [of(first, EVAL[0], "a"), of(second, f"Think. {EVAL[0].upper()} Say why.", "b"), of(second, "Else?", "c")]
    out = DecontaminateSplit().emit(shard)
    assert [r.id for r in out if isinstance(r, Sample)] == ["a", "b", "c"]
    verdict = out[1].verdict if isinstance(out[1], Sample) else None
    assert verdict is not None
    assert (verdict.stage, verdict.reason) == ("decontaminate_split", "contaminated")
    for shown in (f"a of the split {first}", "of its n-grams", "Think. A GARDENER", EVAL[0], "in common"):
        assert shown in verdict.evidence
    assert [out[0], out[2]] == [shard[0], shard[2]]


def test_one_side_is_not_compared_with_itself() -> None:
    for splits in (["train", "valid", "train"], ["test", "test"]):
        assert reasons(DecontaminateSplit(), [of(s, EVAL[0], f"{s}{i}") for i, s in enumerate(splits)]) == []  # type: ignore[arg-type]


def test_gold_stays_and_counts_and_what_was_rejected_does_not_count() -> None:
    gold = of("test", EVAL[0], "gold", recipe="gold")
    assert reasons(DecontaminateSplit(), [of("train", EVAL[0], "a"), gold]) == []
    assert reasons(DecontaminateSplit(), [gold, of("train", EVAL[0], "a")]) == ["a"]
    gone = of("test", EVAL[0], "x", verdict=Verdict(stage="rules", reason="short"))
    assert reasons(DecontaminateSplit(), [gone, of("train", EVAL[0], "a")]) == ["x"]
    # b goes for a, so c, which is of the side of a, has nothing to repeat
    shard = [of("train", EVAL[0], "a"), of("test", EVAL[0], "b"), of("train", EVAL[0], "c")]
    assert reasons(DecontaminateSplit(), shard) == ["b"]


def test_a_test_question_inside_a_longer_text_is_found_from_both_sides() -> None:
    long = f"{' '.join(f'word{i}' for i in range(5000))} {VALVE} {' '.join(f'more{i}' for i in range(5000))}"
    assert reasons(DecontaminateSplit(), [of("test", VALVE, "a"), of("train", long, "b")]) == ["b"]
    # what holds only a small part of a long test question does not repeat it
    assert reasons(DecontaminateSplit(), [of("train", VALVE, "a"), of("test", long, "b")]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (EVAL[0], EVAL[0].replace("26", "31")),
        (VALVE, VALVE.replace("two", "three")),
        (f"{VALVE} Answer for the model A100.", f"{VALVE} Answer for the model B200."),
    ],
)
def test_questions_that_differ_in_a_fact_repeat_nothing(one: str, other: str) -> None:
    assert reasons(DecontaminateSplit(), [of("train", one, "a"), of("test", other, "b")]) == []


def test_boilerplate_of_many_samples_is_no_match() -> None:
    asked = "Read the passage below with care and then sum it up in one short sentence"
    many = [of("train", f"{asked}: {word}") for word in ("ants bees cats dogs eels frogs " * 5).split()]
    many = [m.model_copy(update={"id": f"{m.id}{i}"}) for i, m in enumerate(many)]
    assert len(many) > COMMON
    assert reasons(DecontaminateSplit(), many, [of("test", f"{asked}: goats", "t")]) == []
    assert reasons(DecontaminateSplit(), many[:2], [of("test", f"{asked}, please", "t")]) == ["t"]


@needs_model
def test_rewordings_are_found_by_the_vectors_that_samples_carry() -> None:
    reworded = (
        "In a garden, 14 rows of tulips are planted by a gardener, nine bulbs to a row; 26 of the bulbs are given "
        "away. What number of bulbs remains?"
    )
    other = "A baker bakes 14 trays with 9 buns each and sells 26 buns. How many buns are left?"
    shard = [of("train", EVAL[0], "a"), of("test", reworded, "b"), of("test", other, "c"), of("train", EVAL[2], "d")]
    assert reasons(DecontaminateSplit(), shard) == []
    carried = Embed().run(shard)
    assert reasons(DecontaminateSplit(), carried) == ["b"]
    assert reasons(DecontaminateSplit(), carried[::-1]) == ["a"]
    assert reasons(DecontaminateSplit(DecontaminateConfig(rewordings=False)), carried) == []


def test_vectors_of_odd_lengths_cost_no_exception() -> None:
    vectors = [b"", b"\0", b"\0" * 8, b"\0\x7c" * 4, b"\0" * 8, b"\0\x7e" * 4, None]
    shard = [of(s, f"{i}", vector=v) for i, v in enumerate(vectors) for s in ("train", "test")]  # type: ignore[arg-type]
    assert len(DecontaminateSplit().emit(shard)) == len(shard)


def test_the_status_says_that_rewordings_need_vectors() -> None:
    assert "semantic" in split_status(vectors=False)
    assert split_status(vectors=True) == split_status(DecontaminateConfig(rewordings=False), vectors=False) == ""


WORDS = st.lists(st.sampled_from("one two three four five six".split()), min_size=1, max_size=12).map(" ".join)
SHARDS = st.lists(st.tuples(st.sampled_from(["train", "valid", "test"]), WORDS | st.text(max_size=60)), max_size=40)


@settings(max_examples=60)
@given(SHARDS, st.lists(st.integers(0, 40), max_size=6))
def test_how_the_input_is_cut_makes_no_difference(rows: list[tuple[Split, str]], cuts: list[int]) -> None:
    samples = [of(split, text, f"{i}") for i, (split, text) in enumerate(rows)]
    stage = DecontaminateSplit(DecontaminateConfig(ngram=3))
    whole = stage.emit(samples)
    stage.begin()
    bounds = sorted({0, len(samples), *(c for c in cuts if c < len(samples))})
    parts = [stage.emit(samples[a:b]) for a, b in itertools.pairwise(bounds)]
    assert [r for part in parts for r in part] == whole
    assert [r.model_copy(update={"verdict": None}) for r in whole if isinstance(r, Sample)] == samples


def test_hostile_samples_cost_no_exception_and_little_memory() -> None:
    texts = [
        *("a " * 500_000, "\x00" * 100_000, "\ud800\udfff" * 50, "9" * 400_000, "x" * 1_000_000, ""),
        *(
            "שלום עולם, מה שלומך היום ואיך מזג האוויר בעיר? " * 3,
            "👩‍👩‍👧‍👦" * 500,
            "\u202e" * 5000,
            bytes(range(256)).decode("latin1") * 20,
        ),
    ]
    shard = [of(split, text, f"{split}{i}") for i, text in enumerate(texts) for split in ("test", "train")]  # type: ignore[arg-type]
    out = DecontaminateSplit().emit(shard)
    assert len(out) == len(shard)
    rejected = [r for r in out if isinstance(r, Sample) and r.verdict is not None]
    assert rejected
    assert all(len(r.verdict.evidence) < 3000 for r in rejected if r.verdict)


def test_what_is_remembered_of_a_sample_is_small() -> None:
    earlier = Earlier()
    texts = [" ".join(f"{n}w{i}" for i in range(47)) for n in range(3000)]
    grams = grams_of(texts, 8)
    for n in range(0, 3000, 100):
        held = [Held(f"{i}", "train", texts[i]) for i in range(n, n + 100)]
        earlier.add(held, grams[n : n + 100], [None] * 100)
    assert sum(len(run) for run in earlier._runs) == 3000 * 40
    assert len(earlier._runs) < 12
    assert earlier.sharing(grams[5:6], 8) == [[5]]
    assert earlier.held(2999) == Held("2999", "train", texts[2999])
    same = [Held(f"s{i}", "train", texts[0]) for i in range(3 * COMMON)]
    for one in same:
        earlier.add([one], [grams[0]], [None])
    assert earlier.sharing(grams[:1], 8) == [[]]
    assert earlier.common(grams[0]).all()
    assert not earlier.common(grams[1]).any()
