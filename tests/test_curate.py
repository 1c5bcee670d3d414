"""``datagen curate`` on files of every kind: each row is kept, changed or rejected, and none is lost."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from datagen.curate import STEPS
from datagen.output.export import write_exports
from datagen.output.formats import FORMATS
from tests.output.made import a_sample
from tests.runs import datagen, kill, start

WORDS = "valve pump tank filter sensor motor relay cable panel switch gauge boiler duct fan seal rotor".split()


def row(i: int) -> dict[str, Any]:
    """A row unlike all others."""
    said = " ".join(WORDS[(i * k + k) % len(WORDS)] for k in range(1, 9))
    return {"instruction": f"Explain part {i} of the {said}.", "input": "", "output": f"It is made of {said} {i}."}


def put(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def without_verdict(line: str) -> str:
    return line.rpartition(', "verdict": ')[0] + "}"


def test_duplicates_go_and_kept_and_rejected_are_the_input(tmp_path: Path) -> None:
    rows = [row(i % 40) | {"n": i} for i in range(60)]
    path = put(tmp_path / "a.jsonl", rows)
    done = datagen("curate", path, "--out", tmp_path / "out", "--only", "dedupe", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], report["kept"], report["rejected"]) == (60, 40, {"duplicate": 20})
    kept, rejected = lines(tmp_path / "out/kept.jsonl"), lines(tmp_path / "out/rejected.jsonl")
    assert Counter(kept) + Counter(map(without_verdict, rejected)) == Counter(lines(path))
    verdict = json.loads(rejected[0])["verdict"]
    assert verdict["row"] == "a.jsonl:41"
    assert "a.jsonl:1" in verdict["evidence"]
    assert json.loads((tmp_path / "out/report.json").read_text()) == report


def test_the_same_command_again_writes_the_same_bytes_without_work(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(i % 40) for i in range(60)])
    files = []
    for _ in range(2):
        assert datagen("curate", path, "--out", tmp_path / "out").returncode == 0
        files.append({p.name: p.read_bytes() for p in (tmp_path / "out").iterdir() if p.is_file()})
    assert files[0] == files[1]
    last = [json.loads(line) for line in lines(tmp_path / "out/.work/events.jsonl")]
    assert sum(event["event"] == "start" for event in last) == 1


def test_a_target_keeps_so_many_and_tells_of_the_others(tmp_path: Path) -> None:
    rows = [row(i) | {"score": 1 + i % 5, "family": "qa" if i % 4 else "topic"} for i in range(60)]
    path = put(tmp_path / "a.jsonl", rows)
    only = ("--only", "select", "--json")
    done = datagen("curate", path, "--out", tmp_path / "best", "--target", "12", *only)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["score"] for line in lines(tmp_path / "best/kept.jsonl")] == [5] * 12
    assert json.loads(done.stdout)["rejected"] == {"over_target": 48}

    even = ("--set", "curation.select.strategy=balanced", "--set", "curation.select.shares={topic: 2}")
    done = datagen("curate", path, "--out", tmp_path / "even", "--target", "12", *only, *even)
    kinds = Counter(json.loads(line)["family"] for line in lines(tmp_path / "even/kept.jsonl"))
    assert kinds == {"topic": 8, "qa": 4}

    unlike = ("--set", "curation.select.strategy=diverse", "--set", "curation.select.score_weight=0")
    done = datagen("curate", path, "--out", tmp_path / "unlike", "--target", "12", *only, *unlike)
    assert json.loads(done.stdout)["kept"] == 12
    assert (
        "nearest of those kept: a.jsonl:"
        in json.loads(lines(tmp_path / "unlike/rejected.jsonl")[0])["verdict"]["evidence"]
    )

    without = datagen("curate", path, "--out", tmp_path / "none", "--only", "select")
    assert without.returncode == 2
    assert "--target" in without.stderr


@pytest.mark.parametrize("name", FORMATS)
def test_every_exported_format_is_taken(name: str, tmp_path: Path) -> None:
    from datagen.core.record import Rejected

    samples = [
        a_sample(row(i)["instruction"], row(i)["output"], rejected=Rejected(content=f"No {i}.", flaw="f", score=1.0))
        for i in range(12)
    ]
    counts = write_exports([s.model_copy(update={"score": 5.0}) for s in samples], {name: tmp_path / "in"})[name]
    done = datagen("curate", tmp_path / "in", "--out", tmp_path / "out", "--only", "rules", "--json")
    report = json.loads(done.stdout)
    assert report["adds_up"]
    assert report["rows"] == sum(n for file, n in counts.items() if "lineage" not in file)
    assert "unreadable_row" not in report["rejected"], report["examples"]
    assert report["kept"] > 0


def test_a_dataset_folder_parquet_and_an_array_are_taken(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = [row(i) for i in range(30)]
    made = datasets.Dataset.from_list(rows)
    made.save_to_disk(str(tmp_path / "saved"))
    made.to_parquet(str(tmp_path / "table.parquet"))
    (tmp_path / "array.json").write_text(json.dumps(rows))
    found = []
    for name in ("saved", "table.parquet", "array.json"):
        done = datagen("curate", tmp_path / name, "--out", tmp_path / f"out-{name}", "--only", "dedupe", "--json")
        assert json.loads(done.stdout)["kept"] == 30, done.stderr
        found.append([json.loads(line) for line in lines(tmp_path / f"out-{name}/kept.jsonl")])
    assert found == [rows, rows, rows]


@pytest.mark.slow
def test_a_killed_curation_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(i % 30_000) for i in range(40_000)])
    done = datagen("curate", path, "--out", tmp_path / "whole", "--only", "dedupe")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "killed"
    kills = 0
    for wait in (1.0, 1.7, 2.4):
        process = start("curate", path, "--out", out, "--only", "dedupe")
        time.sleep(wait)
        kills += process.poll() is None
        kill(process)
    assert kills
    assert datagen("curate", path, "--out", out, "--only", "dedupe").returncode == 0
    for name in ("kept.jsonl", "rejected.jsonl", "report.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_an_interrupt_ends_it_with_its_code(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(i) for i in range(60_000)])
    process = start("curate", path, "--out", tmp_path / "out")
    deadline = time.monotonic() + 60
    while not (tmp_path / "out/.work/events.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "continues" in err
    assert not (tmp_path / "out/kept.jsonl").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere.jsonl", "--out", "o"], "nothing to import"),
        (["a.jsonl", "--out", "o", "--only", "magic"], "There is no step 'magic'"),
        (["a.jsonl", "--out", "o", "--only", "decontaminate"], "--against"),
        (["a.jsonl", "--out", "."], "Name another folder"),
        (["empty.jsonl", "--out", "o"], "nothing to curate"),
        (["a.jsonl", "--out", "o", "--set", "curation.dedupe.treshold=0.5"], "curation.dedupe.threshold"),
    ],
)
def test_wrong_usage_costs_a_sentence(args: list[str], said: str, tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", [row(1)])
    (tmp_path / "kept.jsonl").write_text("mine")
    (tmp_path / "empty.jsonl").write_text("")
    done = datagen("curate", *args, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "kept.jsonl").read_text() == "mine"


def test_hostile_lines_are_rejected_and_nothing_else(tmp_path: Path) -> None:
    bad = [b"\x00\x01\x02", b'{"text": "a"', b"\xff\xfe\xfd", b'"text"', b"[" * 20_000, b'{"text": 5}', b"NaN", b"{}"]
    odd = [
        json.dumps({"text": "\ud800 lone surrogate here"}),
        json.dumps({"text": "\x00 a nul in the text"}),
        json.dumps({"text": "\u202eright to left עברית"}, ensure_ascii=False),
        json.dumps({"text": "👩‍👩‍👧‍👦 family of emoji 🏳️‍🌈"}, ensure_ascii=False),
        json.dumps({"text": "x" * 1_000_000}),
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([*bad, *(line.encode() for line in odd)]) + b"\n")
    done = datagen("curate", path, "--out", tmp_path / "out", "--json")
    report = json.loads(done.stdout)
    assert report["adds_up"], done.stderr
    assert report["rejected"] == {"unreadable_row": len(bad)}
    assert (tmp_path / "out/kept.jsonl").read_bytes() == b"".join(line.encode() + b"\n" for line in odd)


def test_each_step_works_alone(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(i) for i in range(10)])
    other = put(tmp_path / "eval.jsonl", [{"question": "What is the capital of the moon?"}])
    for name in STEPS:
        given: dict[str, list[str | Path]] = {"decontaminate": ["--against", other], "select": ["--target", "3"]}
        more = given.get(name, [])
        done = datagen("curate", path, "--out", tmp_path / name, "--only", name, *more, "--json")
        assert done.returncode == 0, (name, done.stderr)
        assert json.loads(done.stdout)["adds_up"]
