"""``datagen curate`` on what a hostile or a clumsy user gives it: nothing is lost, or shown in clear."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.core.errors import StoppedEarly
from datagen.core.record import Sample
from datagen.output.curated import Curated
from datagen.output.row_files import stretches, unchanged
from datagen.output.rows import ReadRows
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


def test_what_a_curation_left_is_not_written_over_by_the_next(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(i % 5) for i in range(8)])
    out = tmp_path / "out"
    assert curated(path, out, "--only", "dedupe")["kept"] == 5
    before = {name: (out / name).read_bytes() for name in ("kept.jsonl", "rejected.jsonl", "report.json")}
    for args in ([out / "kept.jsonl"], [path, "--against", out / "kept.jsonl"], [next(out.glob(".work/*"))]):
        done = datagen("curate", *args, "--out", out, "--only", "dedupe")
        assert done.returncode == 2
        assert "writes" in done.stderr
    assert {name: (out / name).read_bytes() for name in before} == before
    again = curated(out, tmp_path / "again", "--only", "dedupe")
    assert (again["rows"], [f["path"] for f in again["files"]]) == (5, ["kept.jsonl"])
    assert "rejected rows and reports of a curation 2" in again["notes"][0]


def test_what_of_a_folder_is_not_read_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    for place in ("a", "b"):
        put(folder / place / "a.jsonl", [row(ord(place))])
    (folder / "link.jsonl").symlink_to(folder / "a/a.jsonl")
    (folder / "table.csv").write_text("a,b\n")
    other = put(tmp_path / "a.jsonl", [row(7)])
    done = datagen("curate", folder, other, folder / "a/a.jsonl", other, "--out", tmp_path / "out", "--only", "dedupe",
                   "--json")  # fmt: skip
    report = json.loads(done.stdout)
    assert [f["path"] for f in report["files"]] == ["a/a.jsonl", "b/a.jsonl", "a.jsonl"]
    assert report["notes"] == [
        "Not read of in: .csv files 1, links 1.",
        "Not read of a.jsonl: files that were named already 1.",
        "Not read of a.jsonl: files that were named already 1.",
    ]
    assert report["notes"][0] in done.stderr
    (folder / "run.yaml").touch()
    (folder / "events.jsonl").touch()
    done = datagen("curate", folder, "--out", tmp_path / "run")
    assert (done.returncode, "export" in done.stderr) == (2, True)


def test_files_of_one_name_and_names_that_are_no_text(tmp_path: Path) -> None:
    paths = []
    for name in ("x", "y", "z"):
        (tmp_path / name).mkdir()
        paths.append(put(tmp_path / name / os.fsdecode(b"\xff.jsonl"), [row(ord(name))]))
    done = datagen("curate", *paths, "--out", tmp_path / "out", "--only", "select", "--target", "2", "--json")
    report = json.loads(done.stdout)
    names = ["\\udcff.jsonl", "2-\\udcff.jsonl", "3-\\udcff.jsonl"]
    assert [f["path"] for f in report["files"]] == names
    assert (report["kept"], report["adds_up"]) == (2, True)


def test_more_files_than_a_process_may_hold_open(tmp_path: Path) -> None:
    for i in range(200):
        put(tmp_path / f"in/{i}.jsonl", [row(i)]) if i else (tmp_path / "in").mkdir()
    held = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (120, held[1]))
    try:
        assert curated(tmp_path / "in", tmp_path / "out", "--only", "rules")["rows"] == 199
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, held)


def test_a_file_that_is_changed_while_it_is_read_ends_it(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(1)])
    files = stretches([path], tmp_path)
    same = unchanged(files)
    (found,) = ReadRows().run(files)
    assert isinstance(found, Sample)
    put(path, [row(22)])
    with pytest.raises(StoppedEarly, match="changed while"):
        Curated().write([found], {"a.jsonl": str(path)}, tmp_path, same)
    assert not (tmp_path / "kept.jsonl").exists()


def test_fewer_rows_than_were_wanted_is_said(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(i) for i in range(5)])
    done = datagen("curate", path, "--out", tmp_path / "out", "--only", "select", "--target", "6")
    assert done.returncode == 1
    assert "6 rows were wanted, and 5 passed." in done.stdout
