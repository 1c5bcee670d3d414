"""YAML of others: what it may say is read, what would grow without bound is refused at once."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.bounded_yaml import MOST_BYTES, MOST_DIGITS, MOST_VALUES, parse_yaml, read_yaml
from datagen.core.errors import UsageError
from datagen.finished import Finished
from datagen.state import read_run, read_timing
from tests.runs import ROOT, datagen, environment, write_corpus

LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12))
BOMBS = {
    "aliases": LAUGHS,
    "merges": MERGES,
    "itself": "a: &a [*a]\n",
    "deep": "[" * 20_000,
    "deep mappings": "".join(" " * i + "a:\n" for i in range(1_200)),
    "sixty": "a: 1" + ":59" * 200_000,
    "long": "a: 1" + "0" * 100_000,
    "many": "a: [" + "1," * MOST_VALUES + "]",
    "two documents": "a: 1\n---\nb: 2\n",
    "tag": "!!python/object/apply:os.system ['true']\n",
    "odd tags": "a: !!timestamp x\nb: !!int [1]\nc: !!omap 3\n",
    "no float": "!!float x",
    "binary": "!!binary \u00e9",
    "unhashable": "? [1, 2]\n: 3\n",
    "tab": "a:\t- b\n\t- c",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_one_sentence(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"\w"):
        parse_yaml(BOMBS[name], "run.yaml")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_what_is_usual_is_read_as_ever() -> None:
    text = "a: &a {b: [1, 2.5, null, yes, x]}\nc: *a\nd: {<<: *a, e: 1}\nf: 2026-01-02\n'': ''\n"
    assert parse_yaml(text, "x") == yaml.safe_load(text)
    assert parse_yaml("", "x") is None
    assert parse_yaml("1" * (MOST_DIGITS - 1), "x") == int("1" * (MOST_DIGITS - 1))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_what_was_dumped_comes_back(value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert parse_yaml(text, "x") == yaml.safe_load(text)


@given(st.text(alphabet=st.sampled_from("ab1:-[]{}&*!<>|?#'\"\n ,.~%@`\t\u2028\ud800"), max_size=60))
def test_any_text_is_values_or_a_value_error(text: str) -> None:
    try:
        parse_yaml(text, "x")
    except ValueError as error:
        assert str(error)


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(ValueError, match="over 2 MB"):
        read_yaml(tmp_path / "x")
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"\w"):
        read_yaml(tmp_path / "x")


def test_a_run_with_a_bomb_costs_one_sentence(tmp_path: Path) -> None:
    source, run = write_corpus(tmp_path / "docs", 2), tmp_path / "run"
    datagen("run", "--source", source, "--out", run)
    was = (run / "run.yaml").read_text()
    begin, _, _ = was.partition("config:")
    for bomb in (LAUGHS, MERGES):
        (run / "run.yaml").write_text(begin + "config:\n" + "".join(f"  {line}\n" for line in bomb.splitlines()))
        with pytest.raises(ValueError, match="aliases"):
            read_run(run)
        assert read_timing(run) is None
        with pytest.raises(UsageError):
            Finished(run)
    limited = f"ulimit -v 4000000; exec {sys.executable} -m datagen report {run}"
    done = subprocess.run(
        ["bash", "-c", limited], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    assert "run.yaml" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4
