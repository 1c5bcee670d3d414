"""Trackers get the metrics of each stage as a run of its own, and one that is missing costs one clear sentence."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, get_args

import pytest

pytest.importorskip("trl", reason="training is in the extra train")

from tests.training.watched import train
from training import track
from training.config import Tracker
from training.errors import TrainingError


def test_every_tracker_of_the_configuration_is_known() -> None:
    from transformers.integrations import integration_utils

    assert {"none", *track.SERVICES} == set(get_args(Tracker))
    for service in track.SERVICES.values():
        assert hasattr(integration_utils, service.callback)


def test_none_is_none(tmp_path: Path) -> None:
    assert track.callbacks("none", tmp_path) == []


@pytest.mark.parametrize("name", sorted(track.SERVICES))
def test_a_missing_package_is_one_sentence(name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    with pytest.raises(TrainingError) as raised:
        track.callbacks(name, tmp_path)
    assert raised.value.exit_code == 2
    assert f"pip install {name}" in raised.value.fix
    assert "metrics.jsonl is written in any case" in raised.value.fix


class Recorder:
    """In place of a tracker's callback: it notes what it is told."""

    made: list[Recorder] = []
    logging_dir = ""

    def __init__(self) -> None:
        self.events: list[Any] = []
        Recorder.made.append(self)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.events.append(("begin", args.run_name, args.project, model is not None))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.events.append(("log", state.global_step, sorted(logs)))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.events.append(("end",))


def test_each_stage_is_a_run_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.integrations import integration_utils

    monkeypatch.setattr(integration_utils, "TensorBoardCallback", Recorder)
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: object())
    Recorder.made.clear()
    out = tmp_path / "run" / "training"
    (callback,) = track.callbacks("tensorboard", out)
    monkeypatch.undo()
    monkeypatch.setattr(integration_utils, "TensorBoardCallback", Recorder)
    train(tmp_path, [callback], steps=2)
    train(tmp_path, [callback], steps=2)
    first, second = Recorder.made
    for one in (first, second):
        assert one.events[0] == ("begin", "run-sft", "datagen", True)
        assert one.events[-1] == ("end",)
        assert any(e[0] == "log" and e[1] == 1 and "loss" in e[2] for e in one.events)
        assert one.logging_dir == str(out / "tensorboard" / "sft")


def test_tensorboard_writes_files_that_tensorboard_reads(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="no tensorboard: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tmp_path, track.callbacks("tensorboard", tmp_path / "training"), steps=3)
    read = EventAccumulator(str(tmp_path / "training" / "tensorboard" / "sft"))
    read.Reload()
    losses = read.Scalars("train/loss")
    assert [e.step for e in losses] == [1, 2, 3]
    assert all(e.value > 0 for e in losses)


def test_wandb_offline_takes_two_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="no wandb: pip install wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    (callback,) = track.callbacks("wandb", tmp_path / "training")
    train(tmp_path, [callback], steps=2)
    train(tmp_path, [callback], steps=2)
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 2
    monkeypatch.delenv("WANDB_PROJECT", raising=False)


def test_mlflow_takes_two_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="no mlflow: pip install mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "pumps")
    (callback,) = track.callbacks("mlflow", tmp_path / "training")
    train(tmp_path, [callback], steps=2)
    train(tmp_path, [callback], steps=2)
    runs = mlflow.search_runs(experiment_names=["pumps"])
    assert len(runs) == 2
    assert all(runs["metrics.loss"] > 0)
