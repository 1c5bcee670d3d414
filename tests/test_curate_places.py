"""``datagen curate``: files that are none, tables of every kind, and what was rejected, byte for byte."""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from datagen.core.errors import UsageError
from datagen.output import row_tables
from datagen.output.row_tables import table_lines
from tests.runs import ROOT, datagen, environment
from tests.test_curate import lines, put, row


@pytest.mark.parametrize("kind", ["loop", "fifo", "device"])
def test_what_is_no_file_costs_a_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    if kind == "loop":
        path.symlink_to(path)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    done = datagen("curate", path, "--out", tmp_path / "out", "--only", "rules")
    assert done.returncode == 2
    assert ("leads nowhere" if kind == "loop" else "device or a pipe") in done.stderr
    assert "Traceback" not in done.stderr


def rejected_bytes(line: bytes) -> bytes:
    """The bytes of the row that a line of ``rejected.jsonl`` is about."""
    told = json.loads(line)
    if "line_base64" in told:
        return base64.b64decode(told["line_base64"])
    if told["verdict"]["reason"] == "unreadable_row":
        return str(told["line"]).encode()
    before, _, after = line.rpartition(b', "verdict": ')
    end = json.JSONDecoder().raw_decode(after.decode())[1]  # the verdict is ASCII
    return before + after[end:]


def test_kept_and_rejected_are_the_input_byte_for_byte(tmp_path: Path) -> None:
    same = json.dumps(row(1)).encode()
    told = [
        same,
        same + b"  \t ",
        b'{"text": "a", "text": "b"}',
        b'{"text":"\xff"}',
        b'{"text": "\\ud800", "n": 1.10, "verdict": {"old": true}}',
        b'{"text": "\\ud800", "n": 1.10, "verdict": {"old": true}} ',
        b'{"text": "' + b"q" * 10_000_001 + b'"}',
        b"\x00" * 70,
        json.dumps({"text": 'says , "verdict": {"a": 1}}'}).encode(),
        json.dumps({"text": 'says , "verdict": {"a": 1}}', "b": 2}).encode(),
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(told))
    done = datagen("curate", path, "--out", tmp_path / "out", "--only", "dedupe", "--json")
    assert json.loads(done.stdout)["rejected"] == {"duplicate": 3, "unreadable_row": 4}, done.stderr
    kept = (tmp_path / "out/kept.jsonl").read_bytes().split(b"\n")[:-1]
    rejected = (tmp_path / "out/rejected.jsonl").read_bytes().split(b"\n")[:-1]
    assert Counter(kept) + Counter(map(rejected_bytes, rejected)) == Counter(told)


def test_a_table_with_bytes_says_which_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": ["a"], "picture": [{"bytes": b"\x89"}], "sounds": [[b"a"]]}).write_parquet(path)
    done = datagen("curate", path, "--out", tmp_path / "out", "--only", "rules")
    assert done.returncode == 2
    assert "columns of bytes: picture, sounds." in done.stderr
    assert "panick" not in done.stderr


@pytest.mark.parametrize("name", ["x[1]*~.parquet", os.fsdecode(b"\xff.parquet")])
def test_a_table_of_an_odd_name_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "x1.parquet").write_bytes(b"another file that a pattern would match")
    frame = pl.DataFrame({"text": ["a\0b", "c"]})
    with (tmp_path / name).open("wb") as file:
        frame.write_parquet(file)
    assert b"".join(table_lines(tmp_path / name)) == frame.write_ndjson().encode()


def test_a_table_is_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_tables, "TABLE_ROWS", 50)
    monkeypatch.setattr(row_tables, "TABLE_BYTES", 1000)
    frame = pl.DataFrame({"text": ["w" * 90] * 119 + ["v" * 5000], "deep": [[{"a": "x" * 9}]] * 120})
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=7)
    parts = list(table_lines(tmp_path / "a.parquet"))
    assert b"".join(parts) == frame.write_ndjson().encode()
    assert max(len(part) for part in parts if b"v" not in part) < 2500


def test_a_broken_table_costs_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": ["a" * 500, "b" * 500]}).write_parquet(path)
    whole = path.read_bytes()
    for broken in (b"", b"hello", whole[:-9], whole[:20] + b"\xff" * 40 + whole[60:]):
        path.write_bytes(broken)
        with pytest.raises(UsageError, match="cannot be read"):
            list(table_lines(path))


@pytest.mark.parametrize("size", [0, 20_000])
def test_a_full_disk_leaves_no_half_result_and_can_be_gone_on_from(size: int, tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(i % 900) for i in range(1000)])
    out = tmp_path / "out"

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    command = [sys.executable, "-m", "datagen", "curate", str(path), "--out", str(out), "--only", "dedupe"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, preexec_fn=full, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert not (out / "kept.jsonl").exists()
    assert subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, check=False).returncode == 0
    assert len(lines(out / "kept.jsonl")) == 900
    assert not [p for p in out.rglob("*") if p.name.endswith(".tmp~")]
