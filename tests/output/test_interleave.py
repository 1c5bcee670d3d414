"""Interleaving: nothing lost, each group in its order and spread evenly; nothing left on the disk."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from datagen.output import interleave
from datagen.output.interleave import MOST_GROUPS, Spool, evenly


@given(st.lists(st.integers(0, 60), max_size=12))
def test_every_group_is_less_than_one_away_from_its_share_at_every_step(sizes: list[int]) -> None:
    taken, total = [0] * len(sizes), sum(sizes)
    for step, group in enumerate(evenly(sizes), 1):
        taken[group] += 1
        assert all(abs(n - Fraction(size * step, total)) < 1 for n, size in zip(taken, sizes, strict=True))
    assert taken == sizes


@given(st.lists(st.sampled_from("abcd"), max_size=80), st.integers(1, 3))
def test_a_spool_gives_back_what_it_took(groups: list[str], lines: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), "sft/train", lines)
        put = [(group, f"{group}{i}\n".encode() * lines) for i, group in enumerate(groups)]
        for group, data in put:
            spool.put((group, ""), data)
        got = list(spool.merged())
        assert Counter(got) == Counter(data for _, data in put)
        for group in set(groups):
            assert [d for d in got if d.startswith(group.encode())] == [d for g, d in put if g == group]
        spool.remove()
        assert list(Path(folder).iterdir()) == []


def test_buffers_do_not_change_what_comes_out(tmp_path: Path, monkeypatch: Any) -> None:
    rows = [((f"g{i % 3}", ""), f"{i}\n".encode()) for i in range(50)]
    found = []
    for size in (1, 10, 1 << 20):
        monkeypatch.setattr(interleave, "_BUFFER", size)
        spool = Spool(tmp_path, "x")
        for group, data in rows:
            spool.put(group, data)
        found.append(list(spool.merged()))
        spool.remove()
    assert found[0] == found[1] == found[2]


def test_more_groups_than_are_kept_apart_lose_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "x")
    rows = [f"{i}\n".encode() for i in range(3 * MOST_GROUPS)]
    for i, row in enumerate(rows):
        spool.put((str(i), ""), row)
    assert sorted(spool.merged()) == sorted(rows)
    assert len(list(tmp_path.iterdir())) == MOST_GROUPS
