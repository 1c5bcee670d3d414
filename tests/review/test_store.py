"""The log of decisions: appended, never changed, undone by appending, whole after kill -9."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.errors import UsageError
from datagen.review.rule import current
from datagen.review.store import DECISIONS, FILE, FOLDER, Decision, Edit, Log, Overtaken, State, read
from tests.runs import ROOT, environment


def test_a_state_comes_back_as_it_went_in(tmp_path: Path) -> None:
    log = Log(tmp_path)
    state = State("edited", (("clarity", 4),), Edit(("a\0b", "ü\u202e😀"), None), "why", True)
    line = log.append("Ana", [("s1", state)], "act-0001")[0]
    log.close()
    assert read(tmp_path) == [line]
    assert line.state == state
    assert (line.reviewer, line.sample, line.seq) == ("Ana", "s1", 1)


def test_lines_cannot_be_changed_or_removed(tmp_path: Path) -> None:
    Log(tmp_path).append("Ana", [("s1", State("accepted"))], "act-0001")
    db = sqlite3.connect(tmp_path / FOLDER / FILE)
    for statement in ("UPDATE decisions SET decision = 'rejected'", "DELETE FROM decisions"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            db.execute(statement)


def test_the_same_act_twice_is_one(tmp_path: Path) -> None:
    log = Log(tmp_path)
    once = log.append("Ana", [("s1", State("accepted"))], "act-0001")
    assert log.append("Ana", [("s1", State("accepted"))], "act-0001") == once
    log.append("Ana", [("s2", State("rejected"))], "act-0002")
    undone = log.undo("Ana", "act-0003")
    assert log.undo("Ana", "act-0003") == undone
    assert len(log.since(0)) == 3


def test_who_decided_elsewhere_meanwhile_is_told(tmp_path: Path) -> None:
    log = Log(tmp_path)
    first = log.append("Ana", [("s1", State("accepted"))], "act-0001", seen=0)[0]
    with pytest.raises(Overtaken) as caught:
        log.append("Ana", [("s1", State("rejected"))], "act-0002", seen=0)
    assert caught.value.line == first
    log.append("Ben", [("s1", State("rejected"))], "act-0003", seen=0)  # another person is not in the way
    log.append("Ana", [("s1", State("rejected"))], "act-0004", seen=first.seq)


_STEP = st.tuples(
    st.sampled_from(["Ana", "Ben"]),
    st.one_of(
        st.just(None),  # undo
        st.tuples(st.lists(st.sampled_from("wxyz"), min_size=1, max_size=3, unique=True), st.sampled_from(DECISIONS)),
    ),
)


@given(st.lists(_STEP, max_size=25))
def test_undo_goes_back_step_by_step_whatever_the_other_does(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, tuple[list[str], Decision] | None]]
) -> None:
    log = Log(tmp_path_factory.mktemp("log"))
    said: dict[str, list[dict[str, Decision]]] = {"Ana": [{}], "Ben": [{}]}  # a stack of whole states each
    length = 0
    for i, (who, step) in enumerate(steps):
        if step is None:
            undone = log.undo(who, f"act-{i:04}")
            assert bool(undone) == (len(said[who]) > 1)
            if undone:
                said[who].pop()
        else:
            samples, decision = step
            log.append(who, [(name, State(decision)) for name in samples], f"act-{i:04}")
            said[who].append({**said[who][-1], **dict.fromkeys(samples, decision)})
        lines = log.since(0)
        assert len(lines) >= length  # nothing goes away
        length = len(lines)
        now = current(lines)
        for name, stack in said.items():
            told = {s: by[name].state.decision for s, by in now.items() if name in by and by[name].state.decision}
            assert told == {s: d for s, d in stack[-1].items() if d}
    log.close()


def test_many_threads_and_two_logs_lose_nothing(tmp_path: Path) -> None:
    logs = [Log(tmp_path), Log(tmp_path)]

    def work(k: int) -> None:
        for i in range(25):
            logs[k % 2].append(f"p{k}", [(f"s{i}", State("accepted"))], f"act-{k}-{i}")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = logs[0].since(0)
    assert len(lines) == 100
    assert [line.seq for line in lines] == list(range(1, 101))


WRITER = """
import sys
from pathlib import Path
from datagen.review.store import Log, State
log = Log(Path(sys.argv[1]))
for i in range(10_000):
    print(log.append("Ana", [(f"s{i}", State("accepted"))], f"act-{sys.argv[2]}-{i}")[0].seq, flush=True)
"""


def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    rng = random.Random(0)
    acknowledged = 0
    for attempt in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(attempt)],
            cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(rng.randint(5, 60)):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        assert len(read(tmp_path)) >= acknowledged


def test_a_damaged_log_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / FILE).write_bytes(b"not a database at all" * 500)
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path)
