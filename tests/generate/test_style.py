"""The style recipe: the author's paragraph, verbatim, as the answer; the instruction gives nothing away."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.record import Failure, Sample, Task
from datagen.generate.config import GeneratorConfig
from datagen.generate.paragraphs import paragraphs
from datagen.generate.style import Led, Style, _placed
from datagen.llm.backend import CallFailed
from tests.generate.support import Scripted, chunk, golden, make, reasons, task

FIRST = "The boiler must be descaled after every 120 litres, and never with vinegar, whose acid attacks the seals."
SECOND = "We chose the smaller pump, since nobody hears it at night, and have not regretted that choice for a day."
THIRD = "What remains is the tank, which the town council wanted to be green and which turned out to be rather blue."
TEXT = "\n\n".join(
    ["# Care of the pump house", FIRST, "- an item of a list that is not prose", SECOND, "```\ncode\n```", THIRD]
)
PASSAGE = chunk(TEXT, title="Care of the pump house")
CONFIG: dict[str, Any] = {"style": {"min_words": 12, "max_words": 60}}


def recipe(gold: tuple[Sample, ...] = (), **config: Any) -> Style:
    return Style(GeneratorConfig(**{**CONFIG, **config}), "m", 1, gold)


def asked(count: int = 3, **fields: Any) -> Task:
    slots = [{"persona": f"person {i}"} for i in range(count)]
    return task(*slots, of=PASSAGE, recipe="style", **fields)


def reply(*instructions: str, begin: int = 1) -> str:
    led = [{"number": i, "instruction": text} for i, text in enumerate(instructions, begin)]
    return json.dumps({"instructions": led})


def test_answers_are_the_paragraphs_as_they_stand() -> None:
    records = make(recipe(), Scripted(reply("How is it descaled?", "Which pump?", "What of the tank?")), asked())
    samples = [r for r in records if isinstance(r, Sample)]
    assert [s.messages[1].content for s in samples] == [FIRST, SECOND, THIRD]
    assert reasons(records) == [None, None, None]
    for sample in samples:
        (quote,) = sample.lineage.quotes
        assert TEXT[quote.start - 100 : quote.end - 100] == quote.text == sample.messages[1].content
    assert [s.attributes["persona"] for s in samples] == ["person 0", "person 1", "person 2"]


def test_a_paragraph_without_an_instruction_is_short() -> None:
    led = json.dumps({"instructions": [{"number": 3, "instruction": "What of the tank?"}]})
    records = make(recipe(), Scripted(led), asked())
    assert isinstance(records[0], Sample)
    assert records[0].messages[1].content == THIRD
    assert records[0].lineage.index == 2
    assert records[0].attributes["persona"] == "person 2"
    assert isinstance(records[1], Failure)
    assert (records[1].samples, records[1].reason) == (2, "short")


@pytest.mark.parametrize("begin", [0, 5])
def test_models_that_count_otherwise_are_understood(begin: int) -> None:
    records = make(recipe(), Scripted(reply("One?", "Two?", "Three?", begin=begin)), asked())
    assert [r.messages[0].content for r in records if isinstance(r, Sample)] == ["One?", "Two?", "Three?"]


@given(st.lists(st.tuples(st.integers(-2, 5), st.text(max_size=3))), st.integers(1, 4))
def test_no_paragraph_gets_two_instructions(found: list[tuple[int, str]], wanted: int) -> None:
    placed = _placed([Led(number=n, instruction=t) for n, t in found], wanted)
    assert set(placed) <= set(range(wanted))
    assert all(placed.values())


@pytest.mark.parametrize(
    ("instruction", "wanted"),
    [
        ("Say that the boiler must be descaled after every 120 litres, please.", "gives_away"),
        ("What does the author say of descaling?", "refers_to_prompt"),
        ("Write this paragraph again.", "refers_to_prompt"),
        ("What is in Care of the Pump House on boilers?", "names_document"),
        ("When must a boiler be descaled?", None),
    ],
)
def test_what_is_rejected(instruction: str, wanted: str | None) -> None:
    records = make(recipe(), Scripted(reply(instruction, "B?", "C?")), asked())
    assert reasons(records)[0] == wanted


def test_a_paragraph_about_documents_may_be_asked_about_them() -> None:
    text = "A reader opens the document in its own process, so that a bad file costs a line and never the whole run."
    there = task({}, of=chunk(text), recipe="style")
    records = make(recipe(), Scripted(reply("Why does a reader open the document in another process?")), there)
    assert reasons(records) == [None]


def test_only_prose_of_the_wanted_length_is_taken() -> None:
    made_of = recipe()
    assert made_of.owes(PASSAGE) == 3
    assert recipe(samples_per_chunk=2).owes(PASSAGE) == 2
    assert not recipe(style={"min_words": 40}).takes(PASSAGE)
    assert not made_of.takes(PASSAGE.model_copy(update={"format": "code"}))
    assert not made_of.takes(
        chunk("# Heading\n\n- a list item that has quite a number of words in it, but is no prose.")
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (FIRST, 1),
        (FIRST.removesuffix("."), 0),
        (f"> {FIRST}", 0),
        (f"    {FIRST}", 0),
        (f"| {FIRST} | b |\n|---|---|\n| a | b |", 0),
        ("a = 17 * (4 + 5) / 33 - 2 ** 8; b = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].", 0),
        (f"# References\n\n{FIRST}", 0),
        ("水泵每小时输送三百升水。它必须每两个月除垢一次，不得使用醋，因为酸会损坏密封件。", 1),
    ],
)
def test_what_prose_is(text: str, count: int) -> None:
    assert len(paragraphs(chunk(text), 10, 60)) == count


def test_further_calls_go_on_to_other_paragraphs() -> None:
    made_of = recipe(samples_per_chunk=1)
    seen = set()
    for number in range(3):
        (sample,) = make(made_of, Scripted(reply("What?")), asked(1, number=number))
        assert isinstance(sample, Sample)
        seen.add(sample.messages[1].content)
    assert seen == {FIRST, SECOND, THIRD}


def test_what_cannot_be_used_is_failed_for_all() -> None:
    (failure,) = make(recipe(), Scripted(CallFailed("k", "timeout", 3, "")), asked())
    assert isinstance(failure, Failure)
    assert (failure.samples, failure.reason) == (3, "timeout")


def test_the_prompt_is_the_one_that_was_read() -> None:
    backend = Scripted(reply("A?", "B?", "C?"))
    make(recipe(), backend, asked(shots=(0, 1), avoid=("Which pump is quiet?",)))
    golden("style.txt", backend.asked[0])


def test_gold_samples_are_shown_and_shape_the_fingerprint() -> None:
    made = [
        r for r in make(recipe(), Scripted(reply("A?", "Which pump is it?", "C?")), asked()) if isinstance(r, Sample)
    ]
    mine = recipe(gold=(made[1],))
    backend = Scripted(reply("A?", "B?", "C?"))
    make(mine, backend, asked(shots=(0,)))
    assert "Which pump is it?" in backend.asked[0].messages[0].content
    assert mine.fingerprint() != recipe().fingerprint() != recipe(style={"min_words": 13}).fingerprint()
