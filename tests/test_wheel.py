"""A wheel, installed apart from the source tree, runs from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.runs import ROOT


@pytest.mark.slow
def test_an_installed_wheel_finds_its_prompts_and_templates(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", ROOT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "datagen/_prompts/generate/qa.md.j2" in names
    assert "datagen/llm/prices.yaml" in names
    assert not [n for n in names if n.startswith(("tests/", "benchmarks/", "docs/"))]

    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:  # what pip does with a pure wheel, without the network
        archive.extractall(target)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text((ROOT / "docs" / "concepts.md").read_text())
    # -P and no PYTHONPATH to the tree: only the wheel and the installed libraries can be found.
    libraries = sysconfig.get_paths()["purelib"]
    code = (
        f"import sys; sys.path[:] = [p for p in sys.path if {str(ROOT)!r} not in p]; "
        f"sys.path.insert(0, {str(target)!r}); "
        "import datagen.cli; assert 'site' in datagen.cli.__file__, datagen.cli.__file__; datagen.cli.main()"
    )
    env = {**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{libraries}"}
    for args in (["init", "project"], ["run", "--source", "docs", "--set", "generator.backend=extractive"]):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *args],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "runs" / "docs" / "report.html").is_file()
    assert (tmp_path / "project" / "examples.jsonl").is_file()
