"""The arms of a proof, made from a run; and the judge that a comparison asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datagen import proving
from datagen.commands import compare, prove
from datagen.core.errors import UsageError
from datagen.finished import Finished
from datagen.llm import connect
from tests.fakeserver import fake_server
from tests.runs import datagen, rows, write_corpus
from training.compare import Duel, Ruling
from training.rows import read_pairs, read_sft

GOLD = [
    {"messages": [{"role": "user", "content": f"Ask {i}?"}, {"role": "assistant", "content": f"Answer {i}."}]}
    for i in range(3)
]
PREFERS_RIGHT = """
import json
def reply(payload, key):
    sent = (payload.get("response_format") or {}).get("json_schema") or {}
    if sent.get("name") != "preferred":
        return None
    told = "\\n".join(message["content"] for message in payload["messages"])
    if "UNREADABLE" in told or "no JSON at all" in told:  # also when it is asked to mend it
        return "no JSON at all"
    first = told.index("RIGHT") < told.index("WRONG") if "WRONG" in told else True
    return json.dumps({"explanation": "So.", "verdict": "first_better" if first else "second_better"})
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("proving")
    examples = root / "gold.jsonl"
    examples.write_text("".join(json.dumps(row) + "\n" for row in GOLD), encoding="utf-8")
    source = write_corpus(root / "docs", 12, sections=2)
    folder = root / "run"
    with fake_server(script=str(Path(__file__).with_name("flaw_judge.py"))) as server:
        done = datagen(
            "run", "--source", source, "--out", folder, "--base-url", server.url,
            "--set", f"generator.examples={examples}", "--set", "generator.preference.share=0.5",
            "--set", "generator.preference.ways={planted: 1}", "--set", "split.test=0.3", "--set", "judge.threshold=4",
        )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return folder


def test_each_arm_has_its_rows_and_none_of_a_test_document(run: Path, tmp_path: Path) -> None:
    found = proving.arms(run, tmp_path)
    assert list(found.folders) == list(proving.NAMES)
    assert found.left_out == {}
    samples = list(Finished(run).samples())
    held = {s.lineage.path for s in samples if s.split == "test"}
    assert held
    read = {name: read_sft(folder) for name, folder in found.folders.items()}
    for name, folder in found.folders.items():
        assert not read[name].test
        assert not read[name].valid
        assert not {row["document"]["path"] for row in rows(folder / "lineage.jsonl")} & held
    assert [row.messages[0]["content"] for row in read["gold"].train] == ["Ask 0?", "Ask 1?", "Ask 2?"]
    exported = {row["id"] for row in rows(run / "export" / "sft.train.jsonl")}
    assert {row.id for row in read["curated"].train} == exported
    assert {row.id for row in read["curated + DPO"].train} == exported
    raw = {row.id for row in read["raw"].train}
    rejected = {s.id for s in samples if s.verdict and s.split == "train" and s.recipe == "qa" and len(s.messages) > 1}
    assert rejected
    assert raw >= rejected | exported
    assert [len(read_pairs(folder).train) > 0 for folder in found.folders.values()] == [False, False, False, True]
    assert {row.id for row in read_pairs(found.folders["curated + DPO"]).train} == {
        row["id"] for row in rows(run / "export" / "preference.train.jsonl")
    }


def test_arms_are_the_same_bytes_again_and_only_those_asked_for(run: Path, tmp_path: Path) -> None:
    first = proving.arms(run, tmp_path / "a", ["curated"]).folders["curated"]
    again = proving.arms(run, tmp_path / "b", ["curated"]).folders["curated"]
    assert list((tmp_path / "a").iterdir()) == [first]
    assert (first / "sft.train.jsonl").read_bytes() == (again / "sft.train.jsonl").read_bytes()


def test_what_a_run_has_not_is_named(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 3)
    done = datagen("run", "--source", source, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    found = proving.arms(tmp_path / "run", tmp_path / "arms")
    assert list(found.folders) == ["raw", "curated"]
    assert "generator.examples" in found.left_out["gold"]
    assert "generator.preference.share" in found.left_out["curated + DPO"]
    with pytest.raises(UsageError, match="no run folder"):
        proving.arms(tmp_path / "nothing", tmp_path / "arms")
    with pytest.raises(UsageError, match="no arm 'other'"):
        prove.prove(tmp_path / "run", arm=["other"], seeds=1, steps=0, limit=0, max_tokens=1)


def test_documents_by_split(run: Path) -> None:
    held, whole = proving.documents(run, "test"), proving.documents(run)
    assert 0 < len(held) < len(whole) == 12


def test_the_judge_is_asked_in_both_orders(tmp_path: Path) -> None:
    script = tmp_path / "judge.py"
    script.write_text(PREFERS_RIGHT, encoding="utf-8")
    duels = [
        Duel("Which?", "WRONG", "RIGHT", "RIGHT it is"),
        Duel("Which?", "RIGHT", "WRONG", ""),
        Duel("Which?", "RIGHT", "RIGHT!", ""),
        Duel("Which?", "same", "same", ""),
        Duel("Which?", "UNREADABLE", "WRONG", ""),
    ]
    with fake_server(script=str(script)) as server:
        judge, name = compare._judge(tmp_path, tmp_path, True, None, server.url)
        assert judge is not None
        assert name
        try:
            said = judge(duels)
        finally:
            connect.close()
    assert said[1] == Ruling("a", True)
    assert said[2] == Ruling("tie", False)  # always the first: the orders contradict each other
    assert said[3] == Ruling("tie", True)
    assert said[4] is None


def test_nobody_is_asked_unless_it_is_wanted(tmp_path: Path) -> None:
    assert compare._judge(tmp_path, tmp_path, False, None, None) == (None, "")
    with pytest.raises(UsageError, match="is named and not asked"):
        compare._judge(tmp_path, tmp_path, False, "model", None)


def test_prompts_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text('One?\n\n{"prompt": "Two?"}\n{broken\n{"other": 1}\n', encoding="utf-8")
    assert compare._prompts(file) == ["One?", "Two?", "{broken"]
    for content in (b"", b"\xff\xfe\x00"):
        file.write_bytes(content)
        with pytest.raises(UsageError):
            compare._prompts(file)
    with pytest.raises(UsageError, match="cannot be read"):
        compare._prompts(tmp_path / "none.txt")
