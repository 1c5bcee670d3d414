"""When a run starts a vLLM of its own, and when that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from datagen import config as settings
from datagen import models
from datagen.core.errors import UsageError


def config(**generator: object) -> settings.Config:
    return settings.load(None, values={f"generator.{key}": value for key, value in generator.items()})


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a GPU and vLLM on it, as far as their tools say; and no endpoint."""
    for name in ("nvidia-smi", "vllm"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_auto_takes_vllm_where_it_and_a_gpu_are_there_and_a_model_is_named(machine: Path) -> None:
    assert models.starts_vllm(config(model="some/model"))
    assert models.uses_model(config(model="some/model"))
    assert not models.uses_model(config()), "without a model the rules have to do"
    assert not models.starts_vllm(config(model="m", base_url="http://127.0.0.1:1/v1")), "an endpoint was named"


@pytest.mark.parametrize("missing", ["nvidia-smi", "vllm"])
def test_auto_does_not_without_one_of_them(machine: Path, missing: str) -> None:
    (machine / missing).write_text("#!/bin/sh\nexit 9\n") if missing == "nvidia-smi" else (machine / missing).unlink()
    assert not models.starts_vllm(config(model="some/model"))
    with pytest.raises(UsageError, match="no endpoint"):
        models.uses_model(config(model="some/model"))


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(UsageError, match="no model is named"):
        models.uses_model(config(backend="vllm"))
    with pytest.raises(UsageError, match="is named"):
        models.uses_model(config(backend="vllm", model="m", base_url="http://127.0.0.1:1/v1"))
    pairs = settings.load(
        None,
        values={
            "generator.backend": "vllm",
            "generator.model": "m",
            "generator.preference.share": 0.5,
            "judge.enabled": False,
        },
    )
    with pytest.raises(UsageError, match="the judge is off"):
        models.uses_model(pairs)
