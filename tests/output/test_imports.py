"""Importing: every format that is exported and the simple ones, told apart by their fields; bad rows are named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.core.errors import UsageError
from datagen.core.record import Candidate, Lineage, Message, Rejected, Sample
from datagen.output import import_rows
from datagen.output.export import write_exports
from datagen.output.formats import FORMATS
from datagen.output.imports import Problem, read
from tests.output.made import a_sample
from tests.output.test_formats import CLOCK, WITH_TOOLS

ASKED = Message(role="user", content="Why?")
ANSWERED = Message(role="assistant", content="So.")


def put(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def one(tmp_path: Path, row: Any) -> Sample:
    found = list(read(put(tmp_path / "gold.jsonl", row)))
    assert len(found) == 1
    return found[0]


def why(tmp_path: Path, row: Any) -> str:
    problems: list[Problem] = []
    assert list(read(put(tmp_path / "gold.jsonl", row), problems.append)) == []
    assert [(p.path, p.line) for p in problems] == [("gold.jsonl", 1)]
    return problems[0].reason


@pytest.mark.parametrize("shard_rows", [0, 2])
@pytest.mark.parametrize("name", FORMATS)
def test_what_was_exported_is_read_again(name: str, shard_rows: int, tmp_path: Path) -> None:
    bad = Rejected(content="No.", flaw="negated", score=1.0)
    samples = [
        a_sample("Plain?", "Yes.", family="qa", metric="f1"),
        a_sample("Briefly?", "Yes.", rejected=bad, score=5.0),
        a_sample("Tested?", "Yes.", split="test", rejected=bad, score=5.0),
        a_sample("Valid?", "Yes.", split="valid"),
        a_sample(messages=WITH_TOOLS, tools=(CLOCK,)),
    ]
    export = tmp_path / "export"
    counts = write_exports(samples, {name: export}, shard_rows=shard_rows)[name]
    found = list(read(export))
    sft = sum(n for file, n in counts.items() if file.startswith("sft"))
    assert len(found) == sft + 2  # pairs, however many rows each has
    conversations = {str(s.messages): s for s in samples}
    for sample in found:
        assert sample.recipe == "gold"
        assert sample.lineage.model == "gold"
        assert sample.split == conversations[str(sample.messages)].split
        if sample.rejected:
            assert (sample.rejected.content, sample.rejected.flaw) == ("No.", "negated")
    # In trees the rejected replies stand beside the others, and in the preference files too.
    assert sum(s.rejected is not None for s in found) == {"ranked": 0, "oasst": 4}.get(name, 2)
    if name == "ranked":
        assert sum(s.ranked == (Candidate(content="Yes.", score=5), Candidate(content="No.", score=1)) for s in found)
    if name in ("messages", "parquet", "datasets", "sharegpt"):
        assert next(s for s in found if s.messages == WITH_TOOLS).tools == (CLOCK,)
    assert any((s.family, s.metric) == ("qa", "f1") for s in found)
    assert [s.id for s in read(export)] == [s.id for s in found]
    assert len({s.id for s in found}) == len(found)


def test_a_dataset_that_the_library_saved_is_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = [{"question": f"{i}?", "answer": "So."} for i in range(3)]
    made = datasets.DatasetDict(
        {"train": datasets.Dataset.from_list(rows), "test": datasets.Dataset.from_list(rows[:1])}
    )
    made.save_to_disk(str(tmp_path / "saved"))
    found = list(read(tmp_path / "saved"))
    assert sorted((s.split, s.messages[0].content) for s in found) == [
        ("test", "0?"), ("train", "0?"), ("train", "1?"), ("train", "2?"),
    ]  # fmt: skip


def test_questions_with_their_passage_and_evidence(tmp_path: Path) -> None:
    row = {"question": "Why?", "answer": "So.", "context": "It is so. So.", "evidence": ["is so", "elsewhere"]}
    sample = one(tmp_path, row | {"type": "reasoning", "scores": {"clarity": 4}, "score": 4})
    assert sample.messages == (ASKED, ANSWERED)
    assert sample.source == "It is so. So."
    assert [(q.text, q.start, q.end) for q in sample.lineage.quotes] == [("is so", 3, 8), ("elsewhere", 0, 0)]
    assert (sample.attributes, sample.scores, sample.score) == ({"type": "reasoning"}, {"clarity": 4.0}, 4.0)
    assert (sample.lineage.path, sample.lineage.end) == ("gold.jsonl", 13)


def test_pairs_of_a_passage(tmp_path: Path) -> None:
    pairs = [{"question": "Why?", "answer": "So.", "evidence": "is so"}, {"question": "What?", "answer": "It."}]
    found = list(read(put(tmp_path / "gold.jsonl", {"passage": "It is so.", "pairs": pairs})))
    assert [s.messages[0].content for s in found] == ["Why?", "What?"]
    assert [s.source for s in found] == ["It is so."] * 2
    assert [q.text for s in found for q in s.lineage.quotes] == ["is so"]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Why?"}]},
                      {"role": "assistant", "content": "So."}]},
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
        {"conversations": [{"from": "user", "value": "Why?"}, {"from": "assistant", "value": "So."}], "system": None},
        {"instruction": "Why?", "output": "So."},
        {"prompt": "Why?", "completion": "So."},
        {"prompt": [{"role": "user", "content": "Why?"}], "completion": [{"role": "assistant", "content": "So."}]},
        {"prompt": "Why?", "completion": "So.", "label": True},
        {"prompt": {"role": "prompter", "text": "Why?", "replies": [
            {"role": "assistant", "text": "No.", "rank": 1, "replies": []},
            {"role": "assistant", "text": "So.", "rank": 0, "replies": [{"role": "prompter", "text": "And?"}]}]}},
        {"prompt": "Why?", "responses": ["No.", "So."], "scores": [1, 2]},
        {"prompt": "Why?", "chosen": "So.", "rejected": "No."},
        {"prompt": "Why?", "chosen": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
         "rejected": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "No."}]},
        {"chosen": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
         "rejected": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "No."}]},
        {"prompt": "Why?", "chosen": [{"role": "assistant", "content": "So."}],
         "rejected": [{"role": "assistant", "content": "No."}]},
    ],
)  # fmt: skip
def test_other_peoples_rows(row: dict[str, Any], tmp_path: Path) -> None:
    sample = one(tmp_path, row)
    assert sample.messages == (ASKED, ANSWERED)
    assert (sample.rejected.content if sample.rejected else None) == ("No." if "rejected" in row else None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (7, "not a JSON object"),
        ({}, "no known form"),
        ({"text": "Hello."}, "no question"),
        ({"messages": []}, "no messages"),
        ({"messages": "hello"}, "no messages"),
        ({"messages": [{"role": "user", "content": "x"}]}, "assistant"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user"}, {"role": "assistant", "content": "x"}]}, "'content'"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": None}]}, "content"),
        ({"conversations": [{"from": "alien", "value": "x"}]}, "'alien'"),
        ({"conversations": [{"from": "function_call", "value": "{"}]}, ""),
        ({"question": "Why?", "answer": " "}, "answer is empty"),
        ({"question": "", "answer": "So."}, "question is empty"),
        ({"question": "Why?", "answer": "So.", "evidence": [1]}, "evidence"),
        ({"question": "Why?", "answer": "So.", "scores": {"a": "x"}}, "must be a number"),
        ({"question": "Why?", "answer": "So.", "score": 10**400}, "too large"),
        ({"question": "Why?", "answer": "So.", "score": float("nan")}, "finite"),
        ({"question": "Why?", "answer": "So.", "scores": {"a": float("inf")}}, "finite"),
        ({"prompt": "Why?", "responses": ["a", "b"], "scores": [float("nan"), 1]}, "finite"),
        ({"prompt": {"role": "prompter", "text": "Why?", "replies": [{"role": "assistant", "text": "So.",
          "rank": 10**400}]}}, "too large"),
        ({"passage": "p", "pairs": [1]}, "pairs"),
        ({"prompt": "Why?", "completion": "No.", "label": False}, "not liked"),
        ({"prompt": "Why?", "completion": "No.", "label": 1}, "label"),
        ({"prompt": "Why?", "responses": ["a", "b"], "scores": [1]}, ""),
        ({"prompt": "Why?", "responses": []}, ""),
        ({"prompt": {"role": "prompter", "text": "Why?"}}, "assistant"),
        ({"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
          "rejected": [{"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}, "different prompts"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_its_reason(row: Any, reason: str, tmp_path: Path) -> None:
    found = why(tmp_path, row)
    assert reason in found
    assert 0 < len(found) < 400
    with pytest.raises(UsageError, match=r"Line 1 of gold\.jsonl"):
        list(read(put(tmp_path / "gold.jsonl", row)))


leaves = st.none() | st.booleans() | st.integers() | st.sampled_from([10**400]) | st.floats() | st.text(max_size=4)
FIELDS = [
    "messages", "conversations", "prompt", "completion", "label", "chosen", "rejected", "responses", "scores", "text",
    "instruction", "output", "input", "history", "system", "question", "answer", "passage", "pairs", "evidence",
    "role", "content", "from", "value", "replies", "rank", "tool_calls", "function", "name", "arguments",
    "score", "id", "tools",
]  # fmt: skip
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=8))
def test_no_row_is_an_exception(row: dict[str, Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        problems: list[Problem] = []
        found = list(read(put(Path(folder) / "x.jsonl", row), problems.append))
        assert found or problems or row.get("pairs") == []
        for sample in found:
            Sample.model_validate(sample.model_dump())


def test_the_good_rows_of_a_bad_file_are_read_and_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    good = json.dumps({"question": "Why?", "answer": "So."}).encode()
    deep = b"[" * 100_000
    path.write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\n{bad\n\xff\xfe\n" + deep + b"\n" + good.replace(b"So", b"No"))
    problems: list[Problem] = []
    found = list(read(path, problems.append))
    assert [s.messages[1].content for s in found] == ["So.", "No."]
    assert [p.line for p in problems] == [3, 4, 5]
    assert "not JSON" in problems[0].reason
    assert "UTF-8" in problems[1].reason


def test_pairs_of_two_rows_find_each_other(tmp_path: Path) -> None:
    rows = [
        {"prompt": "A?", "completion": "bad", "label": False},
        {"prompt": "B?", "completion": "alone", "label": True},
        {"prompt": "A?", "completion": "good", "label": True},
        {"prompt": "C?", "completion": "unwanted", "label": False},
    ]
    problems: list[Problem] = []
    found = list(read(put(tmp_path / "kto.jsonl", *rows), problems.append))
    assert [(s.messages[1].content, s.rejected and s.rejected.content) for s in found] == [
        ("good", "bad"),
        ("alone", None),
    ]
    assert [p.line for p in problems] == [4]


def test_a_json_array_and_a_table(tmp_path: Path) -> None:
    rows = [{"question": "Why?", "answer": "So."}, {"question": "What?", "answer": "It.", "passage": "It is."}]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1))
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    first, second = (list(read(tmp_path / name)) for name in ("a.json", "a.parquet"))
    assert [s.messages for s in first] == [s.messages for s in second]
    assert [s.id for s in first] == [s.id for s in second], "an id depends on the content alone"
    problems: list[Problem] = []
    (tmp_path / "b.json").write_text(json.dumps([*rows, 3]))
    assert len(list(read(tmp_path / "b.json", problems.append))) == 2
    assert problems[0].line == 3


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("gold.jsonl", "train"),
        ("sft.valid.jsonl", "valid"),
        ("validation-00000-of-00001.jsonl", "valid"),
        ("my_test.jsonl", "test"),
        ("dev.jsonl", "valid"),
        ("contest.jsonl", "train"),
        ("attested.jsonl", "train"),
    ],
)
def test_the_file_name_says_the_split(name: str, split: str, tmp_path: Path) -> None:
    found = list(read(put(tmp_path / name, {"question": "Why?", "answer": "So."})))
    assert [s.split for s in found] == [split]


def test_the_same_row_twice_has_two_ids(tmp_path: Path) -> None:
    row = {"question": "Why?", "answer": "So."}
    found = list(read(put(tmp_path / "gold.jsonl", row, row, row)))
    assert len({s.id for s in found}) == 3
    assert found[0].id == one(tmp_path, row).id


def test_texts_are_samples_only_when_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path / "gold.jsonl", {"text": "Hello."})
    assert [s.messages for s in read(path, texts=True)] == [(Message(role="assistant", content="Hello."),)]


def test_a_fallback_reads_what_is_unknown_here(tmp_path: Path) -> None:
    def fallback(row: dict[str, Any]) -> list[Sample]:
        if "tasks" not in row:
            raise KeyError("tasks")
        lineage = Lineage(path="", sha256="", chunk="", start=0, end=1, model="x")
        return [a_sample(t, "So.", lineage=lineage.model_copy(update={"index": i})) for i, t in enumerate(row["tasks"])]

    problems: list[Problem] = []
    path = put(tmp_path / "test.jsonl", {"tasks": ["A", "B"]}, {"odd": 1}, {"question": "Why?", "answer": "So."})
    found = list(read(path, problems.append, fallback=fallback))
    assert [s.messages[0].content for s in found] == ["A", "B", "Why?"]
    assert {(s.recipe, s.split, s.lineage.path, s.lineage.model) for s in found} == {
        ("gold", "test", "test.jsonl", "gold")
    }
    assert [(p.line, "tasks" in p.reason) for p in problems] == [(2, True)]


def test_sizes_are_capped(tmp_path: Path, monkeypatch: Any) -> None:
    row = {"question": "Why?", "answer": "So."}
    monkeypatch.setattr(import_rows, "MAX_ROWS", 3)
    assert len(list(read(put(tmp_path / "a.jsonl", row, row, row)))) == 3
    with pytest.raises(UsageError, match="over 3 rows"):
        list(read(put(tmp_path / "a.jsonl", row, row, row, row)))
    monkeypatch.setattr(import_rows, "MAX_LINE", 50)
    with pytest.raises(UsageError, match="Line 2"):
        list(read(put(tmp_path / "a.jsonl", row, row | {"answer": "x" * 60})))
    monkeypatch.setattr(import_rows, "MAX_WHOLE", 10)
    (tmp_path / "a.json").write_text(json.dumps([row]))
    with pytest.raises(UsageError, match="too large"):
        list(read(tmp_path / "a.json"))


@pytest.mark.parametrize("nested", [False, True])
def test_a_small_table_of_much_text_is_refused_before_it_is_unfolded(
    nested: bool, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(import_rows, "MAX_TEXT", 1_000_000)
    text = "x" * 20_000
    said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": text}]
    rows = [{"messages": said}] * 99 if nested else [{"text": text}] * 99
    pl.DataFrame(rows[:40]).write_parquet(tmp_path / "x.parquet")
    assert len(list(read(tmp_path / "x.parquet", texts=True))) == 40
    pl.DataFrame(rows).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(UsageError, match="over 1 MB of text"):
        list(read(tmp_path / "x.parquet", texts=True))


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_a_compressed_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b'{"question": "Why?", "answer": "So."}\n'))
    with pytest.raises(UsageError, match="is compressed"):
        list(read(tmp_path / name))


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.json"])
def test_a_damaged_file_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"[PAR1 nonsense")
    with pytest.raises(UsageError, match=name):
        list(read(tmp_path / name))


def test_nothing_to_read_is_said_and_links_are_not_followed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        list(read(tmp_path / "missing"))
    outside = put(tmp_path / "secret.jsonl", {"question": "Why?", "answer": "So."})
    inside = tmp_path / "folder"
    inside.mkdir()
    (inside / "link.jsonl").symlink_to(outside)
    put(inside / "lineage.jsonl", {"id": "x"})
    with pytest.raises(UsageError, match="no JSONL"):
        list(read(inside))
