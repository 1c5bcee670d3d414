"""Records to Parquet and back, for any content."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.core.record import (
    AnyRecord,
    Chunk,
    Document,
    Failure,
    Lineage,
    Message,
    Quote,
    Sample,
    SourceFile,
    Verdict,
)
from datagen.engine import codec

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
verdicts = st.none() | st.builds(Verdict, stage=text, reason=text, evidence=text)
documents = st.builds(
    Document,
    path=text,
    sha256=text,
    kind=text,
    text=text,
    pages=st.lists(st.integers(0, 99)).map(tuple),
    verdict=verdicts,
)
chunks = st.builds(
    Chunk, id=text, path=text, sha256=text, start=st.integers(0, 9), end=st.integers(0, 9), text=text,
    heading=st.lists(text, max_size=3).map(tuple), page=st.none() | st.integers(1, 9),
    sketch=st.none() | st.binary(max_size=9), verdict=verdicts,
)  # fmt: skip
quotes = st.builds(Quote, text=text, start=st.integers(0, 9), end=st.integers(0, 9))
lineages = st.builds(
    Lineage, path=text, sha256=text, chunk=text, start=st.integers(0, 9), end=st.integers(0, 9), model=text,
    quotes=st.lists(quotes, max_size=2).map(tuple), params=st.dictionaries(text, st.integers() | text, max_size=2),
)  # fmt: skip
messages = st.builds(Message, role=st.sampled_from(["user", "assistant"]), content=text)
samples = st.builds(
    Sample, id=text, recipe=text, lineage=lineages, verdict=verdicts,
    messages=st.lists(messages, max_size=3).map(tuple),
    scores=st.dictionaries(text, st.floats(1, 5), max_size=3), score=st.none() | st.floats(1, 5),
)  # fmt: skip
failures = st.builds(
    Failure,
    call=text,
    recipe=text,
    chunk=text,
    samples=st.integers(0, 5),
    reason=text,
    attempts=st.integers(1, 9),
    raw=text,
)


@settings(max_examples=60)
@given(st.lists(samples | failures, max_size=6) | st.lists(chunks, max_size=6) | st.lists(documents, max_size=6))
def test_round_trip(tmp_path_factory: object, records: list[AnyRecord]) -> None:
    frame = codec.to_frame(records)
    assert codec.from_frame(frame) == records
    assert codec.from_frame(pl.read_parquet(__import__("io").BytesIO(codec.to_parquet(records)))) == records


def test_the_columns_users_rely_on(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(codec.to_parquet([Document(path="a.md", sha256="s", kind="markdown", text="T")]))
    assert {"path", "sha256", "text"} <= set(pl.read_parquet(path).columns)
    chunk = Chunk(id="i", path="a.md", sha256="s", start=0, end=1, heading=("A", "B"), page=2, text="T")
    path.write_bytes(codec.to_parquet([chunk]))
    row = pl.read_parquet(path).row(0, named=True)
    assert {k: row[k] for k in ("id", "path", "start", "end", "heading", "page", "text")} == {
        "id": "i", "path": "a.md", "start": 0, "end": 1, "heading": ["A", "B"], "page": 2, "text": "T",
    }  # fmt: skip


def test_lone_surrogates_become_replacement_characters_of_the_same_length() -> None:
    failure = Failure(call="c", recipe="qa", chunk="k", samples=1, reason="r", attempts=1, raw="a\ud800b")
    sample = Sample(
        id="i",
        recipe="qa",
        messages=(Message(role="user", content="x\udfff"),),
        lineage=Lineage(path="p", sha256="s", chunk="c", start=0, end=1, model="m", params={"\ud800": ["\ud801"]}),
    )
    back = codec.from_frame(codec.to_frame([failure, sample]))
    assert isinstance(back[0], Failure)
    assert isinstance(back[1], Sample)
    assert back[0].raw == "a\ufffdb"
    assert back[1].messages[0].content == "x\ufffd"
    assert back[1].lineage.params == {"\ufffd": ["\ufffd"]}


def test_a_shard_written_before_a_field_was_added_reads_with_its_default() -> None:
    file = SourceFile(path="p", location="l", size=1, sha256="s", kind="text")
    frame = codec.to_frame([file]).drop("split")
    (back,) = codec.from_frame(frame)
    assert isinstance(back, SourceFile)
    assert back.split == "train"


def test_content_names_follow_content() -> None:
    chunk = Chunk(id="i", path="a", sha256="s", start=0, end=1, text="T")
    assert codec.content_name([chunk]) == codec.content_name([chunk.model_copy()])
    assert codec.content_name([chunk]) != codec.content_name([chunk.model_copy(update={"text": "U"})])
    assert codec.content_name([chunk]) != codec.content_name([chunk, chunk])
