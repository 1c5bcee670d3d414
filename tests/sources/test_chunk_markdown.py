"""The block rule that makes the parser faster must not change what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from datagen.sources.blocks_markdown import _parser, markdown

PLAIN = MarkdownIt("commonmark").enable("table").disable("reference")
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
LINES = st.sampled_from(
    """word|two words||  indented|    code|\tcode|- item|- |-|* item|+ x|1. one|2) two|12 apples|1.5 x|> quote|>|# head
#no|===|---|--|a ¦ b|¦---¦---¦|-¦-|:-|```|~~~|`code` x|**bold**|***|* * *|__init__|___|<div>|<b>x|<!-- c|-->|[a]: b
- - -|- - x|- * x|  - nested|    - deep|      - deeper|   three|-x|+1|é|\u00a0x|- ¦ a|10. ten""".replace("\n", "|")
    .replace("¦", "\0")
    .split("|")
).map(lambda line: line.replace("\0", "|"))
TEXT = st.lists(st.tuples(st.sampled_from(["", "", "> ", "- ", "  ", "    "]), LINES), max_size=25).map(
    lambda lines: "\n".join(a + b for a, b in lines)
)


def tokens(parser: MarkdownIt, text: str) -> list[tuple[str, list[int] | None, int]]:
    out: list = []
    parser.block.parse(text, parser, {}, out)
    return [(t.type, t.map, t.level) for t in out if t.type != "inline"]


@given(TEXT)
@settings(max_examples=400)
def test_the_same_tokens_with_and_without_it(text: str) -> None:
    assert tokens(_parser(), text) == tokens(PLAIN, text)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs the shared corpus")
def test_the_same_tokens_for_real_text() -> None:
    for file in [*sorted(CORPUS.rglob("*.rst"))[:6], *CORPUS.parent.glob("*.md")]:
        text = file.read_text()
        assert tokens(_parser(), text) == tokens(PLAIN, text), file.name


def test_a_parser_that_fails_leaves_paragraphs(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise IndexError

    monkeypatch.setattr(type(_parser().block), "parse", broken)
    assert [b.kind for b in markdown("# a\n\nb\n")] == ["prose", "prose"]


def test_a_heading_is_one_line_and_not_endless() -> None:
    (heading,) = markdown("#   A  *long*   title " + "x" * 1000 + " ##")
    assert heading.title.startswith("A *long* title xxx")
    assert len(heading.title) == 200
