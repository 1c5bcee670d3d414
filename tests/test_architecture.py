"""The shape of the project: imports run one way, files stay small, nothing prints but the command line."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("datagen", "curation", "training")
SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
HEAVY = (
    "torch",
    "sentence_transformers",
    "presidio_analyzer",
    "vllm",
    "ray",
    "trl",
    "polars",
    "aiohttp",
    "docutils",
    "lxml",
)


def test_imports_run_one_way() -> None:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_source_file_is_small_documented_and_does_not_print(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 500
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "one sentence says what the file is"
    if not path.name.startswith("cli"):
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        assert not [c.lineno for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]


def test_the_command_line_starts_without_anything_heavy() -> None:
    code = f"import sys, datagen.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_function_says_what_it_does() -> None:
    missing = []
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            public = isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            ) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):  # type: ignore[arg-type]
                missing.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert missing == []


def test_no_configuration_key_goes_unread() -> None:
    from datagen.config import keys

    code = "\n".join(p.read_text(encoding="utf-8") for p in SOURCES if p.name != "config.py")
    unread = [key for key in keys() if f".{key.rsplit('.', 1)[-1]}" not in code]
    assert unread == []
