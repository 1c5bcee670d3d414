"""What repeats an evaluation set is found, word for word and in other words; what merely looks like it is not."""

from __future__ import annotations

import asyncio
import json
import pickle
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import decontaminate, embed
from curation.decontaminate import DecontaminateConfig, Matcher, load_against
from curation.decontaminate.against import MAX_TEXT, question
from curation.decontaminate.reading import Rarity, numbers, shared_numbers, stems
from curation.decontaminate.stage import Decontaminate
from datagen.core.errors import UsageError
from datagen.core.record import Lineage, Message, Sample

EVAL = [
    "A gardener plants 14 rows of tulips with 9 bulbs in each row and gives 26 bulbs away. How many bulbs are left?",
    "Which of the following is the largest moon of the planet Saturn? Titan, Rhea, Dione or Mimas",
    "A train leaves Lyon at 8 in the morning and travels 120 kilometres an hour for 3 hours. How far does it get?",
    "What is the boiling point of water at sea level in degrees Celsius?",
]
COPIES = DecontaminateConfig(rewordings=False)
needs_model = pytest.mark.skipif(not embed.available(), reason="no embedding model is installed")


def sample(asked: str, answer: str = "An answer.", **fields: object) -> Sample:
    messages = (Message(role="user", content=asked), Message(role="assistant", content=answer))
    lineage = Lineage(path="a", sha256="", chunk="", start=0, end=0, model="")
    return Sample.model_validate({"id": asked, "recipe": "row", "messages": messages, "lineage": lineage, **fields})


def test_copies_are_found_inside_other_text_and_in_any_case() -> None:
    texts = [f"Solve this for me. {EVAL[0].upper()}  Think first.", "A gardener plants tulips.", EVAL[3].lower()]
    found = decontaminate.match(texts, EVAL, COPIES)
    assert [(m.index, m.method) if m else None for m in found] == [(0, "ngram"), None, (3, "ngram")]
    assert found[0] is not None
    assert found[0].overlap.startswith("a gardener plants 14 rows")
    assert found[0].score == 1.0


def test_boilerplate_that_evaluation_texts_share_is_no_match() -> None:
    asked = [f"Which of the following statements about the topic named below is correct: {w}?" for w in "abcdefghij"]
    text = "Which of the following statements about the topic named below is correct: gravity on the moon?"
    assert decontaminate.match([text], asked, COPIES) == [None]
    assert decontaminate.match([asked[3]], [asked[3]] * 50, COPIES) != [None]


@needs_model
def test_rewordings_are_found_and_other_questions_are_not() -> None:
    texts = [
        "In a garden, 14 rows of tulips are planted by a gardener, nine bulbs to a row; 26 of the bulbs are given "
        "away. What number of bulbs remains?",
        "Departing from Lyon at 8 am, a train moves at a speed of 120 km per hour for three hours. What distance does "
        "it cover?",
        "A baker bakes 14 trays with 9 buns each and sells 26 buns. How many buns are left?",
        "A train leaves Rome at 6 in the evening and travels 90 kilometres an hour for 5 hours. How far does it get?",
        "How do I plant tulips in a garden?",
    ]
    found = decontaminate.match(texts, EVAL)
    assert [m.index if m else None for m in found] == [0, 2, None, None, None]
    assert {m.method for m in found if m} == {"rewording"}


def test_without_rewordings_the_status_is_silent_and_with_them_it_says_what_is_missing() -> None:
    assert decontaminate.status(COPIES) == ""
    assert ("embedding model" in decontaminate.status()) != embed.available()


def test_numbers_are_read_in_digits_and_words() -> None:
    assert numbers("Twice 1,200 and 3.5, then a dozen") == {2, 1200, 3.5, 12}
    assert shared_numbers(frozenset(), frozenset({1.0})) == 0.5
    assert shared_numbers(frozenset({1.0, 2.0}), frozenset({2.0})) == 0.5
    assert stems("planted plants planting") == {"plant"}
    rarity = Rarity([frozenset({"how", "moon"}), frozenset({"how", "sun"}), frozenset({"how", "star"})])
    assert rarity.shared(frozenset({"how", "moon"}), frozenset({"moon"})) > 0.5


@settings(max_examples=60)
@given(st.lists(st.text(max_size=200), max_size=8), st.lists(st.text(max_size=200), max_size=8))
def test_any_text_can_be_compared(texts: list[str], against: list[str]) -> None:
    found = decontaminate.match(texts, against, COPIES)
    assert len(found) == len(texts)
    for text, match in zip(texts, found, strict=True):
        if match is not None:
            assert 0.5 <= match.score <= 1
            assert match.overlap == "" or match.overlap.split()[0] in text.casefold() or not text.isascii()


@given(st.integers(0, 3), st.text(max_size=80), st.text(max_size=80))
def test_an_evaluation_text_is_found_between_any_others(which: int, before: str, after: str) -> None:
    (found,) = decontaminate.match([f"{before}\n{EVAL[which]}\n{after}"], EVAL, COPIES)
    assert found is not None
    assert found.index == which


def test_hostile_texts_cost_no_exception_and_little_time() -> None:
    texts = ["a " * 500_000, "\x00" * 1000, "\ud800", "9" * 400_000, "x" * 1_000_000, ""]
    assert decontaminate.match(texts, [*EVAL, *texts[1:3]], COPIES)[3:] == [None] * 3


def test_the_stage_rejects_with_both_sides_as_evidence(tmp_path: Path) -> None:
    file = tmp_path / "eval.jsonl"
    file.write_text("".join(json.dumps({"question": q, "answer": "x"}) + "\n" for q in EVAL))
    stage = Decontaminate(DecontaminateConfig(against=(str(file),), rewordings=False))
    again = pickle.loads(pickle.dumps(stage))
    gold = sample(EVAL[0], recipe="gold")
    out = again.run([sample("Something else entirely?"), sample(EVAL[0]), sample("Solve it.", EVAL[2]), gold])
    verdicts = [s.verdict for s in out if isinstance(s, Sample)]
    assert [v.reason if v else None for v in verdicts] == [None, "contaminated", "contaminated", None]
    assert verdicts[1] is not None
    assert "eval.jsonl:1" in verdicts[1].evidence
    assert "14 rows of tulips" in verdicts[1].evidence
    before = stage.fingerprint()
    file.write_text(json.dumps({"question": "Another one?"}))
    decontaminate.sets.read.cache_clear()
    assert Decontaminate(DecontaminateConfig(against=(str(file),), rewordings=False)).fingerprint() != before


@pytest.mark.parametrize(
    ("row", "asked"),
    [
        ({"question": "Q?", "answer": "A"}, "Q?"),
        ({"question": "Q?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}}, "Q?\na\nb"),
        ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Q?"}]}, "Q?"),
        ({"conversations": [{"from": "human", "value": "Q?"}]}, "Q?"),
        ({"prompt": [{"role": "user", "content": "Q?"}], "chosen": []}, "Q?"),
        ({"other": "Q?"}, ""),
        ({"question": 5}, ""),
        (None, ""),
    ],
)
def test_the_question_of_a_row_is_found_by_usual_names(row: object, asked: str) -> None:
    assert question(row) == asked
    assert question({"other": "Q?"}, ["other"]) == "Q?"


def test_sets_are_read_from_files_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": "one?"}\nno json\n\n{"x": 1}\n')
    (tmp_path / "b.json").write_text('[{"problem": "two?"}]')
    (tmp_path / "c.csv").write_text("question,answer\nthree?,x\n")
    pl.DataFrame({"input": ["four?"]}).write_parquet(tmp_path / "d.parquet")
    (tmp_path / "e.txt").write_text("five?\n\nsix?\n")
    (tmp_path / ".hidden.txt").write_text("no")
    found = load_against([tmp_path])
    assert [t.strip() for t in found.texts] == ["one?", "two?", "three?", "four?", "five?", "six?"]
    assert found.unread == 2
    assert found.names[0] == "a.jsonl:1"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.json", b"[{", "no evaluation set"),
        ("x.parquet", b"PAR1", "no evaluation set"),
        ("x.jsonl", b'{"x": 1}\n', "hold no question"),
        ("none.jsonl", None, "There is no evaluation set"),
    ],
)
def test_a_bad_set_is_said(name: str, data: bytes | None, said: str, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError) as error:
        load_against([tmp_path / name])
    assert said in error.value.what


DATA = Path(__file__).parents[3] / "shared/data/contamination.jsonl"


@needs_model
@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_file(), reason="the labelled questions are not here")
def test_reworded_benchmark_questions_are_found() -> None:
    rows = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()][1:400:2]  # of the half not tuned on
    matcher = Matcher([r["benchmark"] for r in rows[:100]])
    own = matcher.match([r["rephrased"] for r in rows[:100]])
    others = matcher.match([r["rephrased"] for r in rows[100:]])
    assert sum(m is not None and m.index == i for i, m in enumerate(own)) >= 95
    assert sum(m is not None for m in others) <= 1


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        ('{"name": "x", "examples": [{"input": "one?", "target": "a"}, {"input": "two?"}]}', ["one?", "two?"]),
        ('{"name": "x", "tags": ["t"],\n "data": [{"question": "one?"}]}', ["one?"]),
        ('{"question": "one?"}', ["one?"]),
        ('{"question": "one?"}\n{"question": "two?"}\n', ["one?", "two?"]),
        ('["one?", {"q": 1}, null, 5, "two?"]', ["one?", "two?"]),
    ],
)
def test_json_is_read_however_it_is_laid_out(data: str, texts: list[str], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(data)
    assert load_against([tmp_path]).texts == texts


HOSTILE = {
    "nul": b"\x00" * 5000,
    "binary": bytes(range(256)) * 200,
    "megabyte line": b"a b " * 300_000,
    "surrogates": b'{"question": "\\ud800 one \\udfff?"}\n',
    "deep": b"[" * 100_000,
    "deep row": b'{"question": ' + b"[" * 50_000 + b"\n",
    "huge number": b'{"question": ' + b"9" * 100_000 + b"}\n",
    "right to left": "\u202eשאלה אחת על הירח?\n\n👩‍👩‍👧‍👦".encode(),
    "utf-16": "question\none?".encode("utf-16"),
    "long field": b'{"question": "' + b"x y " * 1_000_000 + b'"}\n',
    "empty": b"",
    "infinity": b'{"question": Infinity}\n[NaN]\n',
}


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt", ".md", ".bin"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_sets_are_read_or_said(kind: str, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"x{suffix}"
    file.write_bytes(HOSTILE[kind])
    try:
        found = load_against([file])
    except UsageError:
        return
    assert all(len(text) <= MAX_TEXT for text in found.texts)
    decontaminate.match(["Is there anything in common?", found.texts[0]], found.texts[:5], COPIES)


def test_hostile_samples_cost_the_stages_no_exception(tmp_path: Path) -> None:
    (tmp_path / "eval.jsonl").write_text("".join(json.dumps({"question": q}) + "\n" for q in [*EVAL, "\ud800\x00"]))
    stage = Decontaminate(DecontaminateConfig(against=(str(tmp_path),), rewordings=False), asks=True)
    texts = [
        "a " * 500_000,
        "\x00" * 1000,
        "\ud800",
        "\u202eשלום",
        "👩‍👩‍👧‍👦" * 500,
        "x" * 1_000_000,
        "",
        EVAL[0] * 3000,
    ]
    out = stage.run([sample(text) for text in texts])
    assert [r.id for r in out if isinstance(r, Sample)] == texts
    verdicts = [r.verdict for r in out if isinstance(r, Sample) and r.verdict is not None]
    assert verdicts
    assert all(len(verdict.evidence) < 1000 for verdict in verdicts)


def test_nothing_waits_for_a_loop() -> None:
    """The functions are plain ones, also inside a running loop, as in a notebook."""

    async def cell() -> int:
        return len(decontaminate.match(EVAL, EVAL, COPIES))

    assert asyncio.run(cell()) == 4
