"""Real vLLM (its CPU build) with a tiny model made on the spot, started and minded by ``datagen run``.

``DATAGEN_TEST_VLLM_PYTHON`` names the Python of an environment with vLLM; ``make test-vllm`` makes one and says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.runs import all_bytes, datagen, ledger, logged_calls, rows, start, write_corpus
from tests.vllm.support import alive, until

PYTHON = os.environ.get("DATAGEN_TEST_VLLM_PYTHON", "")
IN_FLIGHT = 64
START_S = 300.0
# Short ones, as the tiny model computes each token on a CPU; the shipped ones are not what is tested here.
PROMPTS = {
    "generate/qa.md.j2": (
        "---\ndescription: Short.\ninputs: [examples, passages, avoid, slots]\n---\n=== system ===\nAsk and answer.\n"
        "=== user ===\n{% for passage in passages %}{{ passage.text }}{% endfor %}\n"
    ),
    "generate/style.md.j2": (
        "---\ndescription: Short.\ninputs: [title, heading, paragraphs, examples, avoid]\n---\n=== system ===\n"
        "Write instructions.\n=== user ===\n{% for paragraph in paragraphs %}{{ paragraph.text }}{% endfor %}\n"
    ),
}
ARGS = {
    "dtype": "float32",
    "enforce_eager": True,
    "max_model_len": 2048,
    "max_num_seqs": IN_FLIGHT,
    "gpu_memory_utilization": 0.1,
    "block_size": 32,
    "enable_chunked_prefill": False,  # a seeded request whose prefill is split ends the engine on a CPU
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not PYTHON, reason="DATAGEN_TEST_VLLM_PYTHON names no Python with vLLM; see `make test-vllm`"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    maker = Path(__file__).with_name("tiny_model.py")
    subprocess.run([PYTHON, maker, folder], check=True, capture_output=True, timeout=300)
    return folder


def command(model: Path, source: Path, run: Path, *more: str) -> list[str]:
    prompts = run.with_name("prompts")
    for name, text in PROMPTS.items():
        (prompts / name).parent.mkdir(parents=True, exist_ok=True)
        (prompts / name).write_text(text)
    sets = {
        "generator.backend": "vllm",
        "generator.vllm.command": json.dumps([str(Path(PYTHON).with_name("vllm"))]),
        "generator.vllm.args": json.dumps(ARGS),
        "generator.vllm.env": json.dumps({"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}),
        "generator.vllm.adapters": json.dumps({"mine": str(model / "adapter")}),
        "generator.vllm.adapter": "mine",
        "generator.prompts": str(prompts),
        "generator.recipes": "{qa: 1, style: 1}",
        "generator.samples_per_chunk": "1",
        "generator.shots": "0",
        "generator.max_tokens": "400",
        "chunk.tokens": "200",
        "judge.enabled": "false",
        "limits.max_failed": "1",
    }
    told = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    out = ["run", "--source", str(source), "--out", str(run), "--model", str(model)]
    return [*out, "--concurrency", str(IN_FLIGHT), *told, *more]


class Processes:
    """What runs of a server: found by the model that it was told to serve."""

    def __init__(self, model: Path) -> None:
        self._model = str(model)

    def server(self) -> tuple[int, list[str]] | None:
        """The server's process id and command line."""
        for pid, words in self._told():
            if "--port" in words and not any("vllm_keeper" in word for word in words):
                return pid, words
        return None

    def all(self) -> list[int]:
        """The keepers, and everything in the server's session."""
        found = {pid for pid, _ in self._told()}
        server = self.server()
        if server is not None:
            found |= {pid for pid in _pids() if _session(pid) == server[0]}
        return sorted(found)

    def engine(self) -> int | None:
        """The process that computes."""
        return next((pid for pid in self.all() if _read(pid, "comm").startswith(b"VLLM::EngineCor")), None)

    def waiting(self) -> float:
        """Requests in the server now."""
        server = self.server()
        if server is None:
            return 0.0
        port = server[1][server[1].index("--port") + 1]
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as got:
            return sum(
                map(float, re.findall(rb"^vllm:num_requests_(?:running|waiting)\{.*\} (\S+)$", got.read(), re.M))
            )
        return 0.0

    def _told(self) -> list[tuple[int, list[str]]]:
        lines = [(pid, _read(pid, "cmdline").decode("utf-8", "replace").split("\0")) for pid in _pids()]
        return [(pid, words) for pid, words in lines if self._model in words and "--served-model-name" in words]


def replies(run: Path) -> dict[str, tuple[str, str]]:
    """How each logged reply ended, and its text, by the key of its call."""
    with contextlib.closing(sqlite3.connect(run / "calls.sqlite")) as db:
        return {key: (finish, text) for key, finish, text in db.execute("SELECT key, finish, text FROM calls")}


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and alive(int(entry.name))]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _session(pid: int) -> int:
    after = _read(pid, "stat").rpartition(b")")[2].split()
    return int(after[3]) if len(after) > 3 else 0


def test_a_run_on_real_vllm_survives_the_death_of_datagen_and_of_the_engine(tmp_path: Path, model: Path) -> None:
    source, run, there = write_corpus(tmp_path / "docs", 40), tmp_path / "run", Processes(model)
    told = command(model, source, run)

    # Killed at work, datagen leaves nothing behind.
    process = start(*told)
    most = 0.0

    def at_work() -> bool:
        nonlocal most
        most = max(most, there.waiting())
        assert process.poll() is None, process.communicate()[1]
        return most >= IN_FLIGHT and logged_calls(run) > 20

    until(at_work, START_S)
    left = there.all()
    assert there.engine() in left
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not any(map(alive, left)) and not there.all())
    answered = replies(run)

    # Started again it goes on, also when the engine is killed under it.
    process = start(*told)
    until(lambda: logged_calls(run) > len(answered) + 20 or process.poll() is not None, START_S)
    engine = there.engine()
    assert engine is not None, process.communicate()[1]
    os.kill(engine, signal.SIGKILL)
    _, err = process.communicate(timeout=2 * START_S)
    assert process.returncode == 0, err
    assert "(json_schema, logprobs, n, seed)" in err
    assert "starting it again (1 of 5)" in err
    assert not there.all()
    found = ledger(run)
    assert found["kept"] > 0
    after = replies(run)
    assert {key: after[key] for key in answered} == answered, "what was answered is not asked again"
    whole = [json.loads(text) for finish, text in after.values() if finish == "stop"]
    assert len(whole) > len(after) / 4, "random weights, held to a schema"
    assert all(isinstance(value, dict) for value in whole)
    log = (run / "vllm.log").read_text()
    assert log.count("Initializing a V1 LLM engine") == 3
    assert "sampling parameters have been overridden" not in log, "the model's own habits stay outside"
    assert {row["reason"] for row in rows(run / "failed.jsonl")} <= {"length", "short"}, "nothing was lost to the kill"
    lineage = rows(run / "export" / "lineage.jsonl")
    assert {row["model"] for row in lineage} == {"mine"}, "the adapter generated"

    # Once more: nothing is asked, so nothing is started.
    before = all_bytes(run)
    again = datagen(*told)
    assert again.returncode == 0, again.stderr
    assert "Starting vLLM" not in again.stderr
    assert replies(run) == after
    assert all_bytes(run) == before


def test_an_argument_that_vllm_does_not_know_is_told_in_its_own_words(tmp_path: Path, model: Path) -> None:
    source, run = write_corpus(tmp_path / "docs", 1), tmp_path / "run"
    done = datagen(*command(model, source, run, "--set", "generator.vllm.args={nonsense: 3}"))
    assert done.returncode == 2, done.stderr
    assert "unrecognized arguments: --nonsense" in done.stderr
    assert "generator.vllm.args" in done.stderr
    assert not Processes(model).all()
