"""Chunks: exact spans, nothing lost, no orphan headings, whatever the text."""

from __future__ import annotations

import pickle
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from datagen.core.record import Chunk, Document, Verdict
from datagen.sources.blocks import LINE_END, line_starts
from datagen.sources.chunk import Chunker, chunks
from datagen.sources.config import ChunkConfig
from datagen.sources.tokens import counter

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
PLAIN = MarkdownIt("commonmark").enable("table").disable("reference")


def document(text: str, format: str = "markdown", **more: object) -> Document:
    return Document(path="a.md", sha256="0" * 64, kind="markdown", text=text, format=format, **more)  # type: ignore[arg-type]


def headings(text: str) -> list[tuple[int, int, int]]:
    """(start, end, level) of each heading, by the parser as its authors ship it."""
    tokens: list = []
    PLAIN.block.parse(LINE_END.sub("\n", text), PLAIN, {}, tokens)
    starts = line_starts(text)
    return [
        (starts[t.map[0]], starts[min(t.map[1], len(starts) - 1)], int(t.tag[1]))
        for t in tokens
        if t.type == "heading_open" and t.level == 0 and t.map
    ]


def check(doc: Document, config: ChunkConfig) -> list[Chunk]:
    """Every promise about chunks that holds for any text."""
    text = doc.text
    out = chunks(doc, config)
    count = counter(config.tokenizer).count
    covered = bytearray(len(text))
    for chunk in out:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip()
        assert not chunk.text[-1].isspace()
        assert chunk.tokens == count(chunk.text)
        assert chunk.tokens <= config.tokens
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    lost = [i for i, c in enumerate(text) if not covered[i] and not c.isspace()]
    assert not lost, (lost[:5], text[max(0, lost[0] - 20) : lost[0] + 20])
    for a, b in pairwise(out):
        assert a.start < b.start
        assert a.end < b.end
        assert config.overlap or a.end <= b.start
    assert len({c.id for c in out}) == len(out)
    return out


def orphans(doc: Document, out: list[Chunk]) -> list[str]:
    """Headings that end a chunk although something stands below them."""
    found = headings(doc.text)
    bad = []
    for chunk in out:
        for at, (start, end, level) in enumerate(found):
            if chunk.start <= start < chunk.end and not doc.text[end : chunk.end].strip():
                below = doc.text[end : found[at + 1][0] if at + 1 < len(found) else len(doc.text)].strip()
                deeper = at + 1 < len(found) and found[at + 1][2] > level
                if below or (deeper and found[at + 1][0] >= chunk.end):
                    bad.append(doc.text[start:end])
    return bad


WORDS = st.sampled_from(
    "the a cat sat on mat. Why? It was warm, e.g. here! 漢字仮名。 שלום مرحبا naïve 42 x=y() **b** `c`".split()
)
SENTENCE = st.lists(WORDS, min_size=1, max_size=60).map(" ".join)
PARAGRAPH = st.lists(SENTENCE, min_size=1, max_size=4).map("\n".join)
HEADING = st.tuples(st.integers(1, 6), st.lists(WORDS, max_size=4)).map(lambda x: "#" * x[0] + " " + " ".join(x[1]))
SETEXT = st.sampled_from(["Title\n=====", "Part\n---"])
FENCE = st.lists(st.sampled_from(["x = 1", "", "    return y", "# no heading", "| a |"]), max_size=40).map(
    lambda lines: "```py\n" + "\n".join(lines) + "\n```"
)
TABLE = st.integers(0, 30).map(lambda n: "| a | b |\n|---|---|" + "\n| some cell | 12.5 |" * n)
LIST = st.lists(SENTENCE, min_size=1, max_size=12).map(lambda items: "\n".join(f"- {i}" for i in items))
NESTED = st.tuples(SENTENCE, FENCE, LIST).map(
    lambda x: f"1. {x[0]}\n\n" + "\n".join("   " + line for y in x[1:] for line in y.split("\n"))
)
QUOTE = st.tuples(PARAGRAPH, LIST).map(lambda x: "\n".join("> " + line for y in x for line in [*y.split("\n"), ""]))
ODD = st.sampled_from(
    ["[ref]: http://x.y", "---", "<div>\n<p>x</p>\n</div>", "    code", "\t\ttabs", "a\x00b", "\ud800x", "👩‍👩‍👧‍👦🇩🇪"]
)
BLOCK = st.one_of(PARAGRAPH, HEADING, HEADING, SETEXT, FENCE, TABLE, LIST, NESTED, QUOTE, ODD)
MARKDOWN = st.tuples(st.lists(BLOCK, max_size=14), st.sampled_from(["\n\n", "\n", "\n\n\n"])).map(
    lambda x: x[1].join(x[0])
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
CONFIG = st.builds(
    ChunkConfig, tokens=st.sampled_from([32, 50, 120, 400]), min_tokens=st.sampled_from([0, 8, 24]), overlap=st.just(0)
)


@given(MARKDOWN, ENDS, CONFIG)
@settings(max_examples=100)
def test_markdown_keeps_its_promises(text: str, end: str, config: ChunkConfig) -> None:
    doc = document(text.replace("\n", end))
    check(doc, config)


@given(st.text(max_size=3000), st.sampled_from(["markdown", "text", "code"]), CONFIG, st.integers(0, 60))
@settings(max_examples=100)
def test_any_text_keeps_its_promises(text: str, format: str, config: ChunkConfig, overlap: int) -> None:
    check(document(text, format), config.model_copy(update={"overlap": overlap}))


@given(
    st.lists(
        st.sampled_from(
            [*list("#-+*_`~<|>:=[]()!&\\ \t\n\r\x00a1."), "\n\n", "    ", "<!--", "-->", "```", "́", "\u2028"]
        ),
        max_size=200,
    ),
    CONFIG,
)
@settings(max_examples=200)
def test_marks_of_every_kind_keep_the_promises(marks: list[str], config: ChunkConfig) -> None:
    check(document("".join(marks)), config)


@given(MARKDOWN, st.sampled_from([120, 400]))
@settings(max_examples=100)
def test_no_chunk_ends_in_a_heading_that_has_text_below(text: str, tokens: int) -> None:
    doc = document(text)
    assert orphans(doc, check(doc, ChunkConfig(tokens=tokens))) == []


@given(MARKDOWN, st.sampled_from([40, 120]), st.integers(1, 30))
@settings(max_examples=100)
def test_overlap_repeats_only_what_stood_before(text: str, tokens: int, overlap: int) -> None:
    doc = document(text)
    out = check(doc, ChunkConfig(tokens=tokens, overlap=overlap))
    count = counter("").count
    longest = (tokens - min(overlap, tokens // 2)) // 2  # a longer heading is cut like text
    ends = [end for start, end, _ in headings(text) if count(text[start:end]) < longest - 2]
    for a, b in pairwise(out):
        if b.start < a.end:
            shared = text[b.start : a.end]
            assert count(shared) <= overlap
            assert not any(b.start < end <= a.end for end in ends), "an overlap reached over a heading"


def test_overlap_takes_whole_sentences_of_running_text() -> None:
    text = " ".join(f"Sentence number {i} says something plain about the subject." for i in range(200))
    out = check(document(text, "text"), ChunkConfig(tokens=100, overlap=30))
    assert len(out) > 20
    for a, b in pairwise(out):
        assert b.start < a.end
        assert b.text.startswith("Sentence number")


def test_sections_stay_together_and_know_their_headings() -> None:
    part = "Some words about it that make a short paragraph. " * 4
    text = (
        f"# Top\n\nIntro here.\n\n## One\n\n{part}\n\n### One A\n\n{part}\n\n## Two\n\n{part}\n\n# Last\n\nThe end.\n"
    )
    out = check(document(text), ChunkConfig(tokens=110, min_tokens=2))
    assert [c.heading for c in out] == [("Top",), ("Top", "Two"), ("Last",)]
    assert out[0].text.startswith("# Top")
    small = check(document(text), ChunkConfig(tokens=60, min_tokens=4))
    assert [c.heading for c in small] == [("Top",), ("Top", "One"), ("Top", "One", "One A"), ("Top", "Two"), ("Last",)]


def test_a_small_introduction_joins_what_follows() -> None:
    text = "# Top\n\nShort.\n\n## Long\n\n" + "\n\n".join("Many words stand here in a row. " * 5 for _ in range(6))
    out = check(document(text), ChunkConfig(tokens=100, min_tokens=20))
    assert out[0].text.startswith("# Top\n\nShort.\n\n## Long\n\nMany")
    assert out[0].heading == ("Top",)
    assert all(c.heading == ("Top", "Long") for c in out[1:])


def test_fences_and_tables_are_split_only_when_larger_than_a_chunk() -> None:
    fence = "```py\n" + "\n".join(f"call_number_{i}(a, b)" for i in range(12)) + "\n```"
    table = "| key | value |\n|---|---|\n" + "\n".join(f"| k{i} | v{i} |" for i in range(20))
    body = "Words before it stand here. " * 8
    text = "\n\n".join([body, fence, body, table, body, f"- item\n\n{fence}"]).replace(
        f"- item\n\n{fence}", "- item\n\n  " + fence.replace("\n", "\n  ")
    )
    out = check(document(text), ChunkConfig(tokens=200))
    assert sum(fence in c.text for c in out) == 1
    assert sum(table in c.text for c in out) == 1
    long_table = "| key | value |\n|---|---|\n" + "\n".join(f"| k{i} | v{i} |" for i in range(200))
    pieces = check(document(long_table), ChunkConfig(tokens=100))
    assert len(pieces) > 5
    assert all(line in long_table.split("\n") for c in pieces for line in c.text.split("\n"))


def test_code_is_cut_between_top_level_blocks() -> None:
    function = "def f{0}(a, b):\n    x = a\n\n    return x + b{0}\n"
    text = "\n\n".join(function.format(i) for i in range(40))
    out = check(document(text, "code"), ChunkConfig(tokens=100))
    assert all(c.text.startswith("def f") for c in out)
    inside = check(
        document(
            "class A:\n    y = 1\n\n" + "\n".join("    " + line if line else "" for line in text.split("\n")), "code"
        ),
        ChunkConfig(tokens=100),
    )
    assert all(c.text.startswith(("class A", "    def f")) for c in inside)


def test_pages_count_from_one() -> None:
    text = "\n\n".join(["First page. " * 30, "Second page. " * 30, "Third page. " * 30])
    pages = (0, text.index("Second"), text.index("Third"))
    out = check(document(text, "text", pages=pages), ChunkConfig(tokens=110))
    assert {c.text.split()[0]: c.page for c in out} == {"First": 1, "Second": 2, "Third": 3}
    assert chunks(document("x"))[0].page is None


def test_headings_alone_become_a_chunk() -> None:
    out = check(document("# A\n\n## B\n\n## C\n"), ChunkConfig())
    assert [c.text for c in out] == ["# A\n\n## B\n\n## C"]


def test_headings_without_text_join_a_neighbour() -> None:
    body = "\n\n".join(" ".join(["Many words stand here in a row."] * 5) for _ in range(6))
    text = f"# Paper\n\n### Author\n\n### Date\n\n## Abstract\n\n{body}\n\n## See also\n\n## Index"
    out = check(document(text), ChunkConfig(tokens=100, min_tokens=0))
    assert out[0].text.startswith("# Paper\n\n### Author\n\n### Date\n\n## Abstract\n\nMany")
    assert out[0].heading == ("Paper", "Abstract")
    assert out[-1].text.endswith("row.\n\n## See also\n\n## Index")


@pytest.mark.parametrize("sign", ["a", "漢", "é", "👩‍👩‍👧‍👦", "ก็", "\u0301", "\0", "=", ". ", "\r\n", "x ", "🇩🇪"])
@pytest.mark.parametrize("format", ["markdown", "text", "code"])
def test_a_long_line_without_a_good_place_to_cut(sign: str, format: str) -> None:
    doc = document(sign * (60_000 // len(sign)), format)
    out = check(doc, ChunkConfig())
    if len(sign) > 2:
        assert all(c.text.startswith(sign) and c.text.endswith(sign) for c in out), "a sign was cut in two"


@pytest.mark.parametrize(
    "sign", ["a", "漢", "a b. ", "word\n", "- x\n", "# h\n", "> q\n", "a|b\n-|-\n", "[", "```\n", "1. a\n", "<b>\n"]
)
def test_the_work_grows_with_the_text_not_faster(sign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from datagen.sources import tokens

    looked = 0
    real = tokens.Estimate.count

    def counting(self: tokens.Estimate, text: str) -> int:
        nonlocal looked
        looked += len(text) + 20
        return real(self, text)

    monkeypatch.setattr(tokens.Estimate, "count", counting)
    figures = []
    for size in (10_000, 40_000):
        looked = 0
        chunks(document(sign * (size // len(sign))))
        figures.append(looked)
    assert figures[1] < 5 * figures[0]
    assert figures[1] < 30 * 40_000


def test_the_stage_takes_documents_and_survives_pickling() -> None:
    bad = document("").model_copy(update={"verdict": Verdict(stage="load", reason="broken")})
    stage = pickle.loads(pickle.dumps(Chunker(ChunkConfig(tokens=64))))
    good = document("# A\n\nText of it.", title="T", split="test")
    out = stage.run([bad, good, document(" \n\t\n")])
    assert [type(r) for r in out] == [Chunk]
    chunk = out[0]
    assert (chunk.title, chunk.split, chunk.format, chunk.path) == ("T", "test", "markdown", "a.md")
    assert stage.run([good]) == out
    assert stage.fingerprint() != Chunker(ChunkConfig(tokens=65)).fingerprint()


@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs the shared corpus")
@pytest.mark.parametrize("tokens", [100, 400])
def test_real_documents(tokens: int) -> None:
    files = sorted(CORPUS.rglob("*.rst"))[:8] + sorted((ROOT.parent / "shared").glob("*.md"))
    for file in files:
        text = file.read_text()
        for format in ("markdown", "text"):
            doc = document(text, format)
            out = check(doc, ChunkConfig(tokens=tokens))
            assert format == "text" or not orphans(doc, out)
        sizes = [c.tokens for c in chunks(document(text))]
        assert sum(s < 24 for s in sizes) <= len(sizes) // 10 + 1


def test_seeded_documents_of_many_small_sections_make_full_chunks() -> None:
    rng = random.Random(7)
    text = "# T\n\n" + "\n\n".join(f"## S{i}\n\n" + "word " * rng.randint(5, 60) for i in range(200))
    sizes = [c.tokens for c in check(document(text), ChunkConfig())]
    assert sum(sizes) / len(sizes) > 300
