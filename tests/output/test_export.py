"""The export folder: rows, lineage, card; whole or not at all; nothing stale; the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from markdown_it import MarkdownIt

from datagen.core.errors import StoppedEarly, UsageError
from datagen.core.record import Lineage, Message, Quote, Rejected, Sample, Verdict
from datagen.output import export
from datagen.output.formats import FORMATS
from tests.output import made
from tests.output.made import a_sample
from tests.output.test_formats import AWKWARD, WITH_TOOLS


def write(samples: Iterable[Sample], folder: Path, name: str, **options: Any) -> dict[str, int]:
    """One format."""
    return export.write_exports(samples, {name: folder}, **options)[name]


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def _samples(n: int = 300, *, model: bool = True) -> Iterator[Sample]:
    return (r for r in made.run(n, model=model) if isinstance(r, Sample))


def _bytes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


THREE = {"sft.train.jsonl", "sft.valid.jsonl", "sft.test.jsonl"}
ALWAYS = THREE | {"lineage.jsonl", "README.md"}
PAIRS = {"preference.train.jsonl", "preference.valid.jsonl", "preference.test.jsonl"}


def test_only_kept_samples_in_the_files_of_their_split(tmp_path: Path) -> None:
    samples = list(_samples())
    counts = write(iter(samples), tmp_path, "messages")
    kept = [s for s in samples if s.verdict is None]
    assert 0 < len(kept) < len(samples)
    for split in ("train", "valid", "test"):
        rows = _rows(tmp_path / f"sft.{split}.jsonl")
        assert sorted(r["id"] for r in rows) == sorted(s.id for s in kept if s.split == split)
        assert counts[f"sft.{split}.jsonl"] == len(rows)
    assert [r["id"] for r in _rows(tmp_path / "lineage.jsonl")] == [s.id for s in kept]
    assert _names(tmp_path) == ALWAYS | PAIRS


def test_a_lineage_row_says_where_a_sample_comes_from(tmp_path: Path) -> None:
    lineage = Lineage(
        path="a/b.pdf",
        sha256="ab",
        chunk="c9",
        start=100,
        end=180,
        heading=("One", "Two"),
        page=3,
        quotes=(Quote(text="keeps others", start=110, end=122),),
        prompt="generate/qa.md.j2",
        prompt_sha256="cd",
        model="m",
        params={"temperature": 0.5},
        call="ef",
    )
    sample = a_sample(lineage=lineage, split="valid")
    write([sample], tmp_path, "messages")
    assert _rows(tmp_path / "lineage.jsonl") == [
        {
            "id": sample.id,
            "split": "valid",
            "recipe": "extractive",
            "document": {"path": "a/b.pdf", "sha256": "ab"},
            "chunk": {"start": 100, "end": 180, "heading": ["One", "Two"], "page": 3},
            "quotes": [{"text": "keeps others", "start": 110, "end": 122}],
            "prompt": "generate/qa.md.j2",
            "prompt_sha256": "cd",
            "model": "m",
            "params": {"temperature": 0.5},
            "call": "ef",
        }
    ]


def test_all_three_splits_exist_and_no_pairs_where_there_are_none(tmp_path: Path) -> None:
    counts = write([a_sample()], tmp_path, "messages")
    assert _names(tmp_path) == ALWAYS
    assert counts == {"sft.train.jsonl": 1, "sft.valid.jsonl": 0, "sft.test.jsonl": 0, "lineage.jsonl": 1}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_samples_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    data = made.build(made.run(300, model=True), made.facts(True))
    for folder in ("one", "two"):
        write(_samples(), tmp_path / folder, name, card_facts=data)
    before = _bytes(tmp_path / "one")
    write(_samples(), tmp_path / "one", name, card_facts=data)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two") == before


def test_files_of_an_earlier_export_do_not_stay(tmp_path: Path) -> None:
    write(_samples(), tmp_path, "messages")
    (tmp_path / "mine.txt").write_text("the user's own")
    (tmp_path / ".sft.train.jsonl.7-ab.tmp~").write_text("of a killed process")
    write([a_sample()], tmp_path, "parquet")
    assert _names(tmp_path) == {
        "sft.train.parquet",
        "sft.valid.parquet",
        "sft.test.parquet",
        "lineage.jsonl",
        "README.md",
        "mine.txt",
    }


@pytest.mark.parametrize("name", FORMATS)
def test_awkward_texts_survive_the_files(name: str, tmp_path: Path) -> None:
    samples = [
        a_sample(f"{i} {q}", a, rejected=Rejected(content=q, flaw="x")) for i, q in enumerate(AWKWARD) for a in AWKWARD
    ]
    write(samples, tmp_path, name)
    path = tmp_path / f"sft.train.{FORMATS[name].suffix}"
    rows = pl.read_parquet(path).to_dicts() if name == "parquet" else _rows(path)
    for sample, row in zip(samples, rows, strict=True):
        said = [m.content for m in FORMATS[name].from_rows([row]).messages]
        wanted = ["".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in m.content) for m in sample.messages]
        assert said == wanted


def test_what_a_format_cannot_hold_is_counted_and_named(tmp_path: Path) -> None:
    plain, tools = a_sample(), a_sample(messages=WITH_TOOLS)
    counts = write([plain, tools], tmp_path, "alpaca")
    assert counts["sft.train.jsonl"] == 1
    assert counts["not_written.jsonl"] == 1
    assert _rows(tmp_path / "not_written.jsonl") == [{"id": tools.id, "file": "sft", "reason": "alpaca: tool calls"}]
    assert "Not every kept sample is here" in (tmp_path / "README.md").read_text()
    assert [r["id"] for r in _rows(tmp_path / "lineage.jsonl")] == [plain.id]
    write([plain], tmp_path, "alpaca")
    assert "not_written.jsonl" not in _names(tmp_path)


def test_nothing_is_written_when_the_samples_break_off(tmp_path: Path) -> None:
    write([a_sample()], tmp_path, "messages")
    before = _bytes(tmp_path)

    def breaking() -> Iterator[Sample]:
        yield a_sample("Another?", "Yes.")
        raise RuntimeError("a shard is damaged")

    with pytest.raises(RuntimeError):
        write(breaking(), tmp_path, "messages")
    assert _bytes(tmp_path) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["messages", "parquet"])
def test_a_full_disk_is_said_in_three_parts_and_leaves_what_was(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    write([a_sample()], tmp_path, name)
    before = _bytes(tmp_path)
    real = Path.open

    def full(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        return real(
            Path("/dev/full") if self.name.startswith(".sft") and ".rows" not in self.name else self,
            mode,
            *args,
            **kwargs,
        )

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoppedEarly, match="disk is full"):
        write([a_sample("Other?", "Yes " * 5000)], tmp_path, name)
    monkeypatch.undo()
    assert _bytes(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as error:
        write([a_sample()], tmp_path / "file" / "export", "messages")
    assert "write the export" in error.value.what


def test_memory_does_not_grow_with_the_samples(tmp_path: Path) -> None:
    def many(n: int) -> Iterator[Sample]:
        sample = a_sample("Why? " * 40, "Because. " * 100)
        return (sample.model_copy(update={"id": f"{i:032x}"}) for i in range(n))

    peaks = []
    for n in (500, 5_000):
        tracemalloc.start()
        write(many(n), tmp_path / str(n), "messages")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5 + 200_000


class TestCard:
    def _front(self, folder: Path) -> dict[str, Any]:
        text = (folder / "README.md").read_text(encoding="utf-8")
        assert text.startswith("---\n")
        loaded = yaml.safe_load(text.split("---\n")[1])
        assert isinstance(loaded, dict)
        return loaded

    def test_names_the_files_that_have_rows(self, tmp_path: Path) -> None:
        write([a_sample(), a_sample(split="test", rejected=Rejected(content="b", flaw="f"))], tmp_path, "messages")
        front = self._front(tmp_path)
        assert front["license"] == "unknown"
        assert front["configs"] == [
            {
                "config_name": "sft",
                "default": True,
                "data_files": [
                    {"split": "train", "path": "sft.train.jsonl"},
                    {"split": "test", "path": "sft.test.jsonl"},
                ],
            },
            {"config_name": "preference", "data_files": [{"split": "test", "path": "preference.test.jsonl"}]},
        ]

    def test_says_plainly_that_no_model_was_used(self, tmp_path: Path) -> None:
        data = made.build(made.run(200), made.facts())
        write(_samples(200, model=False), tmp_path, "messages", card_facts=data)
        text = (tmp_path / "README.md").read_text()
        assert "**No language model was used.**" in text
        assert "heuristic scores, not a judge's" in text
        assert "written by a language model" not in text

    def test_names_model_judge_prompts_losses_and_ledger(self, tmp_path: Path) -> None:
        data = made.build(made.run(300, model=True), made.facts(True))
        write(_samples(), tmp_path, "messages", card_facts=data)
        text = (tmp_path / "README.md").read_text()
        assert "No language model" not in text
        assert "heuristic" not in text
        for wanted in (
            "`qwen2.5-7b-instruct`",
            "qwen2.5-32b-instruct",
            "generate/qa.md.j2",
            "near\\_duplicate",
            "requested =",
        ):
            assert wanted in text
        assert data["prompts"]["generate/qa.md.j2"] in text

    def test_carries_no_time_and_no_outside_path(self, tmp_path: Path) -> None:
        data = made.build(made.run(100, model=True), made.facts(True))
        write(_samples(100), tmp_path, "messages", card_facts=data)
        for path in tmp_path.iterdir():
            text = path.read_text(encoding="utf-8")
            for outside in ("/home/", "secret", "2026-0", "667.3", str(tmp_path)):
                assert outside not in text, (path.name, outside)

    def test_hostile_names_stay_text(self, tmp_path: Path) -> None:
        evil = "`x` | <img src=x onerror=alert(1)>\n---\n# not a heading"
        verdict = Verdict(stage="rules", reason=evil)
        facts = made.facts(True) | {"prompts": {evil: evil}, "datagen": evil}
        lineage = a_sample().lineage.model_copy(update={"model": evil})
        samples = [a_sample(lineage=lineage, recipe=evil), a_sample(verdict=verdict, recipe=evil)]
        data = made.build(iter(samples), facts)
        write(samples, tmp_path, "messages", card_facts=data)
        text = (tmp_path / "README.md").read_text()
        assert "\n# not a heading" not in text
        assert text.count("\n---\n") == 1
        html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text.split("---\n", 2)[2])
        assert "<table>" in html
        assert "<img" not in html
        self._front(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_the_datasets_library_loads_the_folder(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "export"
    samples = [
        a_sample("Plain?", "Yes."),
        a_sample("With system?", "Yes.\u2028", system=""),
        a_sample(messages=tuple(Message(role=r, content=r) for r in ("user", "assistant", "user", "assistant"))),  # type: ignore[arg-type]
        a_sample("In test?", "Yes.", split="test", rejected=Rejected(content="No.", flaw="negated")),
    ]
    write(samples, folder, name)
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 3, "test": 1}
    for sample, row in zip(samples, loaded["train"], strict=False):
        assert FORMATS[name].from_rows([row]).messages == sample.messages
    pairs = datasets.load_dataset(str(folder), "preference", cache_dir=str(tmp_path / "cache"))
    assert pairs["test"][0]["rejected"] == [{"role": "assistant", "content": "No."}]
