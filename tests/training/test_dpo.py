"""Preference training on real NF4 weights: DPO, KTO and ORPO, with adapters and without."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.training import exports
from training import checkpoints, dpo, metrics
from training.config import DpoConfig
from training.errors import TrainingError
from training.train import TrainResult, train


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export, a base and the output of its SFT."""
    folder = tmp_path_factory.mktemp("done")
    exports.base(folder / "base")
    exports.export(folder / "export")
    go(folder, enabled=False)
    return folder


def go(folder: Path, said: list[str] | None = None, out: str = "out", **settings: Any) -> TrainResult:
    config = exports.config(folder / "base")
    config = config.model_copy(update={"dpo": config.dpo.model_copy(update=settings)})
    return train(folder / "export", folder / out, config, say=(said if said is not None else []).append)


def copy(done: Path, to: Path) -> Path:
    shutil.copytree(done, to)
    return to


def test_dpo_raises_the_margin_and_leaves_the_sft_adapter_alone(done: Path) -> None:
    before = checkpoints.adapter_sha256(done / "out/adapters/sft")
    found = go(done, epochs=3.0)
    assert found.dpo is not None
    record = found.dpo.record
    assert record["first_loss"] == pytest.approx(0.693147, abs=1e-5)
    assert record["margin_first"] == pytest.approx(0.0, abs=1e-6)
    assert record["margin_last"] > 0.05
    assert record["last_loss"] < record["first_loss"]
    assert all(proof["holds"] for proof in record["proofs"])
    assert {"first_loss", "reference_equal", "sft_differs_from_base", "weights_move"} <= {
        proof["name"] for proof in record["proofs"]
    }
    assert checkpoints.adapter_sha256(done / "out/adapters/sft") == before
    assert checkpoints.adapter_sha256(done / "out/adapters/dpo") != before
    assert not (done / "out/adapters/dpo/ref").exists()
    lines = [line for line in metrics.read(done / "out/metrics.jsonl") if line["stage"] == "dpo"]
    first = next(line for line in lines if "loss" in line)
    assert {"margin", "accuracy", "chosen_logps", "rejected_logps", "chosen_reward", "rejected_reward"} <= set(first)
    look = next(line for line in lines if "eval_loss" in line)
    assert {"eval_margin", "eval_accuracy", "eval_chosen_logps", "eval_rejected_logps"} <= set(look)


@pytest.mark.parametrize("method", ["kto", "orpo"])
def test_kto_and_orpo(done: Path, tmp_path: Path, method: str) -> None:
    folder = copy(done, tmp_path / "run")
    found = go(folder, method=method, batch=1, accumulation=4)
    assert found.dpo is not None
    record = found.dpo.record
    names = {proof["name"] for proof in record["proofs"]}
    assert ("first_loss" in names) == (method == "kto")
    assert "sft_adapter_loaded" in names
    if method == "kto":
        assert record["first_loss"] == pytest.approx(0.5, abs=1e-5)
        assert record["batch"] == 2  # its KL term compares two replies at once
    assert record["last_loss"] < record["first_loss"]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_without_quantisation(tmp_path: Path, method: Any) -> None:
    exports.base(tmp_path / "base")
    config = exports.config(tmp_path / "base", method=method)
    found = train(
        exports.export(tmp_path / "export", train=8, preferred=8), tmp_path / "out", config, say=lambda _: None
    )
    assert found.dpo is not None
    proofs = {proof["name"]: proof for proof in found.dpo.record["proofs"]}
    assert proofs["reference_equal"]["value"] == 0.0
    assert proofs["first_loss"]["value"] == pytest.approx(0.693147, abs=1e-5)
    assert proofs["sft_differs_from_base"]["value"] > 0
    name = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    assert (tmp_path / "out/adapters/dpo" / name).is_file()


def test_settings_that_would_change_nothing_are_refused() -> None:
    with pytest.raises(TrainingError, match="would change nothing"):
        dpo.check(DpoConfig(label_smoothing=0.1))
    with pytest.raises(TrainingError, match="needs label smoothing"):
        dpo.check(DpoConfig(loss="exo_pair"))
    dpo.check(DpoConfig(loss="robust", label_smoothing=0.1))
    with pytest.raises(TrainingError, match="kto has no label smoothing"):
        dpo.check(DpoConfig(method="kto", loss="robust", label_smoothing=0.1))


def test_pairs_alone_need_an_sft_adapter(tmp_path: Path) -> None:
    exports.base(tmp_path / "base")
    config = exports.config(tmp_path / "base")
    config = config.model_copy(update={"sft": config.sft.model_copy(update={"enabled": False})})
    with pytest.raises(TrainingError, match="no SFT adapter"):
        train(exports.export(tmp_path / "export"), tmp_path / "out", config, say=lambda _: None)


def test_unpaired_rows_hold_each_reply_once() -> None:
    rows = dpo.Pairs([[1], [2]], [[10], [20]], [[11], [21]]).unpaired()
    found = [(r["prompt_ids"], r["completion_ids"], r["label"], r["KL_completion_ids"]) for r in rows]
    assert found == [
        ([1], [10], True, [20]),
        ([1], [11], False, [21]),
        ([2], [20], True, [10]),
        ([2], [21], False, [11]),
    ]
