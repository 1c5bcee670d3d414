"""Rows of every format give the same conversations; a bad one costs one sentence with its file and line."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import rows_files
from training.errors import TrainingError
from training.rows import Pair, Row, read_pairs, read_sft

U, A = {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "She."}
S = {"role": "system", "content": "Be kind."}
GOOD: dict[str, Any] = {"id": "a", "messages": [U, A], "recipe": "qa", "family": "", "metric": ""}


def write(file: Path, *rows: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def one(folder: Path, row: Any) -> Row:
    return read_sft(write(folder / "rows.jsonl", row)).train[0]


def one_pair(folder: Path, *rows: Any) -> Pair:
    return read_pairs(write(folder / "rows.jsonl", *rows)).train[0]


def test_our_export_is_read_by_split(tmp_path: Path) -> None:
    write(tmp_path / "sft.train.jsonl", GOOD, {**GOOD, "id": "b", "family": "dates", "metric": "f1"})
    write(tmp_path / "sft.valid.jsonl", {**GOOD, "id": "c"})
    write(tmp_path / "sft.test.jsonl", {**GOOD, "id": "d"})
    write(tmp_path / "lineage.jsonl", {"id": "a"})
    write(
        tmp_path / "preference.train.jsonl",
        {"id": "p", "prompt": [U], "chosen": [A], "rejected": [{**A, "content": "He."}]},
    )
    found = read_sft(tmp_path)
    assert found.train[0] == Row("a", (U, A), "qa", "", "sft.train.jsonl:1")
    assert (found.train[1].family, found.train[1].metric, found.train[1].place) == ("dates", "f1", "sft.train.jsonl:2")
    assert [len(found.train), len(found.valid), len(found.test), len(found)] == [2, 1, 1, 4]
    assert [file.name for file in found.files] == ["sft.train.jsonl", "sft.valid.jsonl", "sft.test.jsonl"]
    pairs = read_pairs(tmp_path)
    assert pairs.train == (Pair("p", (U,), "She.", "He.", "", "preference.train.jsonl:1"),)


def test_a_run_is_read_through_its_export(tmp_path: Path) -> None:
    write(tmp_path / "export" / "sft.train.jsonl", GOOD)
    (tmp_path / "run.yaml").write_text("", encoding="utf-8")
    write(tmp_path / "events.jsonl", {})
    assert read_sft(tmp_path).train[0].id == "a"
    assert read_pairs(tmp_path).train == ()


def test_shards_are_read_in_order_and_a_missing_one_is_told(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path / f"sft.train-0000{n}-of-00003.jsonl", {**GOOD, "id": str(n)})
    found = read_sft(tmp_path)
    assert [row.id for row in found.train] == ["0", "1", "2"]
    assert found.train[1].place == "sft.train-00001-of-00003.jsonl:1"
    (tmp_path / "sft.train-00002-of-00003.jsonl").unlink()
    with pytest.raises(TrainingError, match=r"Shard 2 of the 3 of sft\.train is missing"):
        read_sft(tmp_path)


def test_parquet_is_read_as_jsonl_is(tmp_path: Path) -> None:
    rows = [GOOD, {**GOOD, "id": "b", "messages": [S, U, A, U, A]}]
    polars.DataFrame(rows).write_parquet(tmp_path / "sft.train.parquet")
    hub = tmp_path / "hub" / "sft"
    hub.mkdir(parents=True)
    polars.DataFrame(rows).write_parquet(hub / "train-00000-of-00001.parquet")
    polars.DataFrame(rows[:1]).write_parquet(hub / "validation-00000-of-00001.parquet")
    first, second = read_sft(tmp_path), read_sft(tmp_path / "hub")
    assert [r.messages for r in first.train] == [(U, A), (S, U, A, U, A)]
    assert [r.messages for r in second.train] == [r.messages for r in first.train]
    assert len(second.valid) == 1
    assert second.valid[0].place == "sft/validation-00000-of-00001.parquet:1"
    (tmp_path / "sft.train.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(TrainingError, match="no whole Parquet"):
        read_sft(tmp_path)


def test_other_names_say_the_split_and_pairs_are_told_from_conversations(tmp_path: Path) -> None:
    for name in ("train", "my-dev", "data_test", "validation", "more", "latest", "protest"):
        write(tmp_path / f"{name}.jsonl", {**GOOD, "id": name})
    write(tmp_path / "dpo.jsonl", {"prompt": "Who?", "chosen": "She.", "rejected": "He."})
    found = read_sft(tmp_path)
    assert {r.id for r in found.train} == {"train", "more", "latest", "protest"}
    assert {r.id for r in found.valid} == {"my-dev", "validation"}
    assert {r.id for r in found.test} == {"data_test"}
    assert [p.chosen for p in read_pairs(tmp_path).train] == ["She."]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [U, A]},
        {"messages": [{**U, "content": [{"type": "text", "text": "Wh"}, {"type": "text", "text": "o?"}]}, A]},
        {"prompt": "Who?", "completion": "She."},
        {"prompt": [U], "completion": [A]},
        {"prompt": [U], "completion": "She."},
        {"instruction": "Who?", "input": "", "output": "She."},
        {"instruction": "Who?", "output": "She."},
        {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "She."}]},
        {"conversations": [U, A]},
        {"messages": [U, A], "tools": []},
        {"messages": None, "prompt": "Who?", "completion": "She."},
    ],
)
def test_formats_of_conversations_give_the_same(tmp_path: Path, row: Any) -> None:
    assert one(tmp_path, row).messages == (U, A)


def test_system_messages_earlier_turns_and_inputs(tmp_path: Path) -> None:
    alpaca = {
        "instruction": "Who",
        "input": "is it?",
        "output": "She.",
        "system": "Be kind.",
        "history": [["Who?", "She."]],
    }
    told = {"role": "user", "content": "Who\nis it?"}
    assert one(tmp_path, alpaca).messages == (S, U, A, told, A)
    share = {
        "system": "Be kind.",
        "conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "She."}],
    }
    assert one(tmp_path, share).messages == (S, U, A)
    assert one(tmp_path, {"messages": [{**S, "role": "developer"}, U, A]}).messages == (S, U, A)
    assert one(tmp_path, {"id": 7, "messages": [S, U, A, U, A]}).id == "7"


DPO = {"prompt": [U], "chosen": [A], "rejected": [{**A, "content": "He."}]}


@pytest.mark.parametrize(
    "row",
    [
        DPO,
        {**DPO, "chosen": A, "rejected": {**A, "content": "He."}},
        {"prompt": "Who?", "chosen": "She.", "rejected": "He."},
        {"chosen": [U, A], "rejected": [U, {**A, "content": "He."}]},
        {"prompt": "Who?", "chosen": [U, A], "rejected": [U, {**A, "content": "He."}]},
        {"prompt": [U], "chosen": [U, A], "rejected": [U, {**A, "content": "He."}]},
        {"instruction": "Who?", "input": "", "chosen": "She.", "rejected": "He."},
        {"conversations": [{"from": "human", "value": "Who?"}], "chosen": {"from": "gpt", "value": "She."},
         "rejected": {"from": "gpt", "value": "He."}},
        {"prompt": [U], "responses": ["She.", "It.", "He."], "scores": [5, 3, 1]},
        {"prompt": [U], "responses": ["It.", "He.", "She."], "scores": [3.0, 1.5, 4]},
        {"prompt": "Who?", "responses": ["She.", "It.", "He."], "scores": [None, None, None]},
        {"prompt": "Who?", "responses": ["She.", "He."]},
    ],
)  # fmt: skip
def test_formats_of_pairs_give_the_same(tmp_path: Path, row: Any) -> None:
    pair = one_pair(tmp_path, row)
    assert (pair.prompt, pair.chosen, pair.rejected) == ((U,), "She.", "He.")


def test_a_prompt_of_several_turns(tmp_path: Path) -> None:
    pair = one_pair(tmp_path, {**DPO, "prompt": [S, U, A, U]})
    assert pair.prompt == (S, U, A, U)


def test_unpaired_replies_meet_by_prompt_and_the_rest_is_said(tmp_path: Path) -> None:
    def kto(prompt: str, text: str, label: bool) -> dict[str, Any]:
        return {"prompt": [{**U, "content": prompt}], "completion": [{**A, "content": text}], "label": label}

    rows = [
        kto("a", "a+", True),
        kto("b", "b-", False),
        kto("a", "a-", False),
        kto("b", "b+", True),
        kto("c", "c+", True),
    ]
    found = read_pairs(write(tmp_path / "kto.jsonl", *rows))
    assert [(p.chosen, p.rejected) for p in found.train] == [("a+", "a-"), ("b+", "b-")]
    assert found.notes == ("kto.jsonl: 1 replies without a counterpart to compare are left out.",)
    equal = {"prompt": "Who?", "responses": ["She.", "He."], "scores": [3, 3]}
    found = read_pairs(write(tmp_path / "ranked.jsonl", equal, {**equal, "scores": [1, 2]}))
    assert [(p.chosen, p.rejected) for p in found.train] == [("He.", "She.")]
    assert "same score" in found.notes[0]
    with pytest.raises(TrainingError, match="has no pairs"):
        read_pairs(write(tmp_path / "liked.jsonl", kto("a", "a+", True)))


X = {"role": "user", "content": "x"}


def messages(*turns: Any) -> bytes:
    return json.dumps({"messages": turns}).encode()


BAD_LINES = [
    (b'{"messages": [', "bad JSON: Expecting value at column 15"),
    (b'{"messages": NULL}', "bad JSON"),
    (b"[1, 2]", "a list where an object"),
    (b"7", "a number where an object"),
    (b'"\xff"', "not UTF-8"),
    (b"[" * 100_000, "bad JSON"),
    (b'{"a": ' + b"9" * 10_000 + b"}", "bad JSON"),
    (b'{"text": "only this"}', "no known format"),
    (b"{}", "no known format"),
    (b'{"messages": []}', "no list of turns"),
    (b'{"messages": "Who?"}', "no list of turns"),
    (b'{"messages": ["Who?"]}', r"messages\[0\] is a text"),
    (messages({"role": "user", "content": 7}, {"role": "assistant", "content": "She."}), "is a number where text"),
    (messages({"role": "user", "content": None}, {"role": "assistant", "content": "x"}), "is missing where text"),
    (messages({"role": "king", "content": "x"}, {"role": "assistant", "content": "x"}), "role of .* is 'king'"),
    (b'{"messages": [{"role": 7, "content": "x"}]}', "role of .* is a number"),
    (b'{"messages": [{"role": "user", "content": "x"}]}', "last turn is by the user"),
    (b'{"messages": [{"role": "assistant", "content": "x"}]}', "speaks before any user"),
    (messages(X, {"role": "assistant", "content": " \n"}), "of the assistant. is empty"),
    (messages({"role": "user", "content": ""}, {"role": "assistant", "content": "x"}), "of the user. is empty"),
    (messages(X, {"role": "system", "content": "x"}), "not the first"),
    (messages(X, {"role": "assistant", "content": "\ud83d"}), "ud83d"),
    (b'{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', "other than text"),
    (b'{"id": ["x"], "prompt": "x", "completion": "x"}', "id is a list where text"),
    (b'{"family": 7, "prompt": "x", "completion": "x"}', "family is a number where text"),
    (b'{"prompt": "x", "completion": 7}', "completion is no list"),
    (b'{"instruction": "x", "output": "x", "history": [["x"]]}', "no pair"),
    (b'{"instruction": "x", "output": "x", "history": 7}', "no list"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "fault"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_one_sentence_with_its_place(tmp_path: Path, line: bytes, fault: str) -> None:
    file = tmp_path / "sft.train.jsonl"
    good = json.dumps(GOOD).encode()
    file.write_bytes(b"\n".join([good] * 5 + [b"", line, good]) + b"\n")
    with pytest.raises(TrainingError, match=fault) as bad:
        read_sft(tmp_path)
    assert bad.value.what.startswith("sft.train.jsonl cannot be read: line 7, ")
    assert str(file) in bad.value.fix
    assert "datagen export" in bad.value.fix
    assert len(str(bad.value)) < 700


BAD_PAIRS: list[tuple[Any, str]] = [
    ({"prompt": "x"}, "no known format"),
    ({"chosen": "x", "rejected": "y"}, "no prompt"),
    ({"prompt": "x", "chosen": "x", "rejected": ""}, "a reply is empty"),
    ({"prompt": "x", "chosen": "x", "rejected": 7}, "rejected is no list"),
    ({"prompt": "", "chosen": "x", "rejected": "y"}, "is empty"),
    ({"prompt": [A], "chosen": "x", "rejected": "y"}, "last turn is by the assistant"),
    ({"chosen": [U, A], "rejected": [{**U, "content": "What?"}, A]}, "different prompts"),
    ({"prompt": "x", "chosen": [U], "rejected": [A]}, "chosen ends with a turn of the user"),
    ({"prompt": "x", "completion": "x", "label": 1}, "neither true nor false"),
    ({"completion": "x", "label": True}, "no prompt"),
    ({"prompt": "x", "responses": ["x"]}, "no list of two"),
    ({"prompt": "x", "responses": ["x", 7]}, "a number where text"),
    ({"prompt": "x", "responses": ["x", "y"], "scores": [1]}, "one a reply"),
    ({"prompt": "x", "responses": ["x", "y"], "scores": [1, "2"]}, "one a reply"),
    ({"prompt": "x", "chosen": "x", "rejected": "\ud83d"}, "ud83d"),
]


@pytest.mark.parametrize(("row", "fault"), BAD_PAIRS, ids=range(len(BAD_PAIRS)))
def test_a_bad_pair_is_one_sentence_with_its_place(tmp_path: Path, row: Any, fault: str) -> None:
    write(tmp_path / "preference.train.jsonl", DPO, row)
    with pytest.raises(TrainingError, match=fault) as bad:
        read_pairs(tmp_path)
    assert "preference.train.jsonl cannot be read: line 2, " in bad.value.what
    assert "--format dpo" in bad.value.fix


def test_calls_of_tools_are_left_out_and_said(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"type": "function"}]}
    rows = [
        {"messages": [U, call, {"role": "tool", "content": "7"}, A]},
        {"messages": [U, A], "tools": [{"type": "function"}]},
        {"conversations": [{"from": "human", "value": "x"}, {"from": "function_call", "value": "{}"}]},
    ]
    found = read_sft(write(tmp_path / "sft.train.jsonl", *rows, GOOD))
    assert [r.id for r in found.train] == ["a"]
    assert found.notes == ("sft.train.jsonl: 3 rows with calls of tools are left out, for only texts are trained.",)
    with pytest.raises(TrainingError, match="calls of tools"):
        read_sft(write(tmp_path / "sft.train.jsonl", *rows))
    pairs = read_pairs(write(tmp_path / "pairs.jsonl", {**DPO, "prompt": [U, call, U]}, DPO))
    assert (len(pairs), "calls of tools" in pairs.notes[0]) == (1, True)


def test_parquet_cut_or_changed_anywhere_is_one_error(tmp_path: Path) -> None:
    file = tmp_path / "sft.train.parquet"
    polars.DataFrame([GOOD] * 20).write_parquet(file)
    whole = file.read_bytes()
    draw = random.Random(0)
    for at in range(60):
        data = bytearray(whole)
        for _ in range(draw.choice((1, 20))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        file.write_bytes(bytes(data) if at % 2 else whole[: draw.randrange(len(whole))])
        with contextlib.suppress(TrainingError):
            read_sft(tmp_path)


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(TrainingError, match="Permission denied"):
        read_sft(tmp_path)


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_files, "MAX_LINE", 2**20)
    file = write(tmp_path / "sft.train.jsonl", GOOD)
    with file.open("ab") as more:
        more.write(b'{"messages": "' + b"x" * 2**20)
    with pytest.raises(TrainingError, match="line 2, it is longer than 1 MiB"):
        read_sft(tmp_path)


def test_a_byte_order_mark_and_odd_ends_are_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    line = json.dumps(GOOD).encode()
    file.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line)
    assert [r.place for r in read_sft(file).train] == ["rows.jsonl:1", "rows.jsonl:3"]


def test_an_array_in_a_json_file(tmp_path: Path) -> None:
    file = tmp_path / "alpaca.json"
    file.write_text(json.dumps([{"instruction": "Who?", "output": "She."}] * 2, indent=1), encoding="utf-8")
    assert [(r.messages, r.place) for r in read_sft(file).train] == [((U, A), f"alpaca.json:{n}") for n in (1, 2)]
    file.write_text("[{", encoding="utf-8")
    with pytest.raises(TrainingError, match="no whole JSON array"):
        read_sft(file)
    file.write_text("[{}, 7]", encoding="utf-8")
    with pytest.raises(TrainingError, match="line 1, it is of no known format"):
        read_sft(file)
    write(file, GOOD)
    assert len(read_sft(file).train) == 1


@pytest.mark.parametrize(
    ("files", "fault", "command"),
    [
        ([], "is not an export", "datagen run --source"),
        (["notes.txt"], "is not an export", "datagen export RUN"),
        (["run.yaml", "events.jsonl"], "has no export", "datagen run --out"),
        (["run.yaml", "export/README.md"], "is not an export", "datagen run"),
        (["sft.train.jsonl"], "has no train rows", "datagen report RUN"),
        (["sft.train.jsonl", "sft.valid.jsonl"], "has no train rows", "datagen report RUN"),
        (["sft.valid.jsonl"], "has no train rows", "datagen export RUN"),
        (["lineage.jsonl"], "is not an export", "datagen export RUN"),
    ],
)
def test_a_folder_without_train_rows_is_one_sentence(
    tmp_path: Path, files: list[str], fault: str, command: str
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    with pytest.raises(TrainingError, match=fault) as bad:
        read_sft(tmp_path)
    assert command in bad.value.fix


def test_pairs_alone_are_no_train_rows(tmp_path: Path) -> None:
    write(tmp_path / "preference.train.jsonl", DPO)
    with pytest.raises(TrainingError, match="no train rows"):
        read_sft(tmp_path)
    assert len(read_pairs(tmp_path)) == 1


def test_what_is_not_there_or_no_data(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="There is no") as bad:
        read_sft(tmp_path / "none")
    assert "datagen run" in bad.value.fix
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(TrainingError, match="no file of rows"):
        read_sft(tmp_path / "model.bin")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "type", "text", "user", "assistant"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
FIELDS = [
    "id", "messages", "conversations", "prompt", "completion", "label", "chosen", "rejected", "instruction", "input",
    "output", "history", "system", "responses", "scores", "tools", "family", "recipe", "metric",
]  # fmt: skip
turns = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": json_values}),
    max_size=4,
)


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), json_values | turns, max_size=6), min_size=1, max_size=3))
def test_no_row_escapes_as_another_error(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    for part, read in (("sft", read_sft), ("preference", read_pairs)):
        write(folder / f"{part}.train.jsonl", *rows)
        try:
            found = read(folder)
        except TrainingError:
            continue
        assert len(found) <= len(rows)


@given(st.binary(max_size=200))
def test_no_bytes_escape_as_another_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("rows")
    for name in ("sft.train.jsonl", "sft.train.parquet"):
        (folder / name).write_bytes(data)
        with pytest.raises(TrainingError):
            read_sft(folder)
        (folder / name).unlink()
