"""Metrics of tasks: each against the library it comes from, or a value worked out by hand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.bootstrap import Measure, interval
from training.task_metrics import (
    bleu,
    chrf,
    exact_match,
    field_f1,
    fields,
    main_measure,
    measures,
    normal,
    rouge,
    token_f1,
)

SAID = ["The cat sat on the mat.", "A dog barked loudly at night", "", "Completely different words here", "red"]
WANTED = ["The cat is on the mat.", "A dog barked at night.", "Something", "Nothing in common whatsoever", "Red"]


def value(measure: Measure) -> float:
    assert measure.value is not None
    return measure.value


def test_rouge_is_the_librarys_on_english() -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rouge2", "rougeL"])
    for answer, reference in zip(SAID, WANTED, strict=True):
        theirs = scorer.score(reference, answer)
        assert rouge(answer, reference) == pytest.approx({k: v.fmeasure for k, v in theirs.items()})


def test_rouge_by_hand_and_in_other_scripts() -> None:
    # "the cat sat on the mat" and "the cat is on the mat" share 5 of 6 words, and 3 of 5 pairs of words.
    found = rouge(SAID[0], WANTED[0])
    assert found == pytest.approx({"rouge1": 5 / 6, "rouge2": 3 / 5, "rougeL": 5 / 6})
    assert rouge("Die Kälte kam früh", "Die Kälte kam spät")["rouge1"] == pytest.approx(3 / 4)
    assert rouge("кот сидит", "кот лежит")["rouge1"] == pytest.approx(1 / 2)


def test_bleu_and_chrf_are_the_librarys() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    theirs = sacrebleu.metrics.BLEU(effective_order=True).corpus_score(SAID, [WANTED])
    assert value(bleu(SAID, WANTED)) * 100 == pytest.approx(theirs.score)
    each = [sacrebleu.sentence_chrf(a, [r]).score for a, r in zip(SAID, WANTED, strict=True)]
    assert value(chrf(SAID, WANTED)) * 100 == pytest.approx(sum(each) / len(each))


def test_resampled_bleu_is_the_librarys_on_the_resampled_rows() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    times = [2, 0, 1, 1, 1]
    said = [text for text, n in zip(SAID, times, strict=True) for _ in range(n)]
    wanted = [text for text, n in zip(WANTED, times, strict=True) for _ in range(n)]
    measure = bleu(SAID, WANTED)
    ours = measure.of((measure.table * [[n] for n in times]).sum(axis=0, keepdims=True))[0]
    theirs = sacrebleu.metrics.BLEU(effective_order=True).corpus_score(said, [wanted])
    assert ours * 100 == pytest.approx(theirs.score)


def test_token_f1_and_exact_match_by_hand() -> None:
    # two words of three on one side, two of two on the other: precision 2/3, recall 1, F1 4/5
    assert token_f1("in Paris, France", "Paris, France!") == pytest.approx(0.8)
    assert token_f1("the answer", "an answer") == 1.0
    assert token_f1("", "") == 1.0
    assert token_f1("", "word") == 0.0
    assert token_f1("yes yes", "yes") == pytest.approx(2 / 3)  # a repeated word counts once
    assert exact_match("The  Eiffel-Tower.", "eiffel tower") == 1.0
    assert exact_match("Berlin", "Bern") == 0.0
    assert normal("«Der Zug», sagte er – spät") == "der zug sagte er spät"


def test_accuracy_and_macro_f1_are_scikit_learns() -> None:
    learn = pytest.importorskip("sklearn.metrics")
    wanted = ["good", "good", "bad", "bad", "neutral", "bad"]
    said = ["Good.", "bad", "bad", "BAD", "good", "I cannot tell"]
    found = measures("accuracy_f1", said, wanted)
    plain = [normal(text) for text in said]
    assert value(found["accuracy"]) == pytest.approx(learn.accuracy_score(wanted, plain)) == pytest.approx(3 / 6)
    theirs = learn.f1_score(wanted, plain, labels=["good", "bad", "neutral"], average="macro", zero_division=0)
    assert value(found["macro F1"]) == pytest.approx(theirs)


def test_field_f1_by_hand() -> None:
    wanted = json.dumps({"name": "Pump P-12", "pressure": 4, "valves": ["V1", "V2"], "note": None})
    # three of the four pairs, and one that is wrong: 2 * 3 / (4 + 4)
    said = 'Here it is:\n```json\n{"name": "pump p-12", "pressure": "5", "valves": ["V2", "V1"], "note": ""}\n```'
    assert field_f1(said, wanted) == pytest.approx(0.75)
    assert field_f1(wanted, wanted) == 1.0
    assert field_f1("no object", wanted) == 0.0
    assert field_f1('{"a": ', wanted) == 0.0
    assert field_f1('{"a": {"b": 1}}', '{"b": 1}') == 0.0  # another place is another field
    assert field_f1("{}", "{}") == 1.0
    assert fields("[1]") is None


def test_each_metric_has_its_figures() -> None:
    names = {
        "rouge": ["rouge1", "rouge2", "rougeL"],
        "bleu_chrf": ["BLEU", "chrF"],
        "f1_em": ["token F1", "exact match"],
        "accuracy_f1": ["accuracy", "macro F1"],
        "field_f1": ["field F1"],
        "perplexity": [],
        "": ["rougeL", "chrF", "token F1", "exact match"],
        "something_else": ["rougeL", "chrF", "token F1", "exact match"],
    }
    for metric, wanted in names.items():
        found = measures(metric, SAID, WANTED)
        assert list(found) == wanted
        assert main_measure(metric) in [*wanted, ""]
        for measure in found.values():
            told = interval(measure, resamples=200)
            assert told.low is not None
            assert told.high is not None
            assert 0 <= told.low <= told.high <= 1


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="reference"):
        measures("rouge", ["a"], [])


@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), min_size=1, max_size=6))
@pytest.mark.parametrize("metric", ["rouge", "bleu_chrf", "f1_em", "accuracy_f1", "field_f1", ""])
def test_any_text_is_measured_between_0_and_1(metric: str, pairs: list[tuple[str, str]]) -> None:
    for measure in measures(metric, [a for a, _ in pairs], [r for _, r in pairs]).values():
        assert measure.value is not None
        assert -1e-9 <= measure.value <= 1 + 1e-9


@given(st.text(max_size=200))
def test_any_text_has_fields_or_none(text: str) -> None:
    fields(text)
    fields('{"a": ' * 50 + text)
    assert fields("{" + json.dumps(text) + ": 1}") is not None


def test_long_and_deep_texts_are_cut() -> None:
    long = "word " * 400_000
    assert value(measures("rouge", [long], ["word"])["rouge1"]) < 0.01
    assert field_f1('{"a":' * 100_000 + "1" + "}" * 100_000, "{}") == 0.0
    assert 0 <= value(measures("", ["\ud800" * 10], ["\ud800"])["chrF"]) <= 1
