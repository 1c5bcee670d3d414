"""Errors, hashes, atomic files: the parts all others rest on."""

from __future__ import annotations

import errno
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core import hashing
from datagen.core.errors import DatagenError, StoppedEarly, UsageError, from_os_error
from datagen.core.files import atomic, remove_temporary, write_if_changed


@pytest.mark.parametrize(("kind", "code"), [(DatagenError, 1), (UsageError, 2), (StoppedEarly, 3)])
def test_errors_survive_the_way_between_processes(kind: type[DatagenError], code: int) -> None:
    error = pickle.loads(pickle.dumps(kind("What.", "Why.", "Fix.")))
    assert (type(error), error.what, error.why, error.fix, error.exit_code) == (kind, "What.", "Why.", "Fix.", code)


def test_a_full_disk_can_be_continued_and_a_forbidden_place_cannot() -> None:
    assert isinstance(from_os_error(OSError(errno.ENOSPC, "full"), "write"), StoppedEarly)
    assert isinstance(from_os_error(OSError(errno.EROFS, "read-only"), "write"), UsageError)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(), x, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_fractions_are_in_range_and_keys_in_any_order_hash_alike(value: object) -> None:
    assert 0 <= hashing.fraction(value) < 1
    assert hashing.digest({"a": value, "b": 1}) == hashing.digest({"b": 1, "a": value})


def test_hashes_do_not_depend_on_the_process() -> None:
    code = "from datagen.core.hashing import digest; print(digest({'a': ['é', 1.5, None]}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashing.digest({"a": ["é", 1.5, None]})


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with atomic(path) as file:
        file.write(b"one")
    with pytest.raises(RuntimeError), atomic(path) as file:
        file.write(b"two")
        raise RuntimeError
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unchanged_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert write_if_changed(path, b"one")
    before = path.stat().st_mtime_ns
    assert not write_if_changed(path, b"one")
    assert path.stat().st_mtime_ns == before
    assert write_if_changed(path, b"two")


def test_only_unfinished_files_are_cleared(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".x.1-2.tmp~").touch()
    (tmp_path / "a" / "x.parquet").touch()
    assert remove_temporary(tmp_path) == 1
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["x.parquet"]
