"""Killed at any moment, training ends in the same adapters; half-written checkpoints are never taken."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from training import checkpoints, files, metrics

ROOT = Path(__file__).resolve().parents[2]


def go(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.killed", str(folder), str(kills), str(seed)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=850,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen trainings, on a machine that may be busy
def test_killed_three_times_the_adapters_are_the_same(tmp_path: Path) -> None:
    found = go(tmp_path, kills=3, seed=0)
    assert found["killed"] == found["plain"]
    assert len(found["struck"]) >= 2
    said = (tmp_path / "killed.log").read_text(encoding="utf-8")
    assert "goes on from step" in said
    steps = [
        (line["stage"], line["step"]) for line in metrics.read(tmp_path / "killed/metrics.jsonl") if "loss" in line
    ]
    whole = [(line["stage"], line["step"]) for line in metrics.read(tmp_path / "plain/metrics.jsonl") if "loss" in line]
    assert steps == whole  # no step is missing, none is there twice


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_ten_random_moments(tmp_path: Path) -> None:
    found = go(tmp_path, kills=10, seed=1)
    assert found["killed"] == found["plain"]
    assert {place.split()[0] for place in found["struck"]} == {"sft", "dpo"}


def checkpoint(folder: Path, step: int, *, whole: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    (path / "ref").mkdir(parents=True)
    for name in ("adapter_model.safetensors", "optimizer.pt", "ref/adapter_model.safetensors"):
        (path / name).write_bytes(random.Random(f"{step}{name}").randbytes(300))
    if whole:
        checkpoints.mark(path)
    return path


@pytest.mark.parametrize("harm", ["unmarked", "cut", "changed", "missing", "half a mark", "empty mark"])
def test_a_torn_checkpoint_is_removed_and_the_one_before_taken(tmp_path: Path, harm: str) -> None:
    first = checkpoint(tmp_path, 2)
    torn = checkpoint(tmp_path, 4, whole=harm != "unmarked")
    weights = torn / "adapter_model.safetensors"
    if harm == "cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif harm == "changed":
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    elif harm == "missing":
        (torn / "optimizer.pt").unlink()
    elif harm == "half a mark":
        mark = torn / checkpoints.MARK
        mark.write_bytes(mark.read_bytes()[:40])
    elif harm == "empty mark":
        (torn / checkpoints.MARK).write_text("{}", encoding="utf-8")
    assert checkpoints.last(tmp_path) == first
    assert not torn.exists()


def test_whole_checkpoints_are_found_by_number_not_by_name(tmp_path: Path) -> None:
    for step in (8, 10, 9):
        checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-x").mkdir()
    assert checkpoints.last(tmp_path) == tmp_path / "checkpoint-10"
    checkpoints.thin(tmp_path, {8, 10})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-8", "checkpoint-x"]


def test_other_settings_or_data_never_take_up_a_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "sft"
    assert checkpoints.prepare(folder, {"the data": "a", "sft.beta": "1"}, resume=True) == (None, ())
    made = checkpoint(folder, 3)
    assert checkpoints.prepare(folder, {"the data": "a", "sft.beta": "1"}, resume=True) == (made, ())
    assert checkpoints.prepare(folder, {"the data": "b", "sft.beta": "1"}, resume=True) == (None, ("the data",))
    assert not made.exists()
    made = checkpoint(folder, 3)
    assert checkpoints.prepare(folder, {"the data": "b", "sft.beta": "1"}, resume=False) == (None, ())
    assert not made.exists()


def test_checkpoints_of_unknown_origin_are_not_taken(tmp_path: Path) -> None:
    made = checkpoint(tmp_path / "sft", 3)
    assert checkpoints.prepare(tmp_path / "sft", {"the data": "a"}, resume=True) == (None, ())
    assert not made.exists()


def test_what_is_done_again_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / metrics.FILE
    lines = [{"stage": "sft", "step": n, "loss": 1.0} for n in (1, 2, 3)] + [{"stage": "dpo", "step": 3, "loss": 1.0}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"stage": "sft", "st', encoding="utf-8")
    assert [line["step"] for line in metrics.rewind(file, "sft", 2)] == [1, 2]
    assert [(line["stage"], line["step"]) for line in metrics.read(file)] == [("sft", 1), ("sft", 2), ("dpo", 3)]
    assert file.read_text(encoding="utf-8").endswith("}\n")
    assert metrics.rewind(tmp_path / "none.jsonl", "sft", 2) == []


def test_json_is_written_whole(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "x.json"
    files.write_json(file, {"a": 1})
    with pytest.raises(ValueError):
        files.write_json(file, {"a": float("nan")})
    assert files.read_json(file) == {"a": 1}
    assert [path.name for path in file.parent.iterdir()] == ["x.json"]
