"""Configuration: unknown keys are refused with the nearest right name, overrides win, paths follow the file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
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
    # With every default uncommented it is the default configuration still.
    body = text.split("# ---- everything else")[1].split("\n", 1)[1]
    kept = [
        line[2:]
        for line in body.splitlines()
        if line.startswith("# ") and ":" in line and not line.startswith("# What")
    ]
    tree: dict[str, object] = {}
    section: list[str] = []
    for line in kept:
        if line.strip().endswith((".", "?")) and not line.startswith(" "):
            continue
        section.append(line)
    tree = yaml.safe_load("\n".join(section))
    assert config.validate(tree, "defaults") == config.Config()
    with pytest.raises(UsageError, match="exists"):
        scaffold.init(tmp_path, force=False)
    scaffold.init(tmp_path, force=True)
