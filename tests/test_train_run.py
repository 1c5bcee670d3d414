"""From our own documents to a trained model by the two commands of the README, with a real server and real NF4."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakeserver import fake_server
from tests.runs import ROOT, datagen

pytest.importorskip("trl", reason="training needs the extra `train`")
pytest.importorskip("bitsandbytes", reason="QLoRA needs bitsandbytes")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_documents_to_a_model(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with fake_server(latency_ms=1, script=str(ROOT / "tests" / "flaw_judge.py")) as server:
        sources = [word for part in ("recipes", "providers") for word in ("--source", ROOT / "docs" / part)]
        done = datagen(
            "run", *sources, "--out", run, "--base-url", server.url,
            "--set", "generator.preference.share=0.5", "--set", "judge.threshold=2",
            timeout=280,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = datagen("train", run, "--base", "tiny", timeout=600)
    assert done.returncode == 0, done.stderr
    out = run / "training"
    record: dict[str, Any] = json.loads((out / "training.json").read_text())
    assert record["state"] == "done"

    sft, dpo = record["stages"]["sft"], record["stages"]["dpo"]
    assert sft["last_loss"] <= 0.4 * sft["first_loss"]
    assert dpo["first_loss"] == pytest.approx(0.693147, abs=1e-4)
    assert dpo["margin_last"] > dpo["margin_first"] + 0.1
    assert all(proof["holds"] for proof in dpo["proofs"])
    assert record["merge"]["difference"] <= 1e-4
    assert record["merge"]["generated"]
    for name in ("adapters/sft", "adapters/dpo", "merged", "training.html", "compare.html", "README.md", "Modelfile"):
        assert (out / name).exists(), name

    before = (out / "training.json").read_bytes()
    again = datagen("train", run, "--base", "tiny", timeout=300)
    assert again.returncode == 0, again.stderr
    after: dict[str, Any] = json.loads((out / "training.json").read_text())
    assert after["stages"] == json.loads(before)["stages"], "what is done is not done again"
