"""`datagen prove` from a run with every arm, killed with -9 in the middle and given again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fakeserver import fake_server
from tests.runs import ROOT, datagen, kill, start

pytest.importorskip("trl", reason="training needs the extra `train`")
pytest.importorskip("bitsandbytes", reason="QLoRA needs bitsandbytes")

ARMS = ["base", "gold", "raw", "curated", "curated + DPO"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_arm_is_trained_and_a_kill_costs_one_training(tmp_path: Path) -> None:
    run, gold = tmp_path / "run", tmp_path / "gold.jsonl"
    told = [("What is a run?", "One pass over the documents."), ("What is a shard?", "A file of records.")]
    gold.write_text(
        "".join(
            json.dumps({"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}) + "\n"
            for q, a in told
        )
    )
    with fake_server(latency_ms=1, script=str(ROOT / "tests" / "flaw_judge.py")) as server:
        done = datagen(
            "run", "--source", ROOT / "docs" / "recipes", "--out", run, "--base-url", server.url,
            "--set", f"generator.examples={gold}", "--set", "generator.preference.share=0.5",
            "--set", "judge.threshold=2", "--set", "split.test=0.3",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr

    command = [
        "prove", run, "--base", "tiny", "--seeds", "2", "--steps", "4", "--limit", "2", "--max-tokens", "8",
        "--set", "lora.rank=4",
    ]  # fmt: skip
    results = run / "proof" / "arms"
    process = start(*command)
    deadline = time.monotonic() + 300
    while len(list(results.rglob("result.json"))) < 3:  # the killed one is any that comes next
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kill(process)
    before = {path: path.stat().st_mtime_ns for path in results.rglob("result.json")}
    assert not (run / "proof" / "prove.json").exists()

    done = datagen(*command, "--json", timeout=500)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found == json.loads((run / "proof" / "prove.json").read_text())
    assert [arm["name"] for arm in found["arms"]] == ARMS
    assert found["left_out"] == {}
    assert found["seeds"] == [0, 1]
    assert {path: path.stat().st_mtime_ns for path in before} == before  # paid for once
    by = {arm["name"]: arm for arm in found["arms"]}
    assert set(by["curated + DPO"]["steps"]) == {"sft", "dpo"}
    assert sum(by["curated + DPO"]["steps"].values()) == by["curated"]["steps"]["sft"] == 4  # one budget
    assert by["curated + DPO"]["pairs"] > 0
    assert len(found["contrasts"]) >= 10  # every later arm against every earlier one
    page = (run / "proof" / "prove.html").read_text()
    assert "curated + DPO" in page
