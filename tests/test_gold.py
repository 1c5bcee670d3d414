"""Gold samples: shown as examples, exported as they are, never taken for made ones and never lost to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakeserver import fake_server
from tests.runs import datagen, ledger, rows, write_corpus

SHOWN = "How often must the boiler of the north wing be descaled each year?"
KEPT = "Which of the valves of the south wing may stay open at night?"
GOLD: list[dict[str, Any]] = [
    {"passage": "The boiler is descaled twice a year.", "question": SHOWN, "answer": "Twice a year."},
    {"messages": [{"role": "user", "content": KEPT}, {"role": "assistant", "content": "None of them may stay open."}]},
    {"instruction": "Name the three lamps on the panel of unit nine.", "input": "", "output": "Red, green and blue."},
]

COPYCAT = '''
"""A model that gives one of the gold questions as its own each time."""
import json, re

def reply(payload, key):
    name = ((payload.get("response_format") or {}).get("json_schema") or {}).get("name")
    if name != "qa":
        return None
    passage = re.findall(r"<(passage[\\w-]*)>\\n(.*?)\\n</\\1>", payload["messages"][-1]["content"], re.S)[-1][1]
    line = max(passage.split("\\n"), key=len)
    asked = [QUESTION, "What follows " + line[:40] + "?", "Why does " + line[8:60] + " hold?"]
    pairs = [{"type": "factual", "question": q, "answer": line, "evidence": [line]} for q in asked]
    return json.dumps({"pairs": pairs})
'''


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in GOLD), encoding="utf-8")
    return path


@pytest.mark.parametrize("question", [SHOWN, KEPT])
def test_gold_goes_through_and_its_copies_do_not(tmp_path: Path, gold: Path, question: str) -> None:
    script = tmp_path / "copycat.py"
    script.write_text(COPYCAT.replace("QUESTION", repr(question)), encoding="utf-8")
    source = write_corpus(tmp_path / "docs", 4)
    run = tmp_path / "run"
    with fake_server(script=str(script)) as server:
        command = (
            "run", "--source", source, "--out", run, "--base-url", server.url, "--set", "judge.threshold=1",
            "--set", f"generator.examples={gold}", "--set", "generator.gold=100", "--set", "generator.shots=3",
        )  # fmt: skip
        done = datagen(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        before = {p.name: p.read_bytes() for p in (run / "export").iterdir()}
        assert datagen(*command).returncode == 0
        assert {p.name: p.read_bytes() for p in (run / "export").iterdir()} == before
    counted = ledger(run)
    exported = rows(run / "export" / "sft.train.jsonl")
    marked = [row for row in exported if row["source"] == "gold"]
    assert [row["messages"][0]["content"] for row in marked] == [SHOWN, KEPT, GOLD[2]["instruction"]]
    assert marked[1]["messages"] == GOLD[1]["messages"]
    assert counted["rejected"]["copied_example"] >= 1
    made = [row for part in ("train", "valid", "test") for row in rows(run / "export" / f"sft.{part}.jsonl")]
    assert all(row["messages"][0]["content"] != question for row in made if row["source"] == "generated")
    assert any(row["source"] == "generated" for row in made)
    lineage = {row["id"]: row for row in rows(run / "export" / "lineage.jsonl")}
    assert all(lineage[row["id"]]["recipe"] == "gold" for row in marked)


def test_examples_are_shown_and_not_exported_unless_wanted(tmp_path: Path, gold: Path) -> None:
    source = write_corpus(tmp_path / "docs", 2)
    run = tmp_path / "run"
    with fake_server() as server:
        done = datagen(
            "run", "--source", source, "--out", run, "--base-url", server.url, "--set", "judge.threshold=1",
            "--set", f"generator.examples={gold}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    texts = "".join(p.read_text() for p in (run / "export").iterdir())
    assert SHOWN not in texts
    assert '"source": "gold"' not in texts


def test_gold_without_a_file_is_wrong_usage(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 1)
    done = datagen("run", "--source", source, "--out", tmp_path / "run", "--set", "generator.gold=5")
    assert done.returncode == 2
    assert "generator.examples" in done.stderr
