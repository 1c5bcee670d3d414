"""What goes wrong says what, why and how to fix it in three lines, with the right exit code, and can be continued."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakeserver import fake_server
from tests.runs import ROOT, datagen, environment, ledger, write_corpus


def three_lines(text: str) -> str:
    """The last three lines are what, why and fix; returns the first."""
    lines = text.strip().splitlines()[-3:]
    assert lines[0].startswith("Error: "), text
    assert lines[1].startswith("  why: ")
    assert lines[2].startswith("  fix: ")
    assert "Traceback" not in text
    return lines[0]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "docs", 4)


def test_an_unreachable_endpoint(source: Path, tmp_path: Path) -> None:
    done = datagen(
        "run", "--source", source, "--out", tmp_path / "run", "--base-url", "http://127.0.0.1:9/v1", timeout=30
    )
    assert done.returncode == 2
    assert "127.0.0.1:9" in three_lines(done.stderr)


def test_a_wrong_key_and_the_key_is_never_shown(source: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with fake_server(key="right-key") as server:
        args = ("run", "--source", source, "--out", run, "--base-url", server.url)
        done = datagen(*args, OPENAI_API_KEY="wrong-key-123")
        assert done.returncode == 2
        three_lines(done.stderr)
        assert "wrong-key-123" not in done.stderr + done.stdout
        assert datagen(*args, OPENAI_API_KEY="right-key").returncode == 0
    for path in run.rglob("*"):
        if path.is_file():
            assert b"right-key" not in path.read_bytes(), path


def test_an_unknown_model_and_several_models(source: Path, tmp_path: Path) -> None:
    with fake_server(models=["small", "large"]) as server:
        args = ("run", "--source", source, "--out", tmp_path / "run", "--base-url", server.url)
        unknown = datagen(*args, "--model", "medium")
        assert unknown.returncode == 2
        three_lines(unknown.stderr)
        assert "small" in unknown.stderr
        several = datagen(*args)
        assert several.returncode == 2
        three_lines(several.stderr)
        assert "small" in several.stderr
        assert "large" in several.stderr
        assert datagen(*args, "--model", "small").returncode == 0


def test_an_endpoint_that_dies_in_the_middle(source: Path, tmp_path: Path) -> None:
    args = (
        "run",
        "--source",
        source,
        "--out",
        tmp_path / "run",
        "--set",
        "client.attempts=2",
        "--set",
        "client.backoff_s=0.05",
    )
    slow = (
        "--set",
        "engine.shard_files=1",
        "--set",
        "engine.window=1",
        "--concurrency",
        "1",
        "--set",
        "client.timeout_s=1",
    )
    with fake_server(latency_ms=80) as server:
        import threading

        threading.Timer(3.0, server.stop).start()
        done = datagen(*args, *slow, "--base-url", server.url)
        url = server.url
    assert done.returncode == 3, done.stderr
    three_lines(done.stderr)
    with fake_server(port=url.rsplit(":", 1)[1].split("/")[0]) as server:
        assert datagen(*args, "--base-url", server.url).returncode == 0
    assert ledger(tmp_path / "run")["kept"] > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chunk:\n  token: 100\n", "chunk.tokens"),
        ("chunks:\n  tokens: 100\n", "chunk"),
        ("chunk: {tokens: many}\n", "chunk.tokens"),
        ("chunk:\n\ttokens: 3\n", "line 2"),
        ("- a\n- b\n", "mapping"),
        ("seed: 1\nchunk: {tokens: 5}\n", "greater"),
        ("a: &a [*a]\n", "Unknown key"),
        ("\x00\x01", "not valid YAML"),
    ],
)
def test_a_malformed_configuration(source: Path, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    done = datagen("run", "--source", source, "--config", file, "--out", tmp_path / "run")
    assert done.returncode == 2
    three_lines(done.stderr)
    assert said in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "setting", ["chunk.token=3", "nonsense", "chunk.tokens=x", "=3", "chunk=3", "chunk.tokens.deep=1"]
)
def test_a_malformed_override(source: Path, tmp_path: Path, setting: str) -> None:
    done = datagen("run", "--source", source, "--out", tmp_path / "run", "--set", setting)
    assert done.returncode == 2
    three_lines(done.stderr)


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for args in ((), ("--source", "empty"), ("--source", "missing")):
        done = datagen("run", *args, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        three_lines(done.stderr)
    assert not (tmp_path / "runs").exists()


def test_a_place_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = datagen("run", "--source", source, "--out", tmp_path / "file" / "run")
    assert done.returncode == 2
    three_lines(done.stderr)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder nobody can write to, root included."""
    folder = tmp_path / "sealed"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], capture_output=True, check=False
    ).returncode:
        folder.chmod(0o500)
        try:
            (folder / "probe").touch()
        except OSError:
            pass
        else:
            pytest.skip("this user can write everywhere and cannot mount: no read-only folder can be made")
        yield folder
        folder.chmod(0o700)
        return
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_read_only_folder(source: Path, read_only: Path) -> None:
    done = datagen("run", "--source", source, "--out", read_only / "run")
    assert done.returncode == 2
    three_lines(done.stderr)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("this user cannot mount: no small disk can be made (the file size limit is tested instead)")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("with_model", [False, True])
def test_a_full_disk_and_then_more_room(tmp_path: Path, small_disk: Path, with_model: bool) -> None:
    source = write_corpus(tmp_path / "many", 60)
    with fake_server() as server:
        args = ["run", "--source", source, "--out", small_disk / "run", "--set", "engine.shard_files=4"]
        args += ["--base-url", server.url] if with_model else ["--set", "judge.threshold=1"]
        done = datagen(*args)
        assert done.returncode == 3, done.stderr
        assert "isk is full" in done.stderr
        three_lines(done.stderr)
        subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
        done = datagen(*args)
        assert done.returncode in (0, 1), done.stderr  # made-up pages may leave the rules nothing to keep
    assert ledger(small_disk / "run")["requested"] == sum(
        (lambda c: [c["kept"], *c["rejected"].values(), *c["failed"].values()])(ledger(small_disk / "run"))
    )


def test_a_file_size_limit_is_a_full_disk_too(source: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "datagen", "run", "--source", source, "--out", tmp_path / "run"],
        cwd=ROOT,
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    three_lines(done.stderr)


def test_a_second_process_on_the_same_run(source: Path, tmp_path: Path) -> None:
    from datagen.engine.store import Store

    with Store(tmp_path / "run").locked():
        done = datagen("run", "--source", source, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "in use" in three_lines(done.stderr)


def test_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    assert datagen("run", "--nonsense").returncode == 2
    assert datagen("nonsense").returncode == 2
    assert datagen("report", tmp_path / "missing").returncode == 2
    assert datagen("status", tmp_path).returncode == 2
    assert datagen("export", tmp_path, "--format", "messages").returncode == 2


@pytest.mark.parametrize(
    "option", [("--model", "m"), ("--judge-model", "m"), ("--set", "judge.base_url=http://127.0.0.1:9/v1")]
)
def test_a_model_without_an_endpoint_is_not_silently_replaced_by_rules(
    source: Path, tmp_path: Path, option: tuple[str, str]
) -> None:
    done = datagen("run", "--source", source, "--out", tmp_path / "run", *option)
    assert done.returncode == 2
    assert "no endpoint" in three_lines(done.stderr)
    assert not (tmp_path / "run").exists()


def test_a_mistyped_prompt_override_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts" / "generate").mkdir(parents=True)
    (tmp_path / "prompts" / "generate" / "q.md.j2").write_text("=== user ===\nHello")
    done = datagen(
        "run", "--source", source, "--out", tmp_path / "run", "--set", f"generator.prompts={tmp_path / 'prompts'}"
    )
    assert done.returncode == 2
    three_lines(done.stderr)
    assert "generate/qa.md.j2" in done.stderr


def test_wrong_options_say_what_why_and_fix_too() -> None:
    for args in (("run", "--nonsense"), ("nonsense",), ("run", "--target", "-1"), ("export",)):
        three_lines(datagen(*args).stderr)
