"""The commands, each through the real command line."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.fakeserver import fake_server
from tests.runs import ROOT, all_bytes, datagen, environment, export_bytes, kill, ledger, rows, start, write_corpus

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the project's own documentation, without a model."""
    run = tmp_path_factory.mktemp("runs") / "docs"
    done = datagen("run", "--source", DOCS, "--out", run)
    assert done.returncode == 0, done.stderr
    assert "No language model" in done.stderr
    assert "kept" in done.stdout
    return run


def texts(run: Path, columns: set[str]) -> pl.DataFrame:
    """The rows of the run's shards that have just these columns among theirs."""
    frames = [pl.read_parquet(p) for p in sorted(run.glob("*/*.parquet"))]
    return pl.concat([f.select(sorted(columns)) for f in frames if columns <= set(f.columns)])


def test_our_own_docs_give_at_least_forty_pairs_each_a_verbatim_quote(finished: Path) -> None:
    assert ledger(finished)["kept"] >= 40
    documents = {r["path"]: r["text"] for r in texts(finished, {"path", "sha256", "text", "kind"}).to_dicts()}
    lineage = {r["id"]: r for r in rows(finished / "export" / "lineage.jsonl")}
    exported = [r for split in ("train", "valid", "test") for r in rows(finished / "export" / f"sft.{split}.jsonl")]
    assert {r["id"] for r in exported} == set(lineage)
    for row in exported:
        made = lineage[row["id"]]
        answer = row["messages"][-1]["content"]
        (quote,) = made["quotes"]
        assert documents[made["document"]["path"]][quote["start"] : quote["end"]] == quote["text"] == answer
        assert made["model"] == "none (extractive rules)"


def test_chunks_are_where_they_say(finished: Path) -> None:
    documents = {r["path"]: r["text"] for r in texts(finished, {"path", "sha256", "text", "kind"}).to_dicts()}
    chunks = texts(finished, {"id", "path", "start", "end", "heading", "page", "text", "tokens"}).to_dicts()
    assert chunks
    for chunk in chunks:
        assert documents[chunk["path"]][chunk["start"] : chunk["end"]] == chunk["text"]


def test_splits_are_by_document(finished: Path) -> None:
    splits: dict[str, set[str]] = {}
    for row in rows(finished / "export" / "lineage.jsonl"):
        splits.setdefault(row["document"]["path"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == {"train", "valid", "test"}


def test_what_must_be_the_same_carries_no_date_duration_or_outside_path(finished: Path, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere"
    assert datagen("run", "--source", DOCS, "--out", again, "--set", "engine.executor=processes").returncode == 0
    assert export_bytes(again) == export_bytes(finished)
    for name, data in export_bytes(finished).items():
        assert str(ROOT).encode() not in data, name
        assert not re.search(rb"\b20\d\d-\d\d-\d\dT\d\d:", data), name


@pytest.mark.parametrize("name", ["messages", "alpaca", "sharegpt", "oasst", "parquet", "datasets"])
def test_export(finished: Path, tmp_path: Path, name: str) -> None:
    done = datagen("export", finished, "--format", name, "--out", tmp_path / "x", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)[name]["rows"]
    assert sum(n for f, n in counts.items() if f.startswith("sft")) == ledger(finished)["kept"]


def test_export_of_several_formats_at_once(finished: Path, tmp_path: Path) -> None:
    done = datagen("export", finished, "--format", "alpaca", "--format", "parquet", "--out", tmp_path / "x", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert {name: Path(one["folder"]) for name, one in made.items()} == {
        name: tmp_path / "x" / name for name in ("alpaca", "parquet")
    }
    assert all((tmp_path / "x" / name / "README.md").is_file() for name in made)


def test_export_of_pairs_where_there_are_none_says_how_to_get_some(finished: Path, tmp_path: Path) -> None:
    done = datagen("export", finished, "--format", "dpo", "--out", tmp_path / "x")
    assert done.returncode == 2
    assert "--set generator.preference.share=0.5" in done.stderr
    assert not list((tmp_path / "x").iterdir())


def test_what_cannot_be_pushed_is_said_before_anything_is_written(finished: Path, tmp_path: Path) -> None:
    for extra in (["--format", "parquet", "--push-to-hub", "a/b"], ["--public"]):
        done = datagen("export", finished, "--format", "alpaca", *extra, "--out", tmp_path / "x")
        assert done.returncode == 2
        assert not (tmp_path / "x").exists()


def test_an_unknown_format_names_the_known_ones(finished: Path) -> None:
    done = datagen("export", finished, "--format", "alpacca")
    assert done.returncode == 2
    assert "alpaca" in done.stderr


def test_report_again_writes_the_same(finished: Path) -> None:
    before = all_bytes(finished)
    done = datagen("report", finished)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == finished / "report.html"
    assert all_bytes(finished) == before


def test_status_of_a_finished_run(finished: Path) -> None:
    state = json.loads(datagen("status", finished, "--json").stdout)
    assert state["state"] == "finished"
    assert state["ledger"] == ledger(finished)
    assert "finished" in datagen("status", finished).stdout


def test_status_while_a_run_goes_on_and_after_it_was_killed(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 10)
    with fake_server(latency_ms=300) as server:
        process = start(
            "run", "--source", source, "--out", tmp_path / "run", "--base-url", server.url, "--concurrency", "2"
        )
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                done = datagen("status", tmp_path / "run", "--json")
                if done.returncode == 0 and json.loads(done.stdout)["stages"]:
                    break
                time.sleep(0.2)
            assert json.loads(done.stdout)["state"] == "running", done.stderr
        finally:
            kill(process)
    done = datagen("status", tmp_path / "run")
    assert "stopped" in done.stdout
    assert "continues" in done.stdout


def test_status_after_a_kill_between_the_last_work_and_the_end(tmp_path: Path) -> None:
    source, run = write_corpus(tmp_path / "docs", 2), tmp_path / "run"
    with fake_server() as server:
        again = ("run", "--source", source, "--out", run, "--base-url", server.url)
        assert datagen(*again).returncode == 0
        events = run / "events.jsonl"
        kept = [line for line in events.read_text().splitlines() if '"finished"' not in line]
        events.write_text("\n".join(kept) + "\n")
        assert json.loads(datagen("status", run, "--json").stdout)["state"] == "stopped"
        assert datagen(*again).returncode == 0
        assert json.loads(datagen("status", run, "--json").stdout)["state"] == "finished"
        before = all_bytes(run)
        assert datagen(*again).returncode == 0
    assert all_bytes(run) == before


def test_how_work_is_spread_changes_nothing_but_where_it_is_written_down(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 6)
    (source / "near.md").write_text((source / "doc-0003.md").read_text() + "One more line.\n")
    with fake_server() as server:
        base = ("run", "--source", source, "--base-url", server.url)
        assert datagen(*base, "--out", tmp_path / "run").returncode == 0
        run, asked = all_bytes(tmp_path / "run"), server.stats()["requests"]
        spread = ("--concurrency", "3", "--set", "client.attempts=9", "--set", "engine.workers=2")
        assert datagen(*base, "--out", tmp_path / "run", *spread).returncode == 0
        assert server.stats()["requests"] == asked
        after = all_bytes(tmp_path / "run")
        assert {name for name in run.keys() | after.keys() if run.get(name) != after.get(name)} == {"run.yaml"}
        was, now = (yaml.safe_load(files["run.yaml"]) for files in (run, after))
        assert now["config"]["client"]["concurrency"] == 3
        assert {k: v for k, v in was.items() if k != "config"} == {k: v for k, v in now.items() if k != "config"}
        one = ("--set", "engine.window=1", "--set", "engine.shard_files=1")
        other = ("--set", "engine.executor=processes", "--set", "engine.workers=2", *one)
        assert datagen(*base, "--out", tmp_path / "other", *other).returncode == 0
    assert len(list((tmp_path / "other").glob("00-load-*/*.parquet"))) == 7
    assert export_bytes(tmp_path / "other") == export_bytes(tmp_path / "run")
    assert ledger(tmp_path / "run")["requested"] > 0


def test_a_password_in_an_address_is_written_nowhere(tmp_path: Path) -> None:
    source, run = write_corpus(tmp_path / "docs", 1), tmp_path / "run"
    with fake_server() as server:
        url = server.url.replace("://", "://someone:s3cr3t-word@") + "?token=s3cr3t-word"
        done = datagen("run", "--source", source, "--out", run, "--base-url", url, "--set", f"judge.base_url={url}")
        assert done.returncode == 0, done.stderr
        doctor = datagen("doctor", "--base-url", url)
    for name, data in all_bytes(run).items():
        assert b"s3cr3t" not in data, name
    assert "s3cr3t" not in done.stdout + done.stderr + doctor.stdout + doctor.stderr
    assert datagen("report", run).returncode == 0


def test_json_output(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 3)
    with fake_server() as server:
        done = datagen("run", "--source", source, "--out", tmp_path / "run", "--base-url", server.url, "--json")
    summary = json.loads(done.stdout)
    assert summary["ledger"] == ledger(tmp_path / "run")
    assert Path(summary["report"]).is_file()


def test_target_keeps_exactly_so_many_and_says_when_it_cannot(tmp_path: Path) -> None:
    few = datagen("run", "--source", DOCS, "--out", tmp_path / "a", "--target", "10")
    assert few.returncode == 0, few.stderr
    assert ledger(tmp_path / "a")["kept"] == 10
    many = datagen("run", "--source", DOCS, "--out", tmp_path / "b", "--target", "100000")
    assert many.returncode == 1
    assert "100,000 were asked for" in many.stdout


def test_init_then_run_with_no_argument(tmp_path: Path) -> None:
    assert datagen("init", cwd=tmp_path).returncode == 0
    (tmp_path / "docs" / "page.md").write_text((DOCS / "concepts.md").read_text())
    done = datagen("run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "docs" / "export" / "sft.train.jsonl").is_file()
    config = yaml.safe_load((tmp_path / "runs" / "docs" / "run.yaml").read_text())
    assert config["config"]["generator"]["examples"].endswith("examples.jsonl")


def test_doctor() -> None:
    plain = json.loads(datagen("doctor", "--json").stdout)
    assert plain["would_use"] == "extractive"
    with fake_server(models=["a-model"]) as server:
        found = json.loads(datagen("doctor", "--base-url", server.url, "--json").stdout)
        assert found["endpoint"]["models"] == ["a-model"]
        assert found["would_use"] == "openai"
        assert "a-model" in datagen("doctor", "--base-url", server.url).stdout
    gone = datagen("doctor", "--base-url", "http://127.0.0.1:9/v1")
    assert gone.returncode == 0
    assert "127.0.0.1:9" in gone.stdout


def test_every_command_has_help_with_an_example() -> None:
    for command in ("init", "run", "status", "report", "export", "doctor"):
        done = datagen(command, "--help")
        assert done.returncode == 0
        assert "Example" in done.stdout
        assert f"datagen {command}" in done.stdout


def test_on_a_terminal_there_is_a_live_view_with_a_bar_a_stage(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 12)
    (source / "title\x1b]0;taken\x07.bin").write_bytes(bytes(range(256)))
    with fake_server(latency_ms=150) as server:
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "datagen", "run", "--source", source, "--out", tmp_path / "run",
             "--base-url", server.url, "--concurrency", "2", "--set", "engine.shard_files=3"],
            env=environment(TERM="xterm-256color"), stdout=subprocess.DEVNULL, stderr=slave, stdin=slave,
        )  # fmt: skip
        os.close(slave)
        seen = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
        assert process.wait() == 0
    screen = seen.decode(errors="replace")
    for stage in ("load", "chunk", "generate", "judge"):
        assert stage in screen
    assert "━" in screen
    assert "tokens" in screen
    assert "left" in screen
    assert "]0;taken" in screen
    assert "\x1b]0;taken" not in screen, "a file's name must not reach the terminal as an escape sequence"


def test_a_multi_source_run_and_odd_files_are_named(tmp_path: Path) -> None:
    one, two = write_corpus(tmp_path / "one", 2), write_corpus(tmp_path / "two", 2, seed=1)
    (one / ".hidden.md").write_text("# Secret")
    (one / "blob.bin").write_bytes(bytes(range(256)))
    (two / "out.md").symlink_to(ROOT / "README.md")
    with fake_server() as server:
        done = datagen("run", "--source", one, "--source", two, "--out", tmp_path / "run", "--base-url", server.url)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert {d["path"] for d in report["documents"]} == {f"{s}/doc-{i:04d}.md" for s in ("one", "two") for i in (0, 1)}
    assert {s["path"] for s in report["skipped"]} == {"one/.hidden.md", "one/blob.bin", "two/out.md"}
    for name in ("one/.hidden.md", "one/blob.bin", "two/out.md"):
        assert name in done.stderr
