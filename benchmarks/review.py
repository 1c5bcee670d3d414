"""The review page at 100,000 samples: the index's building, full-text search in messages and source passages, the
queue, a decision on disk, and how long a decision waits for a bulk act.

Usage: ``python -m benchmarks.review [SAMPLES]``. The samples are made up (tests/output/made.py). Search is timed
beside its floor, a scan of the same texts with LIKE in the same database, and a decision beside a bare append to a
file with fsync on the same disk.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

QUERIES = (
    "lock",
    "w",
    "th",
    "snapshot restart",
    '"write-ahead log"',
    "the",
    "reject",
    "sched",
    "zzz",
    "a b c",
    "migration socket",
)
AGAIN = 7


def best(work: Callable[[], object]) -> float:
    """Least time of some calls, ms: other work on the machine only ever adds to it."""
    times = []
    for _ in range(AGAIN):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return min(times)


def main() -> None:
    """Print the figures."""
    from datagen.core.record import Sample
    from datagen.review import index as indexes
    from datagen.review.queue import Columns, Filter
    from datagen.review.search import query
    from datagen.review.store import Log, State
    from tests.output import made

    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    samples = [r for r in made.run(int(n * 1.3), model=True) if isinstance(r, Sample)][:n]
    print(f"{len(samples):,} samples")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "index.sqlite"
        start = time.perf_counter()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode=OFF")
            db.execute("PRAGMA synchronous=OFF")
            db.executescript(indexes._SCHEMA)
            db.execute("BEGIN")
            indexes.fill(db, samples)
            db.execute("COMMIT")
        took = time.perf_counter() - start
        print(f"index built in {took:.1f} s, {len(samples) / took:,.0f} samples/s, {path.stat().st_size / 1e6:.0f} MB")
        index = indexes.Index(path)
        start = time.perf_counter()
        columns = Columns(index.rows(), 3.5)
        resting = index.resting(columns.size)
        print(f"columns loaded in {time.perf_counter() - start:.2f} s")
        floor = sqlite3.connect(":memory:")
        floor.execute("CREATE TABLE texts (body TEXT)")
        floor.executemany("INSERT INTO texts VALUES (?)", ((indexes.searched(s) + s.source,) for s in samples))
        print(f"{'query':<22}{'found':>9}{'search ms':>11}{'queue ms':>10}{'LIKE ms':>9}{'ratio':>8}")
        slowest = 0.0
        for typed in QUERIES:
            asked = query(typed)
            found = int(index.holding(asked, "", resting).sum())

            def whole(asked: str = asked) -> object:
                mask = columns.passing(Filter(verdict="kept", least=2)) & index.holding(asked, "", resting)
                return columns.ordered(mask, "uncertain", 0)

            searched = best(lambda asked=asked: index.holding(asked, "", resting))  # type: ignore[misc]
            queued = best(whole)
            like = "%" + typed.strip('"').replace(" ", "%") + "%"
            scan = best(
                lambda like=like: floor.execute("SELECT rowid FROM texts WHERE body LIKE ?", (like,)).fetchall()
            )  # type: ignore[misc]
            slowest = max(slowest, queued)
            print(f"{typed:<22}{found:>9,}{searched:>11.1f}{queued:>10.1f}{scan:>9.1f}{scan / searched:>7.0f}x")
        print(f"slowest queue {slowest:.0f} ms")
        log = Log(Path(name))
        count = iter(range(1_000_000))
        decided = best(lambda: log.append("Ana", [("s", State("accepted"))], f"act-{next(count)}"))
        with (Path(name) / "plain").open("ab") as file:

            def plain() -> None:
                file.write(b"x" * 200)
                file.flush()
                os.fsync(file.fileno())

            floor_ms = best(plain)
        print(f"a decision on disk {decided:.2f} ms, a bare append with fsync {floor_ms:.2f} ms")
        waits: list[float] = []
        bulk = threading.Thread(
            target=lambda: log.append("Ana", [(s.id, State("accepted")) for s in samples], "bulk"), daemon=True
        )
        start = time.perf_counter()
        bulk.start()
        while bulk.is_alive():
            asked_at = time.perf_counter()
            log.append("Ben", [("s", State("accepted"))], f"ben-{len(waits)}")
            waits.append((time.perf_counter() - asked_at) * 1e3)
        took = time.perf_counter() - start
        print(
            f"one bulk act of {len(samples):,}: {took:.1f} s; {len(waits):,} decisions of somebody else meanwhile, "
            f"median {sorted(waits)[len(waits) // 2]:.1f} ms, longest {max(waits):.0f} ms"
        )
    print(
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB, the made-up samples included"
    )


if __name__ == "__main__":
    main()
