"""Novelty is exact: nothing at or over the threshold is missed, nothing under it rejected."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.novelty import Earlier, Novelty, novel, rouge_l, text_words
from datagen.core.record import Sample, Verdict
from tests.curation.make import sample

VOCABULARY = [*"abcdefgh", "the", "of", "pump"]


def lcs(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence, from its definition."""
    row = [0] * (len(b) + 1)
    for x in a:
        before = row
        row = [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(before[j + 1], row[j]))
    return row[-1]


def f1(a: str, b: str) -> float:
    first, second = text_words(a), text_words(b)
    return 2 * lcs(first, second) / (len(first) + len(second)) if first and second else 0.0


texts = st.lists(st.sampled_from(VOCABULARY), max_size=14).map(" ".join)


@given(texts, texts)
def test_rouge_l_is_the_f1_of_the_longest_common_subsequence(a: str, b: str) -> None:
    assert rouge_l(a, b) == f1(a, b) == rouge_l(b, a)


@given(texts)
def test_a_text_is_its_own_echo(text: str) -> None:
    assert rouge_l(text, text) == (1.0 if text else 0.0)


def test_known_values() -> None:
    assert rouge_l("police killed the gunman", "police kill the gunman") == 0.75  # Lin (2004), section 3.1
    assert rouge_l("police killed the gunman", "the gunman kill police") == 0.5
    assert rouge_l("", "x") == rouge_l("!?", "!?") == 0.0
    assert rouge_l("Größe: 3 kg.", "größe 3 KG") == 1.0
    assert rouge_l("水泵的油量", "水泵的水量") == 0.8


@settings(max_examples=300)
@given(st.lists(texts, max_size=30), st.sampled_from([0.05, 0.3, 0.5, 0.7, 0.75, 0.9, 1.0]))
def test_novel_agrees_with_comparing_every_pair(given_texts: list[str], threshold: float) -> None:
    found = novel(given_texts, threshold)
    kept: list[int] = []
    for i, text in enumerate(given_texts):
        echoes = {j: f1(text, given_texts[j]) for j in kept if f1(text, given_texts[j]) >= threshold}
        echo = found[i]
        if echo is None:
            assert not echoes
            kept.append(i)
        else:
            assert echoes[echo.index] == echo.score


@settings(max_examples=50)
@given(st.data())
def test_exact_also_where_words_are_frequent(data: st.DataObject) -> None:
    """With many texts the frequent words are not looked at; what they would add is not lost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curation.novelty._CHEAP", 2)
        given_texts = data.draw(st.lists(texts, min_size=20, max_size=60))
        threshold = data.draw(st.sampled_from([0.3, 0.7, 0.9]))
        earlier = Earlier(threshold)
        for i, text in enumerate(given_texts):
            echo = earlier.echo(text_words(text))
            scores = [f1(text, other) for other in given_texts[:i]]
            assert (echo is not None) == any(score >= threshold for score in scores)
            assert echo is None or scores[echo.index] == echo.score
            earlier.add(text_words(text))


def instruct(text: str, name: str, recipe: str = "instruct") -> Sample:
    return sample(text, "An answer.").model_copy(update={"id": name, "recipe": recipe})


A = "Explain how to fill the pump with oil of grade B"
NEAR = "Explain how to fill the pump with oil of grade C"
FAR = "Which bird nests in the reeds?"


def reasons(stage: Novelty, *samples: Sample) -> list[str | None]:
    return [r.verdict and r.verdict.reason for r in stage.emit(list(samples)) if isinstance(r, Sample)]


def test_an_instruction_like_an_earlier_one_is_rejected_and_names_it() -> None:
    stage = Novelty(0.7)
    out = stage.emit([instruct(A, "s1"), instruct(FAR, "s2"), instruct(NEAR, "s3")])
    rejected = out[2]
    assert isinstance(rejected, Sample)
    assert rejected.verdict is not None
    assert (rejected.verdict.stage, rejected.verdict.reason) == ("novelty", "not_novel")
    assert "s1" in rejected.verdict.evidence
    assert "0.91" in rejected.verdict.evidence
    assert [isinstance(r, Sample) and r.verdict for r in out[:2]] == [None, None]


def test_other_recipes_are_compared_with_but_never_rejected() -> None:
    assert reasons(Novelty(0.7), instruct(A, "s1", "qa"), instruct(NEAR, "s2", "qa"), instruct(NEAR, "s3")) == [
        None,
        None,
        "not_novel",
    ]


def test_gold_instructions_are_compared_with() -> None:
    stage = Novelty(0.7, seen=[A])
    assert reasons(stage, instruct(NEAR, "s1")) == ["not_novel"]
    assert stage.fingerprint() != Novelty(0.7).fingerprint() != Novelty(0.8).fingerprint()


def test_what_was_rejected_does_not_make_others_less_novel() -> None:
    verdict = Verdict(stage="rules", reason="too_short")
    rejected = instruct(A, "s1").model_copy(update={"verdict": verdict})
    assert reasons(Novelty(0.7), rejected, instruct(NEAR, "s2")) == ["too_short", None]
    chain = ["a b c d e f g h i j", "a b c d e f g h x y", "a b c d e f u v x y"]
    assert reasons(Novelty(0.7), *(instruct(t, str(i)) for i, t in enumerate(chain))) == [None, "not_novel", None]


def test_begin_forgets_and_shards_make_no_difference() -> None:
    samples = [instruct(A, "s1"), instruct(NEAR, "s2"), instruct(FAR, "s3"), instruct(FAR, "s4")]
    stage = Novelty(0.7)
    whole = reasons(stage, *samples)
    stage.begin()
    assert [reason for s in samples for reason in reasons(stage, s)] == whole == [None, "not_novel", None, "not_novel"]


@pytest.mark.parametrize("words", [1, 3, 5000])
def test_long_and_short_texts(words: int) -> None:
    text = " ".join(f"w{i}" for i in range(words))
    assert [e and e.score for e in novel([text, text, "other"])] == [None, 1.0, None]
