"""A local server that datagen starts itself: lazily, minded, and never left behind. With a stand-in for vLLM."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from datagen.core.errors import UsageError
from datagen.llm.vllm_config import VllmConfig
from datagen.llm.vllm_server import Launch, arguments
from tests.runs import ROOT, all_bytes, datagen, ledger, start, write_corpus
from tests.vllm.support import alive, until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are minded on Linux and macOS")


@pytest.fixture
def room(tmp_path: Path) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def command(room: Path, run: Path, source: Path, *more: str) -> list[str]:
    serve = f"{sys.executable} -m tests.vllm.fake_vllm {room}"
    return [
        "run", "--source", str(source), "--out", str(run), "--model", "some/model", "--concurrency", "64",
        "--set", "generator.backend=vllm", "--set", f"generator.vllm.command={serve}", "--set", "judge.threshold=1",
        "--set", f"generator.vllm.env={{PYTHONPATH: '{ROOT}'}}", "--set", "client.backoff_s=0.05", *more,
    ]  # fmt: skip


def pids(room: Path) -> list[int]:
    return [int(pid) for pid in (room / "pids").read_text().split()]


def asked(room: Path) -> int:
    path = room / "asked"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_it_is_started_for_questions_alone_and_gone_at_the_end(tmp_path: Path, room: Path) -> None:
    source, run = write_corpus(tmp_path / "docs", 3), tmp_path / "run"
    done = datagen(
        *command(room, run, source, "--set", "generator.vllm.args={max_model_len: 512, enforce_eager: true}")
    )
    assert done.returncode == 0, done.stderr
    assert "Starting vLLM with some/model" in done.stderr
    assert "vLLM answers after" in done.stderr
    assert ledger(run)["kept"] > 0
    assert not any(map(alive, pids(room)))
    (told,) = [json.loads(path.read_text()) for path in room.glob("start-*")]
    assert told[:2] == ["serve", "some/model"]
    line = " ".join(told)
    assert "--max-model-len 512 --enforce-eager" in line
    assert "--enable-prefix-caching" in line
    assert "--generation-config vllm" in line
    assert "--host 127.0.0.1" in line
    assert "api-key" not in line
    assert "Application startup complete" in (run / "vllm.log").read_text()
    questions, before = asked(room), {k: v for k, v in all_bytes(run).items() if k != "vllm.log"}
    again = datagen(
        *command(room, run, source, "--set", "generator.vllm.args={max_model_len: 512, enforce_eager: true}")
    )
    assert again.returncode == 0, again.stderr
    assert len(list(room.glob("start-*"))) == 1, "the second run starts nothing"
    assert asked(room) == questions
    assert {k: v for k, v in all_bytes(run).items() if k != "vllm.log"} == before


@pytest.mark.parametrize("victim", [0, 1], ids=["server", "engine"])
def test_a_killed_engine_costs_a_restart_and_no_sample(tmp_path: Path, room: Path, victim: int) -> None:
    source, run = write_corpus(tmp_path / "docs", 6), tmp_path / "run"
    process = start(*command(room, run, source))
    until(lambda: asked(room) > 40)
    os.kill(pids(room)[victim], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "starting it again (1 of 5)" in err
    assert len(list(room.glob("start-*"))) == 2
    assert ledger(run)["failed"].keys() <= {"short"}
    assert not any(map(alive, pids(room)))
    whole = tmp_path / "whole"
    (room / "asked").unlink()
    assert datagen(*command(room, whole, source)).returncode == 0
    assert (whole / "report.json").read_bytes() == (run / "report.json").read_bytes()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_datagen_leaves_no_process(tmp_path: Path, room: Path, how: signal.Signals) -> None:
    source, run = write_corpus(tmp_path / "docs", 6), tmp_path / "run"
    process = start(*command(room, run, source))
    until(lambda: asked(room) > 10)
    os.kill(process.pid, how)
    process.communicate(timeout=60)
    until(lambda: not any(map(alive, pids(room))))
    done = datagen(*command(room, run, source))
    assert done.returncode == 0, done.stderr
    ledger(run)


def test_a_killed_keeper_leaves_no_process(tmp_path: Path, room: Path) -> None:
    source, run = write_corpus(tmp_path / "docs", 6), tmp_path / "run"
    process = start(*command(room, run, source))
    until(lambda: asked(room) > 10)
    server = pids(room)
    keeper = int(Path(f"/proc/{server[0]}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not any(map(alive, server)))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n", "max_model_len"),
        ("vllm serve: error: unrecognized arguments: --nonsense\n", "vllm serve --help"),
        ("OSError: some/model is not a local folder and is not a valid model identifier\n", "generator.model"),
    ],
)
def test_a_start_that_fails_says_why(tmp_path: Path, room: Path, said: str, fix: str) -> None:
    (room / "refuse").write_text(f"INFO starting\n{said}")
    done = datagen(*command(room, tmp_path / "run", write_corpus(tmp_path / "docs", 1)))
    assert done.returncode == 2
    assert "vLLM did not start with some/model" in done.stderr
    assert said.strip().rsplit("Error: ", 1)[-1].rsplit("error: ", 1)[-1] in done.stderr
    assert fix in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list(room.glob("start-*"))) == 1


def test_a_start_that_takes_too_long_is_given_up(tmp_path: Path, room: Path) -> None:
    (room / "mute").write_text("")
    source = write_corpus(tmp_path / "docs", 1)
    done = datagen(*command(room, tmp_path / "run", source, "--set", "generator.vllm.start_timeout_s=2"))
    assert done.returncode == 2
    assert "did not answer within" in done.stderr
    assert not any(map(alive, pids(room)))


def test_restarts_are_bounded_and_the_run_continues(tmp_path: Path, room: Path) -> None:
    source, run = write_corpus(tmp_path / "docs", 6), tmp_path / "run"
    process = start(*command(room, run, source, "--set", "generator.vllm.restarts=0"))
    until(lambda: asked(room) > 10)
    os.kill(pids(room)[1], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    assert "generator.vllm.restarts" in err
    assert datagen(*command(room, run, source)).returncode == 0
    ledger(run)


def test_no_model_and_no_command_are_wrong_usage(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 1)
    run = ("run", "--source", source, "--out", tmp_path / "run", "--set", "generator.backend=vllm")
    assert "model is named" in datagen(*run).stderr
    nowhere = datagen(*run, "--model", "m", "--set", "generator.vllm.command=no-such-program")
    assert nowhere.returncode == 2
    assert "no program that can be started" in nowhere.stderr


def test_adapters_are_served_and_chosen(tmp_path: Path, room: Path) -> None:
    source = write_corpus(tmp_path / "docs", 1)
    (tmp_path / "adapter_config.json").write_text('{"r": 24}')
    done = datagen(
        *command(room, tmp_path / "run", source, "--set", f"generator.vllm.adapters={{mine: {tmp_path}}}",
                 "--set", "generator.vllm.adapter=mine", "--judge-model", "some/model"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (told,) = [json.loads(path.read_text()) for path in room.glob("start-*")]
    assert told[told.index("--lora-modules") + 1] == json.dumps({"name": "mine", "path": str(tmp_path)})
    assert told[told.index("--max-lora-rank") + 1] == "32", "the next that vLLM takes"
    assert set((room / "asked").read_text().split()) == {"mine", "some/model"}


def test_a_model_that_would_not_be_served_starts_nothing(tmp_path: Path, room: Path) -> None:
    source = write_corpus(tmp_path / "docs", 1)
    done = datagen(*command(room, tmp_path / "run", source, "--set", "generator.vllm.adapter=nobody"))
    assert done.returncode == 2
    assert "does not know the model 'nobody'" in done.stderr
    none = datagen(*command(room, tmp_path / "run", source, "--set", f"generator.vllm.adapters={{mine: {tmp_path}}}"))
    assert none.returncode == 2
    assert "holds no LoRA adapter" in none.stderr
    assert not list(room.glob("start-*"))


def test_a_port_that_another_program_took_is_left_to_it(tmp_path: Path, room: Path) -> None:
    (room / "squat").write_text("")
    done = datagen(*command(room, tmp_path / "run", write_corpus(tmp_path / "docs", 1)))
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((room / f"start-{n}").read_text()) for n in (0, 1))
    assert first[first.index("--port") + 1] != second[second.index("--port") + 1]


def test_a_restart_that_fails_is_tried_again_and_then_can_be_continued(tmp_path: Path, room: Path) -> None:
    source, run = write_corpus(tmp_path / "docs", 6), tmp_path / "run"
    (room / "refuse-after").write_text("torch.OutOfMemoryError: CUDA out of memory.\n")
    process = start(*command(room, run, source, "--set", "generator.vllm.restarts=2"))
    until(lambda: asked(room) > 10)
    os.kill(pids(room)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "CUDA out of memory" in err
    assert len(list(room.glob("start-*"))) == 3
    (room / "refuse-after").unlink()
    assert datagen(*command(room, run, source)).returncode == 0
    ledger(run)


def test_arguments_that_are_ours_are_refused() -> None:
    launch = Launch(config=VllmConfig(args={"--api-key": "x"}), model="m")
    with pytest.raises(UsageError, match="api_key"):
        arguments(launch, 1)
    plain = Launch(config=VllmConfig(args={"enable_prefix_caching": False, "dtype": "float32"}), model="m")
    line = " ".join(arguments(plain, 8))
    assert "--no-enable-prefix-caching" in line
    assert "--dtype float32" in line
