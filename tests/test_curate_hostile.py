"""``datagen curate`` on what a hostile or a clumsy user gives it: nothing is lost, or shown in clear."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runs import datagen
from tests.test_curate import lines, put, row

MAIL = "eva.long@nordmail.se"


def curated(path: Path, out: Path, *args: str | Path) -> dict[str, Any]:
    """The report of a curation."""
    done = datagen("curate", path, "--out", out, "--json", *args)
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["adds_up"]
    return report


@pytest.mark.parametrize(
    ("form", "compare"),
    [
        (lambda i: {"chosen": f"Long answer {row(i)['output']}", "rejected": "No."}, "instruction"),
        (lambda i: {"messages": [{"role": "assistant", "content": row(i)["output"]}]}, "instruction"),
        (lambda i: {"prompt": row(i)["instruction"]}, "answer"),
    ],
)
def test_rows_in_which_nobody_asks_or_answers_are_no_copies(
    form: Callable[[int], dict[str, Any]], compare: str, tmp_path: Path
) -> None:
    path = put(tmp_path / "a.jsonl", [form(i % 20) for i in range(25)])
    report = curated(path, tmp_path / "out", "--only", "dedupe", "--set", f"curation.dedupe.compare={compare}")
    assert (report["kept"], report["rejected"]) == (20, {"duplicate": 5})


def test_personal_data_goes_wherever_a_text_stands(tmp_path: Path) -> None:
    said = f"Please write to {MAIL} today"
    turn = {"role": "user", "content": said}
    call = {"name": "f", "arguments": {"to": [said]}}
    rows: list[dict[str, Any]] = [
        {"question": said, "answer": "a", "passage": said, "context": said},
        {"prompt": said, "messages": [turn], "text": said},
        {"prompt": "p", "chosen": [turn], "rejected": [turn], "messages": [turn]},
        {"messages": [turn, {"role": "assistant", "reasoning_content": said, "tool_calls": [{"function": call}]}]},
        {"messages": [turn, {"role": "assistant", "content": [said], "function_call": call}], "system": said},
        {"system_prompt": said, "query": said, "response": said},
        {"instruction": said, "input": said, "output": [said], "responses": [said]},
    ]
    report = curated(put(tmp_path / "a.jsonl", rows), tmp_path / "out", "--only", "pii")
    assert (report["kept"], report["changed"]) == (len(rows), len(rows))
    for file in ("kept.jsonl", "report.json", ".work/events.jsonl"):
        assert MAIL not in (tmp_path / "out" / file).read_text(encoding="utf-8")
    assert lines(tmp_path / "out/kept.jsonl") == [json.dumps(r).replace(MAIL, "<EMAIL_ADDRESS>") for r in rows]


@pytest.mark.parametrize("named", [(), ("--field", "text")])
def test_plain_texts_are_not_without_an_answer(named: tuple[str, ...], tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [{"text": row(i)["output"]} for i in range(5)] + [{"text": "ha " * 400}])
    report = curated(path, tmp_path / "out", "--only", "rules", *named)
    assert (report["kept"], report["rejected"]) == (5, {"repetition": 1})
