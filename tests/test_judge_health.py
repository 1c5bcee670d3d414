"""What a run finds out about its judge: agreement under order swap and drift, asked once and shown in its reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.fakeserver import fake_server
from tests.runs import datagen, export_bytes, ledger, write_corpus

FIRST_AND_FICKLE = """
import hashlib, json, re
from pathlib import Path
import importlib.util

spec = importlib.util.spec_from_file_location("flaws", {flaws!r})
flaws = importlib.util.module_from_spec(spec)
spec.loader.exec_module(flaws)
SEEN = {{}}

def reply(payload, key):
    sent = (payload.get("response_format") or {{}}).get("json_schema") or {{}}
    if sent.get("name") == "preferred":  # prefers whatever stands first
        return json.dumps({{"explanation": "The first.", "verdict": "first_better"}})
    made = flaws.reply(payload, key)
    if made is None and sent.get("name") == "judgement":  # a 5 the first time, a 2 the second
        told = json.dumps(payload["messages"])
        SEEN[told] = SEEN.get(told, 0) + 1
        criteria = [k for k in sent["schema"]["properties"] if k != "justification"]
        return json.dumps({{"justification": "So.", **dict.fromkeys(criteria, 5 if SEEN[told] == 1 else 2)}})
    return made
"""


def run(folder: Path, url: str, source: Path, *more: str) -> Any:
    command = ("run", "--source", source, "--out", folder, "--base-url", url, "--set", "judge.score_mode=integer")
    pairs = ("--set", "generator.preference.share=1", "--set", "generator.preference.ways={planted: 1}")
    done = datagen(*command, *pairs, "--set", "judge.swap.share=1", *more)
    assert done.returncode in (0, 1), done.stderr
    ledger(folder)
    return done


def test_order_swap_and_drift_are_asked_once_and_shown(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 5, sections=3)
    script = tmp_path / "judge.py"
    script.write_text(FIRST_AND_FICKLE.format(flaws=str(Path(__file__).with_name("flaw_judge.py"))))
    folder = tmp_path / "run"
    with fake_server(script=str(script)) as server:
        done = run(folder, server.url, source)
        assert "samples again, to see whether the judge says the same twice" in done.stderr
        asked, before, written = server.stats()["questions"], export_bytes(folder), (folder / "run.yaml").read_bytes()
        run(folder, server.url, source)
        assert server.stats()["questions"] == asked, "the same run asks nothing"
        assert export_bytes(folder) == before
        (folder / "run.yaml").unlink()  # as where it was killed before its end
        run(folder, server.url, source)
        assert server.stats()["questions"] == asked, "what was asked is in the log"
        assert export_bytes(folder) == before
        assert yaml.safe_load((folder / "run.yaml").read_text())["drift"] == yaml.safe_load(written)["drift"]

        report = json.loads((folder / "report.json").read_text())
        found = findings(folder)
        twice = yaml.safe_load(written)["drift"]["samples"]
        judged = report["judge_health"]["biases"]["scored"]
        assert 1 <= len(twice) <= judged / 10 + 1
        assert {(one["before"], one["after"], one["threshold"]) for one in twice} == {(5.0, 2.0, 4.0)}
        assert (found["drift"]["value"], found["drift"]["rows"]) == (1.0, len(twice))
        assert found["order"]["value"] == 0.0
        assert found["order"]["rows"] > 0
        figures = dict(report["judge_health"]["figures"])
        assert figures["preferences that outlast a swap of the two replies"].startswith("0%")
        assert figures["samples that change sides when judged again"].startswith("100%")
        page = (folder / "report.html").read_text()
        assert "preferences that outlast a swap of the two replies" in page
        assert "samples that change sides when judged again" in page
        purposes = {row["purpose"]: row["calls"] for row in report_usage(folder)["by"]}
        assert purposes["drift"] == len(twice)
        assert purposes["pairwise"] == 2 * found["order"]["rows"]

        off = tmp_path / "off"
        done = run(off, server.url, source, "--set", "judge.swap.share=0", "--set", "judge.drift.samples=0")
        assert "samples again" not in done.stderr
        purposes = {row["purpose"] for row in report_usage(off)["by"]}
        assert not purposes & {"drift", "pairwise"}
        names = {
            one["name"] for one in json.loads((off / "report.json").read_text())["judge_health"]["biases"]["findings"]
        }
        assert not names & {"drift", "order"}


def report_usage(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "run.yaml").read_text())["usage"]
    return found


def findings(folder: Path) -> dict[str, Any]:
    biases = json.loads((folder / "report.json").read_text())["judge_health"]["biases"]
    return {one["name"]: one for one in biases["findings"]}
