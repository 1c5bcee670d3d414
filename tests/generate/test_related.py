"""A passage's partner shares rare words with it, is another one, and is never of another split."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from datagen.core.record import Chunk
from datagen.generate.related import MIN_SHARED, Related
from tests.generate.support import chunk

FILLER = "This section describes general matters that every reader should know about the device number"


def passage(
    name: str, text: str, *, path: str = "a.md", start: int = 0, heading: str = "", split: str = "train"
) -> Chunk:
    return chunk(f"{FILLER} {text}", name, path=path, start=start, heading=(heading or name,), title="", split=split)


def others(count: int = 12) -> list[Chunk]:
    nouns = "valve tank filter sensor motor relay cable panel switch gauge boiler duct".split()
    return [passage(f"o{i}", f"unrelated {nouns[i]} alone{i}x", start=1000 * (i + 1)) for i in range(count)]


def test_the_one_that_shares_rare_words() -> None:
    here = passage("here", "The descaling cartridge holds citric acid.")
    there = passage("there", "Order a descaling cartridge with citric powder.", path="b.md")
    related = Related([here, *others(), there])
    assert related.of(here) == there
    assert related.of(there) == here


def test_none_where_nothing_but_common_words_is_shared() -> None:
    chunks = others()
    assert [Related(chunks).of(c) for c in chunks] == [None] * len(chunks)
    assert Related([]).of(chunks[0]) is None
    assert Related(chunks[:1]).of(chunks[0]) is None


def test_two_shared_words_are_chance() -> None:
    here = passage("here", "The citric cartridge leaks.")
    there = passage("there", "A citric cartridge costs money.", path="b.md")
    assert MIN_SHARED == 3
    assert Related([here, *others(), there]).of(here) is None


def test_another_section_goes_before_the_one_that_merely_goes_on() -> None:
    here = passage("here", "The descaling cartridge holds citric acid inside.", heading="Descaling")
    on = passage("on", "The descaling cartridge with citric acid lasts.", heading="Descaling", start=500)
    elsewhere = passage("elsewhere", "Order the descaling cartridge with citric powder.", heading="Orders", start=900)
    assert Related([here, on, *others(), elsewhere]).of(here) == elsewhere
    assert Related([here, on, *others()]).of(here) == on  # better than none


def test_another_split_is_never_a_partner() -> None:
    here = passage("here", "The descaling cartridge holds citric acid.")
    tested = passage("there", "The descaling cartridge holds citric powder.", path="b.md", split="test")
    assert Related([here, *others(), tested]).of(here) is None


def test_what_overlaps_is_no_partner() -> None:
    here = passage("here", "The descaling cartridge holds citric acid.")
    overlapping = passage("near", "The descaling cartridge holds citric acid.", start=20)
    assert Related([here, overlapping, *others()]).of(here) is None


def test_scripts_without_spaces() -> None:
    here = chunk("除垢剂的用量是每升水十克。", "here", heading=("甲",))
    there = chunk("除垢剂的价格在每年一月调整。", "there", path="b.md", heading=("乙",))
    rest = [
        chunk(text, f"r{i}", path=f"r{i}.md", heading=()) for i, text in enumerate(("鸟类在四月归来", "发票需要签名"))
    ]
    assert Related([here, *rest, there]).of(here) == there


@given(st.integers(0, 1000), st.integers(0, 20))
def test_deterministic_and_never_itself(seed: int, count: int) -> None:
    rng = random.Random(seed)
    pick = [f"word{i}" for i in range(25)]
    chunks = [
        chunk(" ".join(rng.choices(pick, k=12)), f"c{i}", path=f"{i % 3}.md", start=200 * i, heading=(str(i % 4),))
        for i in range(count)
    ]
    first = [Related(chunks).of(c) for c in chunks]
    assert first == [Related(chunks).of(c) for c in chunks]
    assert all(partner is None or partner.id != c.id for c, partner in zip(chunks, first, strict=True))
