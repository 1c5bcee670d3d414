"""``datagen judge``: anybody's rows scored by a rubric, each once, and sorted by a threshold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fakeserver import fake_server
from tests.runs import datagen

RUBRIC = """---
threshold: 3
---
Is the answer of use to somebody who repairs pumps?

## use
1: of none
2: of hardly any
3: of some
4: of much
5: it can be done at once

## brevity
1: far too long
2: too long
3: somewhat long
4: short
5: as short as can be
"""


def put(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rows_are_scored_once_by_ones_own_rubric_and_sorted_by_its_threshold(tmp_path: Path) -> None:
    rows = [
        {"instruction": f"How is pump {i} opened?", "output": f"With key {i}.", "kept": {"n": i}} for i in range(40)
    ]
    source = put(tmp_path / "a.jsonl", rows)
    (tmp_path / "mine.md").write_text(RUBRIC, encoding="utf-8")
    with fake_server() as server:
        command = (
            "judge",
            source,
            "--out",
            tmp_path / "out",
            "--base-url",
            server.url,
            "--rubric",
            tmp_path / "mine.md",
        )
        done = datagen(*command, "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        asked = server.stats()["questions"]
        assert asked >= 40
        kept, rejected = read(tmp_path / "out/kept.jsonl"), read(tmp_path / "out/rejected.jsonl")
        assert len(kept) + len(rejected) == report["rows"] == 40
        assert report["adds_up"]
        for row in kept + rejected:
            said = row["judge"]
            assert set(said["scores"]) == {"use", "brevity"}
            assert said["score"] == sum(said["scores"].values()) / 2
            assert said["rubric"].startswith("mine@")
        assert all(row["judge"]["score"] >= 3 for row in kept)
        assert all(row["verdict"]["reason"] == "low_score" for row in rejected)
        plain = [{k: v for k, v in row.items() if k not in ("judge", "verdict")} for row in kept + rejected]
        assert sorted(map(json.dumps, plain)) == sorted(map(json.dumps, rows))

        weighed = datagen(*command, "--json", "--set", "judge.weights={use: 0}", "--set", "judge.threshold=5")
        assert weighed.returncode in (0, 1), weighed.stderr
        assert server.stats()["questions"] == asked, "other weights ask nothing"
        for row in read(tmp_path / "out/kept.jsonl") + read(tmp_path / "out/rejected.jsonl"):
            assert row["judge"]["score"] == row["judge"]["scores"]["brevity"]


def test_a_judge_of_the_generators_family_is_named_loudly_and_refused_where_that_is_wanted(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (source / "a.md").write_text("# Pumps\n\n**Pump**: A machine that moves water from one tank to another.\n")
    with fake_server(models=["qwen2.5-7b", "qwen3-8b"]) as server:
        command = ("run", "--source", source, "--out", tmp_path / "run", "--base-url", server.url)
        models = ("--model", "qwen2.5-7b", "--judge-model", "qwen3-8b")
        refused = datagen(*command, *models, "--strict")
        assert refused.returncode == 2
        assert "same family" in refused.stderr
        done = datagen(*command, *models)
        assert "Warning: The judge qwen3-8b is of the same family" in done.stderr
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert any("ONE FAMILY" in said["text"] for said in report["judge_health"]["sentences"])
    assert "ONE FAMILY" in (tmp_path / "run/report.html").read_text()
    assert "ONE FAMILY" in (tmp_path / "run/export/README.md").read_text()


def test_without_an_endpoint_it_says_what_to_name(tmp_path: Path) -> None:
    source = put(tmp_path / "a.jsonl", [{"instruction": "A?", "output": "B."}])
    done = datagen("judge", source, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "--base-url" in done.stderr


def test_rows_of_any_form_are_judged_by_a_rubric_of_ten_lines_and_the_report_knows_the_judge(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for i in range(6):
        asked, said = f"How is pump {i} opened?", f"With key {i}."
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        rows += [
            {"messages": [{"role": "system", "content": "Be brief."}, *turns]},
            {"instruction": "Open it.", "input": asked, "output": said},
            {"conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]},
            {"text": f"Pump {i} is opened with key {i}. <|im_end|>"},
            {"prompt": asked, "chosen": said, "rejected": f"With a hammer {i}."},
        ]
    rows += [{"messages": [{"role": "user", "content": "Only a question?"}]}, {"instruction": "x", "output": ""}]
    source = put(tmp_path / "a.jsonl", [*rows, {"foo": 1}])
    (tmp_path / "mine.md").write_text(RUBRIC, encoding="utf-8")
    with fake_server() as server:
        command = ("judge", source, "--out", tmp_path / "out", "--base-url", server.url)
        done = datagen(*command, "--rubric", tmp_path / "mine.md", "--set", "judge.swap.share=1")
        assert done.returncode == 0, done.stderr
        asked_for = server.stats()["questions"]
        assert datagen(*command, "--rubric", tmp_path / "mine.md", "--set", "judge.swap.share=1").stdout == done.stdout
        assert server.stats()["questions"] == asked_for, "the same again asks nothing"
    assert "Mean score" in done.stdout
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["rows"] == 33
    found = read(tmp_path / "out/kept.jsonl") + read(tmp_path / "out/rejected.jsonl")
    assert sum("judge" in row for row in found) == 30
    verdicts = [row["verdict"] for row in found if "judge" not in row]
    assert sorted(v["reason"] for v in verdicts) == ["unreadable_row", "unscored", "unscored"]
    assert sum("no reply of an assistant" in v["evidence"] for v in verdicts) == 2
    biases = {one["name"]: one for one in report["judge_health"]["biases"]["findings"]}
    assert biases["drift"]["rows"] == 3
    assert biases["order"]["rows"] == 6
