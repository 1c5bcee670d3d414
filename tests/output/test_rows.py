"""Rows of every form: their texts are found, can be replaced, and no byte of a row is lost."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.errors import StoppedEarly
from datagen.core.record import Audit, Message, Rejected, Sample, Verdict
from datagen.output import row_files, rows
from datagen.output.curated import Curated, with_verdict
from datagen.output.formats import FORMATS
from datagen.output.row_files import stretches
from datagen.output.row_texts import slots, with_texts
from datagen.output.rows import ReadRows, rewritten
from tests.output.made import a_sample
from tests.output.test_formats import WITH_TOOLS

ROWS: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "messages": (
        {"messages": [{"role": "developer", "content": "Be"}, {"role": "user", "content": [{"text": "a"}, {"x": 1}]}]},
        [("system", "message", "Be"), ("user", "message", "a")],
    ),
    "tools": (
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": "{}"}}]},
                      {"role": "tool", "content": "12"}]},
        [("assistant", "other", "{}"), ("tool", "message", "12")],
    ),
    "sharegpt": (
        {"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        [("system", "message", "s"), ("user", "message", "q"), ("assistant", "message", "a")],
    ),
    "alpaca": (
        {"instruction": "i", "input": "", "output": "o", "history": [["q", "a"]]},
        [("user", "message", "q"), ("assistant", "message", "a"), ("user", "message", "i"),
         ("assistant", "message", "o")],
    ),
    "dpo": (
        {"prompt": [{"role": "user", "content": "q"}], "chosen": [{"role": "assistant", "content": "c"}],
         "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}]},
        [("user", "message", "q"), ("assistant", "message", "c"), ("user", "other", "q"),
         ("assistant", "rejected", "r")],
    ),
    "dpo-plain": (
        {"prompt": "q", "chosen": "c", "rejected": "r"},
        [("user", "message", "q"), ("assistant", "message", "c"), ("assistant", "rejected", "r")],
    ),
    "kto": (
        {"prompt": "q", "completion": "c", "label": True},
        [("user", "message", "q"), ("assistant", "message", "c")],
    ),
    "ranked": (
        {"prompt": "q", "responses": ["best", {"content": "worse"}]},
        [("user", "message", "q"), ("assistant", "message", "best"), ("assistant", "other", "worse")],
    ),
    "oasst": (
        {"prompt": {"role": "prompter", "text": "q", "replies": [{"role": "assistant", "text": "a"}]}},
        [("user", "message", "q"), ("assistant", "message", "a")],
    ),
    "pairs": (
        {"passage": "p", "pairs": [{"question": "q", "answer": "a", "evidence": "p"}]},
        [("user", "source", "p"), ("user", "message", "q"), ("assistant", "message", "a"), ("user", "other", "p")],
    ),
    "question": (
        {"question": "q", "answer": "a", "context": "p"},
        [("user", "source", "p"), ("user", "message", "q"), ("assistant", "message", "a")],
    ),
    "text": ({"text": "t"}, [("assistant", "message", "t")]),
    "content": ({"content": "t"}, [("assistant", "message", "t")]),
    "pairs by question": (
        {"system": "s", "question": "q", "chosen": "c", "rejected": "r"},
        [("system", "message", "s"), ("user", "message", "q"), ("assistant", "message", "c"),
         ("assistant", "rejected", "r")],
    ),
    "about a context": (
        {"instruction": "i", "context": "p", "response": "o"},
        [("user", "source", "p"), ("user", "message", "i"), ("assistant", "message", "o")],
    ),
    "several passages": (
        {"passage": "p", "context": {"title": ["t"], "texts": [["x", "y"]]}, "query": "q", "response": "a"},
        [("user", "source", "p"), ("user", "other", "t"), ("user", "other", "x"), ("user", "other", "y"),
         ("user", "message", "q"), ("assistant", "message", "a")],
    ),
    "said twice": (
        {"prompt": "q", "messages": [{"role": "user", "content": "q"}], "text": "### q"},
        [("user", "message", "q"), ("user", "other", "q"), ("user", "other", "### q")],
    ),
    "thoughts": (
        {"messages": [{"role": "assistant", "reasoning_content": "hm", "content": ["a", {"thinking": "b"}],
                       "function_call": {"arguments": {"to": ["c"]}}}]},
        [("assistant", "message", "hm"), ("assistant", "message", "a"), ("assistant", "message", "b"),
         ("assistant", "other", "c")],
    ),
}  # fmt: skip


def put(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines))
    return path


def read(path: Path, work: Path, *fields: str) -> list[Sample]:
    found = ReadRows(fields).run(stretches([path], work))
    assert all(isinstance(s, Sample) for s in found)
    return [s for s in found if isinstance(s, Sample)]


@pytest.mark.parametrize("form", ROWS)
def test_the_texts_of_each_form_are_found_in_order(form: str) -> None:
    row, expected = ROWS[form]
    assert [(s.role, s.kind, s.text) for s in slots(row)] == expected


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_said_in_an_exported_row_is_overlooked(name: str) -> None:
    pair = a_sample("Question?", "Chosen.", rejected=Rejected(content="Rejected.", flaw="negated", score=1.0), score=5)
    sample = pair if FORMATS[name].part == "preference" else a_sample("Question?", "Chosen.")
    if FORMATS[name].merged:
        row: Any = {"prompt": {"text": "Question?", "role": "prompter", "replies": [{"text": "Chosen."}]}}
        found = {s.text for s in slots(row)}
    else:
        found = {s.text for row in FORMATS[name].to_rows(sample) for s in slots(row)}
    wanted = {m.content for m in sample.messages} | ({"Rejected."} if sample.rejected else set())
    assert wanted <= found


def test_tool_calls_are_texts_too() -> None:
    (row,) = FORMATS["messages"].to_rows(a_sample(messages=WITH_TOOLS))
    assert [s.text for s in slots(row)] == ["What time is it?", "", "{}", "12:00", "Noon."]


@pytest.mark.parametrize("form", ROWS)
def test_other_texts_are_put_where_they_stood(form: str) -> None:
    row, _ = ROWS[form]
    before = json.dumps(row)
    changed = with_texts(row, {s.path: s.text + "!" for s in slots(row)})
    assert [s.text for s in slots(changed)] == [s.text + "!" for s in slots(row)]
    assert json.dumps(row) == before


def test_fields_can_be_named(tmp_path: Path) -> None:
    path = put(
        tmp_path / "a.jsonl", b'{"ask": "q", "note": 1, "reply": "a"}', b'{"other": "q"}', b'{"ask": ["p", 5, "q"]}'
    )
    good, bad, several = read(path, tmp_path, "ask", "reply")
    assert [m.content for m in several.messages] == ["p", "q"]
    assert [(m.role, m.content) for m in good.messages] == [("user", "q"), ("assistant", "a")]
    assert bad.verdict is not None
    assert "fields are other" in bad.verdict.evidence


NAMES = (
    "messages role content prompt text replies chosen rejected conversations value instruction output input history "
    "responses pairs passage tool_calls function"
).split()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["messages", "prompt", "chosen", "rejected", "text", "pairs"]), values))
def test_no_row_is_an_exception_but_a_value_error(row: dict[str, Any]) -> None:
    try:
        found = slots(row)
    except ValueError:
        return
    again = with_texts(row, {s.path: s.text for s in found})
    assert json.dumps(again) == json.dumps(row)


def test_nesting_without_end_is_refused() -> None:
    deep: dict[str, Any] = {"text": "t"}
    for _ in range(1000):
        deep = {"text": "t", "replies": [deep]}
    with pytest.raises(ValueError, match="nested"):
        slots({"prompt": deep})
    with pytest.raises(ValueError, match="texts"):
        slots({"messages": [{"role": "user", "content": "x"}] * 20_000})


@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b" ").replace(b"\r", b" ")), max_size=30))
def test_lines_of_any_bytes_are_all_accounted_for(lines: list[bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder) / "a.jsonl", b"{}", *lines)  # else it may look like an array, or packed
        data = path.read_bytes()
        found = read(path, Path(folder))
        starts = [s.lineage.start for s in found]
        assert starts == sorted(set(starts))
        said = [data[s.lineage.start : s.lineage.end] for s in found]
        bare = [line.removeprefix(b"\xef\xbb\xbf") for line in data.split(b"\n")]
        assert said == [line for line in bare if line.strip()]


def test_stretches_cut_at_line_ends_and_count_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_files, "STRETCH", 100)
    lines = [json.dumps({"text": "x" * (n * 7 % 90)}).encode() for n in range(200)]
    path = put(tmp_path / "a.jsonl", *lines[:50], b"", *lines[50:])
    found = stretches([path], tmp_path)
    assert len(found) > 50
    assert [f.end for f in found[:-1]] == [f.start for f in found[1:]]
    samples = [s for f in found for s in ReadRows().run([f]) if isinstance(s, Sample)]
    texts = [json.loads(line)["text"] for line in lines]
    assert [s.messages[0].content for s in samples if not s.verdict] == [text for text in texts if text]
    assert [s.id for s in samples][-1] == "a.jsonl:201"


def test_a_line_over_the_limit_is_rejected_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_LINE", 1000)
    path = put(tmp_path / "a.jsonl", b'{"text": "a"}', b'{"text": "' + b"x" * 5000 + b'"}', b'{"text": "b"}', b"")
    first, long, last = read(path, tmp_path)
    assert (first.verdict, last.verdict) == (None, None)
    assert long.verdict is not None
    assert "in one line" in long.verdict.evidence
    assert path.read_bytes()[long.lineage.start : long.lineage.end] == b'{"text": "' + b"x" * 5000 + b'"}'


def test_a_row_is_rewritten_only_where_a_text_differs(tmp_path: Path) -> None:
    line = b'{"prompt":"q \\ud800","chosen":"c","rejected":"r", "n":  1.50}'
    (sample,) = read(put(tmp_path / "a.jsonl", line), tmp_path)
    assert rewritten(line, sample) == line
    other = sample.model_copy(
        update={"messages": (sample.messages[0], Message(role="assistant", content="<NAME>")),
                "rejected": Rejected(content="<CITY>", flaw="")}
    )  # fmt: skip
    assert json.loads(rewritten(line, other)) == json.loads(line) | {"chosen": "<NAME>", "rejected": "<CITY>"}


def test_rejected_rows_can_be_recovered_byte_for_byte(tmp_path: Path) -> None:
    lines = [b'{"text" :"a" , "n": 1.50 }', b"{}", b"no json", b"\xff\xfe", b"[1]", b'{"text": "b"}']
    path = put(tmp_path / "a.jsonl", *lines)
    samples = [
        s if s.verdict else s.model_copy(update={"verdict": Verdict(stage="t", reason="bad", evidence="e")})
        for s in read(path, tmp_path)
    ]
    back = []
    for sample, line in zip(samples, lines, strict=True):
        row = json.loads(with_verdict(sample, line))
        told = row.pop("verdict")
        assert told["row"] == sample.id
        if "line" in row:
            back.append(row["line"].encode())
        elif "line_base64" in row:
            back.append(base64.b64decode(row["line_base64"]))
        else:
            back.append(with_verdict(sample, line).rpartition(b', "verdict": ')[0] + b"}")
    assert back == lines


def test_kept_rows_are_written_as_they_came(tmp_path: Path) -> None:
    lines = [b'\xef\xbb\xbf{"text" :  "a"}\r', b"", b'{"text":"b","z":1e400}', b'{"text":"c"}']
    samples = read(put(tmp_path / "a.jsonl", *lines), tmp_path)
    found = Audit(stage="pii", kind="NAME", action="redact", count=1, example="c\u2022\u2022")
    samples[2] = samples[2].model_copy(update={"audits": (found,), "messages": (Message(role="user", content="<X>"),)})
    curated = Curated()
    curated.write(samples, {"a.jsonl": str(tmp_path / "a.jsonl")}, tmp_path)
    assert (tmp_path / "kept.jsonl").read_bytes() == b'{"text" :  "a"}\n{"text":"b","z":1e400}\n{"text": "<X>"}\n'
    report = curated.report()
    assert (report["rows"], report["kept"], report["changed"], report["adds_up"]) == (3, 3, 1, True)
    shown = {"stage": "pii", "kind": "NAME", "action": "redact", "count": 1, "example": "c••"}
    assert report["audits"] == [{"unit": "rows", **shown}]


def test_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    line = b'{"text": "\\u0023 a", "n": [1e400, 0.12345678901234567890123, -0, 1E5, NaN, 12345678901234567, "1e4"]}'
    (sample,) = read(put(tmp_path / "a.jsonl", line), tmp_path)
    changed = rewritten(line, sample.model_copy(update={"messages": (Message(role="user", content="<X>"),)}))
    assert changed == line.replace(b"\\u0023 a", b"<X>")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "a"}'.encode("utf-16"), "not UTF-8"),
        ('{"text": "a"}'.encode("utf-16-le"), "not JSON"),
        ('{"text": "a"}'.encode("utf-32-be"), "not JSON"),
        (b'{"text": "a", "text": "b"}', "'text' twice"),
        (b'{"text": "a", "m": [{"k": 1, "k": 2}]}', "'k' twice"),
        (b'{"text": "a", "m": ' + b"[" * 450 + b"]" * 450 + b"}", "deeply nested"),
        (b'{"text": "a", "m": ' + b"[" * 90_000 + b"]" * 90_000 + b"}", "deeply nested"),
    ],
)
def test_what_readers_could_take_for_another_row_is_refused(line: bytes, said: str, tmp_path: Path) -> None:
    (sample,) = read(put(tmp_path / "a.jsonl", line), tmp_path)
    assert sample.verdict is not None
    assert said in sample.verdict.evidence


def test_deep_rows_and_rows_rejected_twice_can_be_rewritten(tmp_path: Path) -> None:
    line = b'{"text": "a", "m": ' + b"[" * 390 + b"]" * 390 + b', "verdict": 1, "verdict": 2}'
    (sample,) = read(put(tmp_path / "a.jsonl", line), tmp_path)
    assert sample.verdict is None
    changed = sample.model_copy(update={"messages": (Message(role="user", content="<X>"),)})

    def deeper(calls: int) -> bytes:
        return deeper(calls - 1) if calls else rewritten(line, changed)

    assert json.loads(deeper(150))["text"] == "<X>"


def test_a_file_that_changed_meanwhile_is_not_read_on(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", b'{"text": "a"}')
    files = stretches([path], tmp_path)
    put(path, b'{"text": "b"}')
    with pytest.raises(StoppedEarly, match="has changed"):
        ReadRows().run(files)
