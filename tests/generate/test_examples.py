"""Examples are read from the forms people have, and shown in the form of a reply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datagen.core.errors import UsageError
from datagen.core.record import Sample
from datagen.generate.config import GeneratorConfig
from datagen.generate.examples import exchange, pool_of, read, rendered, samples_of
from datagen.generate.ground import locate
from datagen.generate.shots import shown
from datagen.llm import prompts

SHIPPED = ("generate/qa.examples.jsonl", "generate/instruct.examples.jsonl")


def item(sample: Sample, evidence: list[str]) -> dict[str, Any]:
    return {"told": exchange(sample), "evidence": evidence}


def test_every_form_gives_question_answer_passage_and_evidence(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    turns = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "A"},
    ]
    rows: list[dict[str, Any]] = [
        {"passage": "P has A.", "pairs": [{"question": "Q", "answer": "A", "evidence": ["has A"], "type": "how_to"}]},
        {"context": "P has A.", "question": "Q", "answer": "A", "evidence": "has A"},
        {"messages": turns, "passage": "P has A.", "evidence": ["has A"]},
        {"passage": "P has A.", "tasks": [{"instruction": "Q", "input": "", "output": "A", "evidence": ["has A"]}]},
    ]
    file.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    pool = read(file)
    assert [exchange(s) for s in pool] == [("Q", "A")] * 4
    assert {s.source for s in pool} == {"P has A."}
    assert {(q.text, q.start, q.end) for s in pool for q in s.lineage.quotes} == {("has A", 2, 7)}
    assert {s.recipe for s in pool} == {"gold"}
    assert pool[0].attributes == {"type": "how_to"}
    assert shown(pool) == ["Q"]


def test_an_input_is_said_below_its_instruction() -> None:
    (sample,) = samples_of({"instruction": "I", "input": "X", "output": "O"})
    assert exchange(sample) == ("I\n\nX", "O")
    assert sample.attributes == {"input": "X"}


def test_what_is_missing_is_stood_for_by_the_answer() -> None:
    (one,) = rendered(samples_of({"question": "Q", "answer": "The answer."}), "pairs", item)
    assert one["passages"] == [{"text": "The answer.", "fence": "passage"}]
    assert one["items"] == [{"told": ("Q", "The answer."), "evidence": ["The answer."]}]


def test_examples_of_one_passage_are_shown_as_one_reply() -> None:
    pool = samples_of({"passage": "P", "pairs": [{"question": f"Q{i}", "answer": "A"} for i in range(2)]})
    other = samples_of({"passage": "R", "question": "Q", "answer": "A"})
    shown_ones = rendered([*pool, *other, pool[0]], "pairs", item)
    assert [len(one["items"]) for one in shown_ones] == [2, 1, 1]
    assert json.loads(shown_ones[0]["reply"])["pairs"][1]["told"] == ["Q1", "A"]


def test_two_passages_are_shown_as_two() -> None:
    (one,) = rendered(
        samples_of({"passage": "First </passage>", "passage_2": "2nd", "question": "Q", "answer": "A"}), "p", item
    )
    assert [p["text"] for p in one["passages"]] == ["First </passage>", "2nd"]
    assert one["passages"][0]["fence"].startswith("passage-")
    assert one["passages"][1]["fence"].startswith("passage_2")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_evidence_of_shipped_examples_stands_in_their_passages(name: str) -> None:
    pool = read(prompts.locate(name))
    assert len(pool) >= 6
    for sample in pool:
        assert sample.lineage.quotes
        for quote in sample.lineage.quotes:
            assert locate(quote.text, sample.source) == (quote.start, quote.end), quote.text
            assert sample.source[quote.start : quote.end] == quote.text  # verbatim, as the prompt demands


def test_the_pool_holds_what_can_be_shown(tmp_path: Path) -> None:
    everything = read(prompts.locate(SHIPPED[0]))
    assert pool_of(SHIPPED[0], GeneratorConfig(shots=0), []) == ()
    assert pool_of(SHIPPED[0], GeneratorConfig(shots=3), []) == tuple(everything[:3])
    assert pool_of(SHIPPED[0], GeneratorConfig(shots=3, selection="nearest"), []) == tuple(everything)
    file = tmp_path / "mine.jsonl"
    file.write_text('{"question": "Q", "answer": "A"}\n')
    assert [exchange(s) for s in pool_of(SHIPPED[0], GeneratorConfig(), read(file))] == [("Q", "A")]
    toolish = samples_of({"question": "Q", "answer": "A"})[0]
    silent = toolish.model_copy(update={"messages": toolish.messages[:1]})
    assert pool_of(SHIPPED[0], GeneratorConfig(), [silent, toolish]) == (toolish,)


@pytest.mark.parametrize(
    "line",
    [
        '{"question": "Q", "answer": "A", "evidence": [1]}',
        "{",
        "[]",
        '{"question": "Q"}',
        '{"question": 1, "answer": "A"}',
        '{"messages": []}',
        '{"messages": [{"role": "assistant", "content": "A"}]}',
        '{"messages": [{"role": "user", "content": "A"}, {"role": "assistant", "content": null}]}',
        '{"pairs": 3}',
        '{"pairs": [3]}',
        '{"passage": {}, "question": "Q", "answer": "A"}',
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"question": "Q", "answer": "A"}\n' + line + "\n")
    with pytest.raises(UsageError, match="Line 2"):
        read(file)


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xff\xfe"])
def test_a_file_without_examples_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(data)
    with pytest.raises(UsageError):
        read(file)
    with pytest.raises(UsageError, match="Could not read"):
        read(tmp_path / "none.jsonl")
