"""One finished run for all tests of the review page; each gets a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.runs import datagen, write_corpus


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of rules over a small corpus; read only."""
    folder = tmp_path_factory.mktemp("review")
    source = write_corpus(folder / "docs", 12)
    done = datagen("run", "--source", source, "--out", folder / "run", "--set", "judge.threshold=3")
    assert (folder / "run" / "ledger.json").is_file(), done.stdout + done.stderr
    return folder / "run"


@pytest.fixture
def run(made_run: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made_run, tmp_path / "run"))
