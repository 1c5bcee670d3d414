"""Samples as people see them: quotes marked where they stand, long texts cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datagen.core.record import Lineage, Message, Quote
from datagen.output import shown
from tests.output.made import a_sample


def _quote(source: str, start: int, end: int, offset: int = 0) -> Quote:
    return Quote(text=source[start:end], start=start + offset, end=end + offset)


@given(
    source=st.text(st.sampled_from("ab \n`|~😀"), max_size=120),
    cuts=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 40)), max_size=4),
    offset=st.integers(0, 1000),
)
def test_pieces_are_the_text_and_mark_just_the_quotes(source: str, cuts: list[tuple[int, int]], offset: int) -> None:
    quotes = [_quote(source, a, a + n, offset) for a, n in cuts if a + n <= len(source) and n]
    pieces = shown.passage(source, quotes, offset)
    assert "".join(text for text, _ in pieces) == source
    wanted = {i for q in quotes for i in range(q.start - offset, q.end - offset)}
    marked = set()
    at = 0
    for text, flags in pieces:
        assert text
        if flags & shown.QUOTED:
            marked |= set(range(at, at + len(text)))
        at += len(text)
    assert marked == wanted


@given(length=st.integers(0, 3000), at=st.integers(0, 2990))
def test_a_long_passage_is_cut_around_its_quote(length: int, at: int) -> None:
    source = "word " * (length // 5) + "THE QUOTE" + " word" * ((3000 - length) // 5)
    start = source.index("THE QUOTE")
    pieces = shown.passage(source, [_quote(source, start, start + 9, 77)], 77)
    assert ("THE QUOTE", shown.QUOTED) in pieces
    assert sum(len(text) for text, _ in pieces) <= shown.SOURCE + 4
    assert all(w in ("word", "…", "THE", "QUOTE") for text, _ in pieces for w in text.split()), "no half words"


def test_a_quote_that_is_elsewhere_is_found_and_one_that_is_nowhere_left_out() -> None:
    quotes = [Quote(text="here", start=500, end=504), Quote(text="nowhere", start=0, end=7)]
    assert shown.passage("it is here", quotes, 0) == [("it is ", 0), ("here", shown.QUOTED)]


def test_code_and_tables_are_told_apart_from_prose() -> None:
    text = "See:\n```py\nx = 1\n```\nand\n| a | b |\n| 1 | 2 |\nend\n~~~\nopen"
    assert shown.pieces(text) == [
        ("See:\n", 0),
        ("```py\nx = 1\n```\n", shown.LITERAL),
        ("and\n", 0),
        ("| a | b |\n| 1 | 2 |\n", shown.LITERAL),
        ("end\n", 0),
        ("~~~\nopen", shown.LITERAL),
    ]


def test_a_sample_of_many_long_turns_is_cut() -> None:
    turns = tuple(Message(role="user" if i % 2 == 0 else "assistant", content="x" * 10_000) for i in range(40))
    lineage = Lineage(path="p", sha256="s", chunk="c", start=0, end=1, model="m")
    out = shown.sample(a_sample(messages=turns, source="y" * 10_000, lineage=lineage))
    assert len(out["turns"]) + out["more_turns"] == 40
    assert sum(len(t) for _, pieces in out["turns"] for t, _ in pieces) < 40_000
    assert sum(len(t) for t, _ in out["source"]) <= shown.SOURCE + 4
