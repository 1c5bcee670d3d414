"""Configuration: unknown keys are refused with the nearest right name, overrides win, paths follow the file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import config, scaffold
from datagen.core.errors import UsageError


def test_overrides_are_stronger_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text("chunk: {tokens: 300}\ngenerator: {model: a}\n")
    loaded = config.load(file, ["chunk.tokens=200", "generator.base_url=http://h:1/v1", "sources.paths=[a, b]"])
    assert (loaded.chunk.tokens, loaded.generator.model) == (200, "a")
    assert loaded.generator.base_url == "http://h:1/v1"
    assert loaded.sources.paths == ("a", "b")


@given(st.text(max_size=30))
def test_values_are_taken_as_they_are(text: str) -> None:
    loaded = config.load(None, ["generator.model=other"], {"generator.model": text, "sources.paths": [text]})
    assert loaded.generator.model == text
    assert loaded.sources.paths == (text,)


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = tmp_path / "d.yaml"
    file.write_text("sources: {paths: [docs, ~/more, /abs]}\ngenerator: {examples: e.jsonl}\n")
    loaded = config.load(file)
    assert loaded.sources.paths == (str(tmp_path / "docs"), str(tmp_path / "home" / "more"), "/abs")
    assert loaded.generator.examples == str(tmp_path / "e.jsonl")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("chunk.token", "chunk.tokens"),
        ("judge.treshold", "judge.threshold"),
        ("generator.baseurl", "generator.base_url"),
        ("curation.dedup.threshold", "curation.dedupe"),
        ("concurrency", "client.concurrency"),
        ("sede", "seed"),
    ],
)
def test_the_nearest_right_name(wrong: str, right: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.load(None, [f"{wrong}=1"])
    assert right in caught.value.fix


@given(st.text(max_size=30))
def test_any_override_is_taken_or_refused_in_three_parts(text: str) -> None:
    try:
        config.load(None, [text])
    except UsageError as error:
        assert error.what
        assert error.why
        assert error.fix


@given(st.binary(max_size=60))
def test_any_file_is_taken_or_refused_in_three_parts(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_bytes(data)
    try:
        config.load(file)
    except UsageError as error:
        assert error.fix


def test_the_commented_file_is_valid_and_so_is_every_line_of_it(tmp_path: Path) -> None:
    written = scaffold.init(tmp_path, force=False)
    assert [p.name for p in written] == ["datagen.yaml", "examples.jsonl"]
    text = written[0].read_text()
    loaded = config.load(written[0])
    assert loaded.generator.examples == str(tmp_path / "examples.jsonl")
    assert loaded.sources.paths == (str(tmp_path / "docs"),)
    # Any one # may be removed, and so may all: every key is right, in its place, and has its default.
    commented = [line for line in text.splitlines() if re.match(r" *# [a-z_]+: ", line)]
    assert len(commented) + 2 == len(config.keys())
    for line in commented:
        (tmp_path / "one.yaml").write_text(text.replace(line, line.replace("# ", "", 1), 1))
        assert config.load(tmp_path / "one.yaml") == loaded, line
    (tmp_path / "all.yaml").write_text(re.sub(r"(?m)^( *)# ([a-z_]+: )", r"\1\2", text))
    assert config.load(tmp_path / "all.yaml") == loaded
    with pytest.raises(UsageError, match="exists"):
        scaffold.init(tmp_path, force=False)
    scaffold.init(tmp_path, force=True)


def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text("generator:\n  examples: mine.jsonl\nseed: 1\ngenerator:\n  model: a\n")
    with pytest.raises(UsageError) as caught:
        config.load(file)
    assert "'generator' stands twice" in caught.value.what
    assert "Lines 1 and 4" in caught.value.why
