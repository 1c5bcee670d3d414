"""The parts of the minded server: what it says, its pulse, its keeper, the transport over it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core import progress
from datagen.llm import vllm, vllm_keeper, vllm_says
from datagen.llm.backend import Message, Request
from datagen.llm.config import ClientConfig
from datagen.llm.faults import Fault
from datagen.llm.limited import Limited
from datagen.llm.vllm_config import VllmConfig
from datagen.llm.vllm_pulse import SILENT_LOOKS, STUCK_LOOKS, STUCK_LOOKS_AT_FIRST, TIMES_SLOWER, Pulse
from datagen.llm.vllm_server import Launch, Server, arguments
from tests.runs import ROOT
from tests.vllm.support import alive, until

# As vLLM 0.32 says it, shortened where they are long.
NOISE = [
    "Triton is installed, but doesn't include CPU backend. Disabling Triton.",
    "(APIServer pid=7) WARNING 11-21 06:59:53 [system_utils.py:255] Found ulimit of 20000 and failed to increase. This "
    "can cause fd limit errors like `OSError: [Errno 24] Too many open files`. Consider increasing with ulimit -n",
    "(APIServer pid=7) WARNING 11-21 07:00:03 [vllm.py:1703] Enforce eager set, disabling torch.compile, CUDAGraphs",
    "(Worker pid=9) INFO 11-21 07:00:20 [cpu_worker.py:260] Explicitly set (1.0/19.84) GiB for KV cache on node 0.",
]
AFTER = [
    "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}",
    "nanobind: leaked 64 types!",
    ' - leaked type "triton._C.libtriton.ir.location"',
]
FAILURES = [
    ("vllm: error: unrecognized arguments: --nonsense 3", "generator.vllm.args"),
    ("vllm serve: error: argument --dtype: invalid choice: 'float99' (choose from 'auto')", "generator.vllm.args"),
    ("huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name'", "generator.model"),
    ("huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot", "generator.model"),
    ("OSError: some/model is not a local folder and is not a valid model identifier", "generator.model"),
    ("ValueError: Loading lora mine failed: No adapter found for <path>", "generator.vllm.adapters"),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "smaller model"),
    ("ValueError: To serve at least one request with the model's max seq len (32768), 7.0 GiB KV cache is needed, "
     "which is larger than the available KV cache memory (1.0 GiB).", "smaller model"),
    ("ValueError: Free memory on device (3.0/79.1 GiB) on startup is less than desired GPU memory utilization (0.9).",
     "smaller model"),
    ("RuntimeError: Worker failed with error 'Available memory on node 0 (18.42/19.84 GiB) on kv cache allocation is "
     "less than requested memory for kv (900.0 GiB). Decrease VLLM_CPU_KVCACHE_SPACE'", "smaller model"),
    ("OSError: [Errno 98] Address already in use", "port"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "fix"), FAILURES)
def test_the_line_that_tells_is_found_among_the_others(line: str, fix: str) -> None:
    for prefix in ("", "(EngineCore pid=8) ERROR 11-21 07:04:47 [core.py:1510] "):
        why, what = vllm_says.why([*NOISE, "Traceback (most recent call last):", prefix + line, *AFTER])
        assert why == line
        assert fix in what
    assert vllm_says.port_taken([*NOISE, line]) is ("Errno 98" in line)


def test_a_validation_error_is_told_by_the_line_below_it() -> None:
    lines = [
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig",
        "  Value error, User-specified max_model_len (999) is greater than the derived max_model_len (99)",
        "    For further information visit https://errors.pydantic.dev/2.14/v/value_error",
    ]
    why, fix = vllm_says.why([*NOISE, *lines])
    assert why.startswith("Value error, User-specified max_model_len (999)")
    assert "max_model_len" in fix


@given(st.lists(st.text(max_size=60), max_size=8))
def test_whatever_it_says_there_is_a_short_reason(lines: list[str]) -> None:
    why, fix = vllm_says.why(lines)
    assert 0 < len(why) <= vllm_says.MAX_WHY
    assert fix
    vllm_says.phase(lines)


def test_phases_come_from_what_happens_and_not_from_warnings() -> None:
    assert vllm_says.phase(NOISE) == "setting up the key-value cache"
    assert vllm_says.phase(NOISE[:3]) == ""


def test_a_silent_server_is_given_up_only_while_something_waits() -> None:
    pulse = Pulse()
    for _ in range(10 * SILENT_LOOKS):
        assert not pulse.look(waiting=False, healthy=False, steps=None)
    given_up = [pulse.look(waiting=True, healthy=False, steps=None) for _ in range(SILENT_LOOKS)]
    assert not any(given_up[:-1])
    assert "does not answer" in given_up[-1]


@given(st.lists(st.integers(1, STUCK_LOOKS - 1), min_size=1, max_size=20))
def test_a_slow_engine_is_given_more_time_than_it_ever_took(gaps: list[int]) -> None:
    pulse, steps = Pulse(), 0.0
    pulse.look(waiting=True, healthy=True, steps=steps)
    for gap in gaps:
        for _ in range(gap):
            assert not pulse.look(waiting=True, healthy=True, steps=steps), "it moves"
        steps += 1
        assert not pulse.look(waiting=True, healthy=True, steps=steps)
    stands = 0
    while not pulse.look(waiting=True, healthy=True, steps=steps):
        stands += 1
    limit = min(STUCK_LOOKS_AT_FIRST, max(STUCK_LOOKS, TIMES_SLOWER * max(gaps)))
    assert stands + 1 == limit


def test_a_server_that_tells_nothing_of_its_steps_is_never_called_stuck() -> None:
    pulse = Pulse()
    assert not any(pulse.look(waiting=True, healthy=True, steps=None) for _ in range(500))


def launch(room: Path, **config: object) -> Launch:
    command = (sys.executable, "-m", "tests.vllm.fake_vllm", str(room))
    return Launch(config=VllmConfig(command=command, env={"PYTHONPATH": str(ROOT)}, **config), model="m")


def request(number: int) -> Request:
    return Request(model="m", messages=(Message(role="user", content=f"Say {number}."),))


@pytest.mark.parametrize("how", ["hang", "stuck"])
def test_a_hanging_server_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(vllm, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(vllm, "LOOK_S", 0.3)
    transport = vllm.VllmTransport(launch(tmp_path), 8)
    limited = Limited(transport, ClientConfig(concurrency=8, timeout_s=60, backoff_s=0.05))
    said: list[str] = []
    leave = progress.listen(said.append)

    async def ask() -> None:
        await asyncio.gather(*(limited.complete(request(n)) for n in range(16)))
        (tmp_path / how).write_text("")
        asked = [asyncio.create_task(limited.complete(request(n))) for n in range(16, 32)]
        await asyncio.to_thread(until, lambda: any("any more" in line for line in said))
        (tmp_path / how).unlink()
        replies = await asyncio.gather(*asked)
        assert all(reply.text for reply in replies)
        await limited.close()

    try:
        asyncio.run(asyncio.wait_for(ask(), 60))
    finally:
        leave()
    assert len(list(tmp_path.glob("start-*"))) == 2
    assert any(("engine stands still" in line) == (how == "stuck") for line in said if "any more" in line)


def test_a_question_before_the_start_is_no_attempt_and_was_not_sent(tmp_path: Path) -> None:
    transport = vllm.VllmTransport(launch(tmp_path), 8)
    with pytest.raises(Fault) as caught:
        asyncio.run(transport.complete(request(0)))
    assert caught.value.free
    assert not caught.value.sent
    assert not list(tmp_path.glob("start-*"))


def test_a_server_without_a_log_still_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "refuse").write_text("ValueError: it is no use\n")
    server = Server(launch(tmp_path), lambda _: None)
    with pytest.raises(Exception, match="vLLM did not start") as caught:
        asyncio.run(server.start())
    assert "it is no use" in str(vars(caught.value))
    assert not server._log.parent.exists()


@pytest.mark.skipif(os.name == "nt", reason="processes are kept on Linux and macOS")
def test_the_log_is_put_aside_when_it_is_full(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys\nfor n in range(2000): print('line', n)\nsys.stdout.flush()"
    keeper = [sys.executable, "-I", vllm_keeper.__file__, str(log), "4000", sys.executable, "-c", code]
    with subprocess.Popen(keeper, stdin=subprocess.PIPE) as process:
        assert process.wait(30) == 0
    assert log.read_text().endswith("line 1999\n")
    assert log.stat().st_size <= 70_000
    assert (tmp_path / "log.1").exists()


def test_a_server_that_ignores_signals_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import os, time; os.setpgid(0, 0); time.sleep(600)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(600)\n"
    )
    keeper = [sys.executable, "-I", vllm_keeper.__file__, str(tmp_path / "log"), "4000", sys.executable, "-c", code]
    with subprocess.Popen(keeper, stdin=subprocess.PIPE) as process:
        until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,6}(_[a-z]{1,4})?", fullmatch=True).filter(
            lambda name: name not in ("host", "port", "model")
        ),
        st.booleans() | st.integers(-9, 9) | st.from_regex(r"[a-z0-9.]{1,8}", fullmatch=True),
        max_size=4,
    )
)
def test_arguments_are_passed_through(args: dict[str, bool | int | str]) -> None:
    told = arguments(Launch(config=VllmConfig(args=args), model="m"), 8123)
    for name, value in args.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            assert (f"--{flag}" if value else f"--no-{flag}") in told
        else:
            assert told[told.index(f"--{flag}") + 1] == str(value)
