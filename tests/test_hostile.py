"""Hands that edit a run folder, names that mean more than they say, and files that are not what they should be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from datagen import config, finished, results, state
from datagen.core.errors import DatagenError, UsageError
from datagen.llm import problems
from datagen.llm.openai import OpenAIBackend
from tests.runs import all_bytes, datagen, environment, ledger, rows
from tests.test_errors import three_lines


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, in folders whose names a shell or a library might take for patterns."""
    root = tmp_path_factory.mktemp("hostile")
    source = root / "docs [1]*"
    source.mkdir()
    for i in range(3):
        (source / f"new\nline{i}.md").write_text(
            f"# Title {i}\n\n## Valve\n\nA valve{i} is a device that holds back the flow of {i + 7} litres of oil.\n"
        )
    done = datagen("run", "--source", source, "--out", "~/run[x]?", cwd=root, HOME=str(root))
    assert done.returncode == 0, done.stderr
    return root / "~" / "run[x]?"


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to break."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def edited(path: Path, change: Callable[[Any], Any]) -> None:
    is_yaml = path.suffix == ".yaml"
    tree = yaml.safe_load(path.read_text()) if is_yaml else json.loads(path.read_text())
    tree = change(tree) or tree
    path.write_text(yaml.safe_dump(tree) if is_yaml else json.dumps(tree))


def test_folders_with_pattern_characters_are_plain_folders(whole: Path) -> None:
    assert ledger(whole)["kept"] == 3
    found = results.export(whole, ["parquet"], None)["parquet"]
    target, counts = found.folder, found.rows
    assert sum(n for name, n in counts.items() if name.startswith("sft.")) == 3
    assert (target / "sft.train.parquet").is_file()
    for row in rows(whole / "export" / "lineage.jsonl"):
        assert row["document"]["path"].startswith("new\nline")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: [d],
        lambda d: d.pop("nodes") and None,
        lambda d: d.update(nodes=[None]),
        lambda d: d.update(nodes="all"),
        lambda d: d.update(skipped=[1]),
        lambda d: d["nodes"][-1].update(folder="../other"),
        lambda d: d["nodes"][-1].update(folder="/etc"),
        lambda d: d["nodes"][-1].update(shards=["../../x"]),
        lambda d: d["nodes"][-1].update(shards=[1, None]),
    ],
)
def test_an_edited_list_of_shards_is_refused_and_written_again(run: Path, change: Callable[[Any], Any]) -> None:
    before = (run / "shards.json").read_text()
    edited(run / "shards.json", change)
    with pytest.raises(UsageError, match="no finished run"):
        results.report(run)
    with pytest.raises(UsageError, match="no finished run"):
        results.export(run, ["alpaca"], None)
    (run / "shards.json").write_text(before)
    results.report(run)


@pytest.mark.parametrize("key", ["datagen", "model", "judge", "rounds", "gave_up", "prompts", "usage", "timing"])
@pytest.mark.parametrize("value", [[1], {"a": []}, ...])
def test_an_edited_run_file_is_refused(run: Path, key: str, value: Any) -> None:
    edited(run / "run.yaml", lambda d: d.pop(key) and None if value is ... else d.update({key: value}))
    with pytest.raises(UsageError, match="no finished run"):
        results.report(run)


@pytest.mark.parametrize(
    "text", ["{", "\0", "timing: zzz", "timing: {seconds: x}", "timing: {started: 2020-01-01}", "[]"]
)
def test_a_damaged_run_file_does_not_stop_the_run(run: Path, text: str) -> None:
    (run / "run.yaml").write_text(text)
    assert state.read_timing(run) is None
    if text == "{":
        source = run.parent / "docs"
        source.mkdir()
        (source / "a.md").write_text("# A\n\nA valve is a device that holds back the flow of oil in a pipe.\n")
        assert datagen("run", "--source", source, "--out", run).returncode == 0
        assert yaml.safe_load((run / "run.yaml").read_text())["timing"]["sessions"] == 1
        same = all_bytes(run)
        assert datagen("run", "--source", source, "--out", run).returncode == 0
        assert all_bytes(run) == same


@pytest.mark.parametrize(
    "text",
    [
        "\x00\n[1]\nnull\n{}\n",
        '{"event": "progress"}\n',
        '{"event": "progress", "stages": [1]}\n',
        '{"event": "progress", "stages": [{"stage": "a", "shards": 1, "done": "x", "rejected": [1]}]}\n',
        "[" * 100_000 + "\n",
    ],
)
def test_the_status_of_garbage(run: Path, text: str) -> None:
    (run / "events.jsonl").write_text(text)
    assert "stopped" in finished.status_text(finished.status(run))


@pytest.mark.parametrize("text", ["[]", '"x"', "{}", '{"kept": "a", "requested": null}', "[" * 100_000])
def test_a_damaged_ledger_and_report(run: Path, text: str) -> None:
    (run / "ledger.json").write_text(text)
    assert finished.status(run)["ledger"] is None
    finished.status_text(finished.status(run))
    if text not in ("{}", '{"kept": "a", "requested": null}'):
        (run / "report.json").write_text(text)
        with pytest.raises(UsageError, match=r"report\.json"):
            results.export(run, ["alpaca"], None)
    results.report(run)
    assert finished.status(run)["ledger"]["kept"] == 3
    results.export(run, ["alpaca"], None)


@pytest.mark.parametrize("command", ["status", "report", "export"])
@pytest.mark.parametrize("folder", ["x" * 400, "\udcff", "", "/dev/null"])
def test_folders_that_are_no_runs(command: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ask: dict[str, Callable[[Path], Any]] = {
        "status": finished.status,
        "report": results.report,
        "export": lambda path: results.export(path, ["alpaca"], None),
    }
    with pytest.raises(UsageError):
        ask[command](Path(folder))


def test_an_export_overwrites_no_readme_of_others(run: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "README.md").write_text("mine")
    with pytest.raises(UsageError, match=r"README\.md"):
        results.export(run, ["alpaca"], project)
    assert [p.name for p in project.iterdir()] == ["README.md"]
    for _ in range(2):
        results.export(run, ["alpaca"], tmp_path / "new")


def test_a_folder_in_the_place_of_the_event_log(run: Path) -> None:
    (run / "events.jsonl").unlink()
    (run / "events.jsonl").mkdir()
    source = run.parent / "docs"
    source.mkdir()
    (source / "a.md").write_text("# A\n\nA valve is a device that holds back the flow of oil in a pipe.\n")
    done = datagen("run", "--source", source, "--out", run)
    assert done.returncode == 2
    assert "events.jsonl" in three_lines(done.stderr)


@pytest.mark.parametrize(
    ("closed", "code"), [(">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0), (">/dev/full", 3), ("2>/dev/full", 3)]
)
def test_standard_streams_that_are_closed_or_full(closed: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nA valve is a device that holds back the flow of oil in a pipe.\n")
    command = f"{sys.executable} -m datagen run --source docs --out run {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if "2>/dev/full" not in closed:
        assert ledger(tmp_path / "run")["kept"] == 1


@pytest.mark.parametrize(
    "override",
    [
        "sources.timeout_s=.inf",
        "sources.timeout_s=1.0e+300",
        "sources.memory_mb=99999999999999999999",
        "client.timeout_s=.nan",
        "client.concurrency=100000000000000000000000",
        "curation.dedupe.ngram=256",
        "curation.dedupe.num_perm=1000000000",
    ],
)
def test_numbers_no_machine_can_work_with(override: str) -> None:
    with pytest.raises(UsageError, match="not usable"):
        config.load(None, [override])


@pytest.mark.parametrize("text", ["seed: 2020-99-99\n", "seed: " + "9" * 5000 + "\n", "a: " + "[" * 5000, "a: \udcff"])
def test_yaml_that_python_cannot_hold(text: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match="not valid YAML"):
        config.load(file)


def test_a_section_with_every_key_commented_out(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("chunk:\n  # tokens: 300\ngenerator:\n  model: m\n")
    assert config.load(file) == config.load(None, ["generator.model=m"])


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "http://xn--\udcff/", "http://" + "a" * 300 + ".com/v1", "http://x:99999", "http://", "ftp://x"],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(DatagenError, match="no address"):
        OpenAIBackend(url)
    assert "[::1" not in str(problems.redirected("http://a/v1", url))
