"""Small real stages for engine tests; in a module of their own so that worker processes can import them."""

from __future__ import annotations

import os
import time
from typing import Any

from datagen.core import progress
from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Chunk, Document, SourceFile, Verdict
from datagen.core.stage import Fold, Map, Shard


def source(i: int, size: int = 10) -> SourceFile:
    return SourceFile(path=f"{i:05d}.txt", location=f"/nowhere/{i}", size=size, sha256=digest(i, 64), kind="text")


class MakeDocuments(Map):
    name = "load"
    produces = "document"

    def __init__(self, log: str = "", waits: bool = False, sleep: float = 0.0) -> None:
        self.log = log
        self.waits = waits
        self.sleep = sleep

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def run(self, shard: Shard) -> list[AnyRecord]:
        note(self.log, "load", shard)
        time.sleep(self.sleep)
        return [
            Document(path=f.path, sha256=f.sha256, kind=f.kind, text=f"text of {f.path}")
            for f in shard
            if isinstance(f, SourceFile)
        ]


def talkative(count: int) -> int:
    """Tells of its progress, as a stage does; returns its process."""
    progress.advance("talk", expected=count)
    for _ in range(count):
        progress.advance("talk", done=1)
    progress.say(f"{count} done " + "é" * 9000)
    return os.getpid()


class MakeChunks(Map):
    name = "chunk"
    produces = "chunk"

    def __init__(self, log: str = "", fail_on: str = "", tag: str = "") -> None:
        self.log = log
        self.fail_on = fail_on
        self.tag = tag

    def fingerprint(self) -> dict[str, Any]:
        return {"tag": self.tag}

    def run(self, shard: Shard) -> list[AnyRecord]:
        note(self.log, "chunk", shard)
        out: list[AnyRecord] = []
        for d in shard:
            assert isinstance(d, Document)
            if self.fail_on and d.path == self.fail_on:
                raise RuntimeError("planted")
            out.append(
                Chunk(id=digest(d.path), path=d.path, sha256=d.sha256, start=0, end=len(d.text), text=d.text + self.tag)
            )
        return out


class Count(Fold):
    """Rejects every third record it has ever seen: depends on order, as a real Fold does."""

    name = "count"

    def __init__(self) -> None:
        self.seen = 0

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def begin(self) -> None:
        self.seen = 0

    def emit(self, shard: Shard) -> list[AnyRecord]:
        out: list[AnyRecord] = []
        for record in shard:
            self.seen += 1
            if self.seen % 3 == 0:
                verdict = Verdict(stage="count", reason="third", evidence=str(self.seen))
                record = record.model_copy(update={"verdict": verdict})
            out.append(record)
        return out


class KeepLast(Fold):
    """A barrier: only the very last record of all stays."""

    name = "last"
    barrier = True

    def __init__(self) -> None:
        self.last = ""

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def begin(self) -> None:
        self.last = ""

    def see(self, shard: Shard) -> None:
        for record in shard:
            self.last = record.id  # type: ignore[union-attr]

    def emit(self, shard: Shard) -> list[AnyRecord]:
        return [
            r if r.id == self.last else r.model_copy(update={"verdict": Verdict(stage="last", reason="not_last")})  # type: ignore[union-attr]
            for r in shard
        ]


class Mark(Map):
    name = "mark"
    produces = "chunk"

    def __init__(self, log: str = "") -> None:
        self.log = log

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def run(self, shard: Shard) -> list[AnyRecord]:
        note(self.log, "mark", shard)
        return [r.model_copy(update={"tokens": len(r.text)}) for r in shard]  # type: ignore[union-attr]


def note(log: str, stage: str, shard: Shard) -> None:
    if log:
        first = shard[0].path if shard else "-"  # type: ignore[union-attr]
        with open(log, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"{stage} {first} {os.getpid()}\n")
