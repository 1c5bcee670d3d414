"""The export folder: rows, lineage, card; whole or not at all; nothing stale; the same bytes every time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from markdown_it import MarkdownIt

from datagen.core.errors import StoppedEarly, UsageError
from datagen.core.record import Candidate, Lineage, Message, Quote, Rejected, Sample, Verdict
from datagen.output import export
from datagen.output.formats import FORMATS, CannotHold
from datagen.output.formats_tree import threads_of
from datagen.output.text import scrub
from tests.output import made
from tests.output.made import a_sample
from tests.output.test_formats import AWKWARD, CLOCK, WITH_TOOLS


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
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


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
    form = FORMATS[name]
    path = tmp_path / ("sft/train-00000-of-00001.parquet" if form.folders else f"{form.part}.train.{form.suffix}")
    rows = pl.read_parquet(path).to_dicts() if form.suffix == "parquet" else _rows(path)
    if form.merged:  # a tree has its own order
        samples.sort(key=lambda s: scrub("\n".join(m.content for m in s.messages)))
        read = [parts.messages for row in rows for parts in threads_of(row)]
        read.sort(key=lambda messages: "\n".join(m.content for m in messages))
    else:
        step = form.rows_a_sample
        read = [form.from_rows(rows[i : i + step]).messages for i in range(0, len(rows), step)]
    for said, sample in zip(read, samples, strict=True):
        wanted = ["".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in m.content) for m in sample.messages]
        assert [m.content for m in said] == wanted


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

    def test_says_what_is_inside_by_recipe_family_and_flaw(self, tmp_path: Path) -> None:
        samples = [
            *(a_sample(f"Q{i}?", "Yes.", recipe="tasks", family="summarisation") for i in range(3)),
            a_sample("Other?", "Yes.", recipe="tasks", family="topic"),
            *(
                a_sample(f"P{i}?", "Yes.", recipe="preference", rejected=Rejected(content="No.", flaw=flaw))
                for i, flaw in enumerate(["off_topic", "off_topic", ""])
            ),
        ]
        write(samples, tmp_path, "messages")
        text = (tmp_path / "README.md").read_text()
        for row in (
            "| recipes | preference (3 rows), tasks (4 rows) |",
            "| task families | summarisation (3 rows), topic (1 rows) |",
            "| flaws of rejected replies | unnamed (1 pairs), off\\_topic (2 pairs) |",
        ):
            assert row in text
        write([a_sample()], tmp_path, "messages")
        text = (tmp_path / "README.md").read_text()
        assert "| task families |" not in text
        assert "| flaws" not in text

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
@pytest.mark.parametrize("shard_rows", [0, 2])
@pytest.mark.parametrize("name", FORMATS)
def test_the_datasets_library_loads_the_folder(name: str, shard_rows: int, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    folder, form = tmp_path / "export", FORMATS[name]
    bad = Rejected(content="No.", flaw="negated")
    turns = ("user", "assistant", "user", "assistant")
    samples = [
        a_sample("Plain?", "Yes."),
        a_sample("With system?", "Yes.\u2028", system="", rejected=bad),
        a_sample(messages=tuple(Message(role=r, content=r) for r in turns)),  # type: ignore[arg-type]
        a_sample(messages=WITH_TOOLS, tools=(CLOCK,)),
        a_sample("In test?", "Yes.", split="test", rejected=bad),
    ]
    samples += [a_sample(f"Pair {i}?", "Yes.", rejected=bad) for i in range(4)]
    write(samples, folder, name, shard_rows=shard_rows)
    for part in ("sft", "preference"):
        row_form = form if form.part == part else FORMATS["dpo" if part == "preference" else "messages"]
        wanted: dict[str, list[Sample]] = {"train": [], "test": []}
        for sample in samples:
            if part == "sft" or sample.rejected:
                with contextlib.suppress(CannotHold):
                    row_form.to_rows(sample)
                    wanted[sample.split].append(sample)
        loaded = datasets.load_dataset(str(folder), part, cache_dir=str(tmp_path / "cache"))
        assert set(loaded) == {"train", "test"}
        for split, rows in loaded.items():
            each = row_form.rows_a_sample
            assert rows.num_rows == each * len(wanted[split])
            for i, sample in enumerate(wanted[split]):
                found = row_form.from_rows([rows[i * each + j] for j in range(each)])
                assert (found.messages, found.tools) == (sample.messages, sample.tools)
    default = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert default["train"].column_names == datasets.load_dataset(str(folder), "sft")["train"].column_names


def test_several_formats_from_one_reading(tmp_path: Path) -> None:
    samples = [a_sample(), a_sample("Why?", "So.", rejected=Rejected(content="No.", flaw="f"))]
    targets = {name: tmp_path / name for name in FORMATS}
    export.write_exports(iter(samples), targets)
    for name in FORMATS:
        write(samples, tmp_path / "alone", name)
        assert _bytes(tmp_path / "alone") == _bytes(tmp_path / name)
    assert (tmp_path / "alpaca" / "preference.train.jsonl").read_bytes() == (
        tmp_path / "dpo" / "preference.train.jsonl"
    ).read_bytes()
    assert (tmp_path / "kto" / "sft.train.jsonl").read_bytes() == (tmp_path / "messages/sft.train.jsonl").read_bytes()


def test_a_pair_is_in_the_preference_files_alone_and_a_sample_with_a_rejected_reply_in_both(tmp_path: Path) -> None:
    bad = Rejected(content="No.", flaw="f")
    parent = a_sample("Why?", "So.", recipe="qa")
    pair = parent.model_copy(update={"id": "p" * 32, "recipe": "preference", "rejected": bad, "parent": parent.id})
    gold = a_sample("Where?", "Here.", recipe="gold", rejected=bad)
    write([parent, pair, gold], tmp_path, "messages")
    assert {r["id"] for r in _rows(tmp_path / "sft.train.jsonl")} == {parent.id, gold.id}
    assert {r["id"] for r in _rows(tmp_path / "preference.train.jsonl")} == {pair.id, gold.id}
    assert [r["id"] for r in _rows(tmp_path / "lineage.jsonl")] == [parent.id, pair.id, gold.id]


@pytest.mark.parametrize("name", ["dpo", "dpo-plain", "kto", "ranked"])
def test_no_pairs_says_how_to_get_some(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        write([a_sample()], tmp_path / name, name, pairs_wanted=True)
    assert "generator.preference.share" in error.value.fix
    assert _names(tmp_path / name) == set()
    write([a_sample()], tmp_path, name)
    assert _names(tmp_path) - {name} == ALWAYS


def test_candidates_are_pairs_where_replies_are_ranked(tmp_path: Path) -> None:
    ranked = (Candidate(content="So.", score=5), Candidate(content="No.", score=1))
    write([a_sample("Why?", "So.", ranked=ranked)], tmp_path, "ranked", pairs_wanted=True)
    assert _rows(tmp_path / "preference.train.jsonl")[0]["scores"] == [5.0, 1.0]
    write([a_sample("Why?", "So.", ranked=ranked)], tmp_path, "messages")
    assert "preference.train.jsonl" not in _names(tmp_path)


@pytest.mark.parametrize("name", ["messages", "kto", "parquet", "datasets"])
def test_shards_hold_the_rows_in_order(name: str, tmp_path: Path) -> None:
    samples = [a_sample(f"{i}?", "Yes.", rejected=Rejected(content="No.", flaw="f")) for i in range(7)]
    counts = write(samples, tmp_path, name, shard_rows=4)
    write(samples, tmp_path / "whole", name)
    form = FORMATS[name]

    def stored(folder: Path) -> list[Any]:
        middle = "sft/train" if form.folders else f"{form.part}.train"
        files = sorted(folder.glob(f"{middle}*.{form.suffix}"))
        return [r for f in files for r in (pl.read_parquet(f).to_dicts() if form.suffix == "parquet" else _rows(f))]

    assert stored(tmp_path) == stored(tmp_path / "whole") != []
    shards = {f: n for f, n in counts.items() if "train" in f and f.startswith(form.part)}
    assert list(shards.values()) == ([4, 4, 4, 2] if name == "kto" else [4, 3])
    assert all(f"-{i:05}-of-{len(shards):05}." in f for i, f in enumerate(shards))
    write(samples[:1], tmp_path, name, shard_rows=4)
    assert not set(shards) & _bytes(tmp_path).keys(), "the shards of another count do not stay"


def test_families_are_spread_over_a_file(tmp_path: Path) -> None:
    families = ["summarisation"] * 60 + ["translation"] * 30 + ["extraction"] * 10
    samples = [a_sample(f"{i}?", family=f, recipe="tasks") for i, f in enumerate(families)]
    write(samples, tmp_path, "messages")
    rows = _rows(tmp_path / "sft.train.jsonl")
    for start in range(0, 100, 10):
        found = Counter(r["family"] for r in rows[start : start + 10])
        assert abs(found["summarisation"] - 6) <= 1
        assert abs(found["translation"] - 3) <= 1
        assert abs(found["extraction"] - 1) <= 1
    asked = [r["messages"][0]["content"] for r in rows if r["family"] == "summarisation"]
    assert asked == [f"{i}?" for i in range(60)]
