"""The schedule: right results on every executor, nothing done twice, order respected."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.core import progress
from datagen.core.errors import DatagenError, StoppedEarly, UsageError
from datagen.core.hashing import digest
from datagen.core.record import AnyRecord
from datagen.core.stage import Fold, Map
from datagen.engine.config import EngineConfig
from datagen.engine.events import Events
from datagen.engine.executors import processes
from datagen.engine.run import Runner, Source
from datagen.engine.segment import plan
from datagen.engine.store import Store
from tests.engine.stages import Count, KeepLast, MakeChunks, MakeDocuments, Mark, source, talkative


def sources(n: int, per_shard: int = 2) -> list[Source]:
    files = [source(i) for i in range(n)]
    groups = [tuple(files[i : i + per_shard]) for i in range(0, n, per_shard)]
    return [Source(digest([f.path for f in g]), g) for g in groups]


def go(
    root: Path, line: list[Map | Fold], shards: list[Source], executor: str = "inline", window: int = 3
) -> tuple[list[AnyRecord], Runner]:
    store = Store(root)
    events = Events(root / "events.jsonl")
    config = EngineConfig(executor=executor, window=window, workers=2)
    with store.locked():
        nodes = plan(line)
        runner = Runner(store, nodes, shards, config, events)
        names = runner.run()
        events.close()
    return [r for name in names[-1] for r in store.read(nodes[-1].folder, name)], runner


def line(log: str = "", **options: str) -> list[Map | Fold]:
    return [MakeDocuments(log), MakeChunks(log, **options), Count(), Mark(log)]


def test_a_segment_ends_at_folds_and_where_the_kind_of_record_changes() -> None:
    nodes = plan([MakeDocuments(), MakeChunks(), Mark(), Count(), Mark(), KeepLast()])
    assert [n.stages for n in nodes] == [("load",), ("chunk", "mark"), ("count",), ("mark",), ("last",)]
    assert [n.produces for n in nodes] == ["document", "chunk", "chunk", "chunk", "chunk"]


def test_a_changed_stage_renames_its_folder_and_those_after_it_only() -> None:
    a = [n.folder for n in plan(line())]
    b = [n.folder for n in plan(line(tag="x"))]
    assert a[0] == b[0]
    assert all(x != y for x, y in zip(a[1:], b[1:], strict=True))


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_every_executor_gives_the_same_records(tmp_path: Path, executor: str) -> None:
    records, _ = go(tmp_path / "a", line(), sources(11), executor)
    reference, _ = go(tmp_path / "b", line(), sources(11), "inline", window=1)
    assert records == reference
    assert [r.verdict is not None for r in records] == [i % 3 == 2 for i in range(11)]  # type: ignore[union-attr]


@settings(max_examples=25)
@given(n=st.integers(0, 14), per_shard=st.integers(1, 5), window=st.integers(1, 9), barrier=st.booleans())
def test_any_cut_and_window_gives_the_same_records(
    tmp_path_factory: pytest.TempPathFactory, n: int, per_shard: int, window: int, barrier: bool
) -> None:
    stages: list[Map | Fold] = [MakeDocuments(waits=True), MakeChunks(), Count(), Mark()]
    stages += [KeepLast(), Mark()] if barrier else []
    records, _ = go(tmp_path_factory.mktemp("run"), stages, sources(n, per_shard), window=window)
    assert [r.path for r in records] == [source(i).path for i in range(n)]  # type: ignore[union-attr]
    rejected = {i for i, r in enumerate(records) if r.verdict is not None}  # type: ignore[union-attr]
    assert rejected == (
        set(range(n - 1)) | ({n - 1} if n and n % 3 == 0 else set()) if barrier else {i for i in range(n) if i % 3 == 2}
    )


def test_a_second_run_does_nothing_and_writes_nothing(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    run = tmp_path / "run"
    first, _ = go(run, line(log), sources(7))
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    done = Path(log).read_text()
    second, runner = go(run, line(log), sources(7))
    assert second == first
    assert Path(log).read_text() == done
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert all(s["reused"] == s["shards"] for s in runner.state())


def test_a_new_shard_is_the_only_one_worked_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    go(tmp_path / "run", line(str(log)), sources(6))
    log.unlink()
    go(tmp_path / "run", line(str(log)), sources(8))
    assert [entry.split()[:2] for entry in log.read_text().splitlines()] == [
        [stage, "00006.txt"] for stage in ("load", "chunk", "mark")
    ]


def test_a_failing_stage_is_one_clear_error_and_the_rest_stays_done(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(DatagenError) as caught:
        go(run, line(fail_on="00004.txt"), sources(6))
    assert "'chunk' failed on shard 2" in caught.value.what
    assert "planted" in caught.value.why
    assert "planted" in (run / "events.jsonl").read_text()
    log = tmp_path / "log"
    go(run, line(str(log)), sources(6))
    assert "load 00000.txt" not in log.read_text()


def test_later_segments_go_first_and_the_window_bounds_what_is_begun(tmp_path: Path) -> None:
    log = tmp_path / "log"
    go(tmp_path / "run", line(str(log)), sources(20, 1), window=2)
    entries = [entry.split()[0] for entry in log.read_text().splitlines()]
    ahead = most = 0
    for entry in entries:
        ahead += {"load": 1, "mark": -1}.get(entry, 0)
        most = max(most, ahead)
    assert most <= 2


def test_a_second_process_on_the_same_folder_gets_one_sentence(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.locked():
        assert store.is_locked()
        with pytest.raises(UsageError, match="in use"), Store(tmp_path).locked():
            pass
    assert not store.is_locked()
    with Store(tmp_path).locked():
        pass


def test_a_damaged_shard_is_set_aside_and_made_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first, _ = go(run, line(), sources(4))
    shard = next((run / plan(line())[0].folder).glob("*.parquet"))
    shard.write_bytes(b"PAR1 not really")
    (run / plan(line())[1].folder / shard.name).unlink()
    with pytest.raises(StoppedEarly, match="damaged"):
        go(run, line(), sources(4))
    again, _ = go(run, line(), sources(4))
    assert again == first


def test_a_shard_that_the_system_does_not_give_is_not_taken_for_damaged(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.path("00-x", "a").mkdir(parents=True)  # reading it fails for whoever runs the test, root too
    with pytest.raises(DatagenError, match="directory"):
        store.read("00-x", "a")
    assert store.path("00-x", "a").exists()


def test_progress_in_worker_processes_reaches_the_driver() -> None:
    ticks, lines = Counter[str](), list[str]()

    def tick(stage: str, done: int, expected: int) -> None:
        ticks.update({f"{stage} done": done, f"{stage} expected": expected})

    leave, unlisten = progress.subscribe(tick), progress.listen(lines.append)
    try:
        with processes(2) as pool:
            workers = set(pool.map(talkative, [5000] * 20))
        assert os.getpid() not in workers
        deadline = time.monotonic() + 20
        while (len(lines) < 20 or ticks["talk done"] < 100_000) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        leave()
        unlisten()
    assert ticks == {"talk done": 100_000, "talk expected": 100_000}
    assert len(lines) == 20
    assert all(line.startswith("5000 done é") for line in lines)


def test_no_worker_outlives_its_driver() -> None:
    script = (
        "import os, time\n"
        "from datagen.engine.executors import processes\n"
        "if __name__ == '__main__':\n"
        "    pool = processes(1)\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    # A worker holds the pipe too, so its end is reached only when both are gone.
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert int(driver.stdout.readline()) != driver.pid
        driver.kill()
        driver.communicate(timeout=20)


def test_a_shard_of_another_kind_in_its_place_is_set_aside_and_made_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first, _ = go(run, line(), sources(4))
    load, chunk, *_ = (run / node.folder for node in plan(line()))
    shard = next(chunk.glob("*.parquet"))
    shard.write_bytes((load / shard.name).read_bytes())
    with pytest.raises(StoppedEarly, match="damaged"):
        go(run, line(), sources(4))
    again, _ = go(run, line(), sources(4))
    assert again == first


def test_what_a_killed_process_left_unfinished_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "00-load"
    folder.mkdir()
    (folder / ".x.parquet.1-abc.tmp~").write_bytes(b"half")
    with Store(tmp_path).locked():
        assert not list(folder.iterdir())
