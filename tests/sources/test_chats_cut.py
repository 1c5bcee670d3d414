"""From files to conversations: the sandboxed reader, the verdicts, and how chats are cut."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.core.record import Chunk, Document
from datagen.engine.codec import from_frame, to_frame
from datagen.sources.chunk import Chunker
from datagen.sources.chunk_chat import conversations, sizes
from datagen.sources.config import ChatConfig, ChatFields, ChunkConfig, SourcesConfig, SplitConfig
from datagen.sources.discover import discover
from datagen.sources.load import Load
from datagen.sources.parsed import ChatOptions
from datagen.sources.readers import Options, read
from datagen.sources.tokens import counter
from tests.sources import chat_samples as made
from tests.sources.chat_samples import Msg

ME = "Bö Müller"
AT = datetime(2024, 5, 1, 10)


def chat(script: str, gap: dict[int, float] | None = None) -> list[Msg]:
    """Messages ``m`` (mine), ``a``, ``b``, a minute apart; ``gap`` gives minutes before a message."""
    who = {"m": ME, "a": "Ann", "b": "Bob"}
    times = [AT]
    for number in range(1, len(script)):
        times.append(times[-1] + timedelta(minutes=(gap or {}).get(number, 1)))
    return [Msg(who[letter], f"{letter}{i}", at) for i, (letter, at) in enumerate(zip(script, times, strict=True))]


def document(data: bytes, kind: str = "json") -> Document:
    parsed = read(kind, data, Options(chat=ChatOptions(ME)))
    turns = [dict(zip(("speaker", "time", "start", "end"), turn, strict=True)) for turn in parsed.turns]
    return Document.model_validate(
        {"path": "a.json", "sha256": "s", "kind": kind, "text": parsed.text, "format": "chat", "turns": turns}
    )


def cut(messages: list[Msg], **options: object) -> list[tuple[str, str]]:
    """Of each chunk its messages and its verdict."""
    config = ChatConfig.model_validate({"me": ME, **options})
    whole = document(made.telegram(messages))
    chunks = conversations(whole, config, counter(""))
    check(whole, chunks)
    return [
        (" ".join(whole.text[t.start : t.end] for t in c.turns), c.verdict.reason if c.verdict else "") for c in chunks
    ]


def check(whole: Document, chunks: list[Chunk]) -> None:
    assert [turn for chunk in chunks for turn in chunk.turns] == list(whole.turns)
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    for chunk in chunks:
        assert whole.text[chunk.start : chunk.end] == chunk.text
        assert chunk.start <= chunk.turns[0].start
        assert chunk.turns[-1].end == chunk.end
        assert chunk.text.count("\n") == len(chunk.turns) - 1  # whole lines, and no line of another chunk
        assert chunk.tokens > 0


def test_one_conversation() -> None:
    assert cut(chat("amamamam")) == [("a0 m1 a2 m3 a4 m5 a6 m7", "")]
    assert cut(chat("aabmmambmammm")) == [("a0 a1 b2 m3 m4 a5 m6 b7 m8 a9 m10 m11 m12", "")]


def test_what_is_at_the_ends_is_left_out_with_a_reason() -> None:
    assert cut(chat("mm" + "am" * 4 + "ab")) == [
        ("m0 m1", "unprompted"),
        ("a2 m3 a4 m5 a6 m7 a8 m9", ""),
        ("a10 b11", "unanswered"),
    ]
    assert cut(chat("am" * 3)) == [("a0 m1 a2 m3 a4 m5", "too_few_exchanges")]
    assert cut(chat("am" * 3), min_exchanges=1) == [("a0 m1 a2 m3 a4 m5", "")]
    assert cut([*chat("m"), *chat("ab", {0: 1})][:1]) == [("m0", "unprompted")]
    assert cut(chat("mab"), min_exchanges=1) == [("m0", "unprompted"), ("a1 b2", "unanswered")]


def test_a_pause_starts_a_new_conversation() -> None:
    script = "am" * 8
    assert cut(chat(script, {8: 181})) == [
        (" ".join(f"{'am'[i % 2]}{i}" for i in r), "") for r in (range(8), range(8, 16))
    ]
    assert len(cut(chat(script[:12], {8: 180}))) == 1
    assert len(cut(chat(script, {8: 31}), gap_minutes=30)) == 2
    assert len(cut(chat(script[:12], {8: -60}))) == 1  # a clock put back
    assert len(cut(chat(script, {8: -600}))) == 2


def test_long_conversations_are_cut_alike() -> None:
    for exchanges, wanted in ((6, [6]), (8, [4, 4]), (9, [5, 4]), (13, [5, 4, 4]), (24, [6, 6, 6, 6])):
        found = cut(chat("am" * exchanges))
        assert [len(text.split()) // 2 for text, _ in found] == wanted
        assert not any(reason for _, reason in found)
    # Seven cannot be cut into parts of four to six.
    assert [(len(text.split()) // 2, reason) for text, reason in cut(chat("am" * 7))] == [
        (6, ""),
        (1, "too_few_exchanges"),
    ]


@given(st.integers(0, 400), st.integers(1, 12), st.integers(0, 12))
def test_no_part_is_too_small_or_too_large(exchanges: int, least: int, more: int) -> None:
    most = least + more
    found = sizes(exchanges, least, most)
    assert all(least <= size <= most for size in found)
    assert not found or max(found) - min(found) <= 1
    left = exchanges - sum(found)
    assert 0 <= left < least
    if left and found:
        assert not any(parts * least <= exchanges <= parts * most for parts in range(1, exchanges + 1))


@settings(max_examples=60)
@given(st.text("mab", min_size=1, max_size=60), st.dictionaries(st.integers(1, 59), st.integers(-400, 400), max_size=6))
def test_every_message_is_in_one_chunk_and_samples_are_whole(script: str, gap: dict[int, float]) -> None:
    messages = chat("m" + script, gap)
    for text, reason in cut(messages, min_exchanges=2, max_exchanges=3):
        letters = [word[0] for word in text.split()]
        if not reason:
            assert letters[0] != "m"
            assert letters[-1] == "m"
            exchanges = sum(a == "m" and b != "m" for a, b in zip(letters, [*letters[1:], "a"], strict=True))
            assert 2 <= exchanges <= 3
        elif reason == "unprompted":
            assert set(letters) == {"m"}
        elif reason == "unanswered":
            assert "m" not in letters


def test_too_much_text_makes_no_sample() -> None:
    long = [Msg(m.speaker, m.text + "x" * 100, m.time) for m in chat("am" * 4)]
    assert [reason for _, reason in cut(long, max_characters=500)] == ["too_long"]
    assert [reason for _, reason in cut(long)] == [""]


def test_a_thread_is_a_conversation_of_its_own_whatever_its_pauses() -> None:
    rows = []
    for i in range(16):
        thread = {"thread_ts": "1714557600.000000"} if i % 2 == 0 else {}
        hours = i // 2 if i % 2 == 0 else i / 100
        rows.append({
            "type": "message", "user": "U1" if (i // 2) % 2 == 0 else "U2", "text": f"{'t' if thread else 'c'}{i}",
            "ts": f"{1714557600 + int(hours * 36000)}.{i:06d}", **thread,
            "user_profile": {"real_name": "Ann" if (i // 2) % 2 == 0 else ME},
        })  # fmt: skip
    whole = document(json.dumps(rows).encode())
    chunks = conversations(whole, ChatConfig(me=ME), counter(""))
    check(whole, chunks)
    said = [[whole.text[t.start : t.end] for t in c.turns] for c in chunks]
    assert said == [[f"c{i}" for i in range(1, 16, 2)], [f"t{i}" for i in range(0, 16, 2)]]


def test_chats_of_one_file_are_never_one_conversation() -> None:
    first, second = json.loads(made.telegram(chat("amam"))), json.loads(made.telegram(chat("amam")))
    second["name"] = "# y\nz"
    whole = document(json.dumps({"chats": {"list": [first, second]}}).encode())
    chunks = conversations(whole, ChatConfig(me=ME, min_exchanges=2), counter(""))
    check(whole, chunks)
    assert [chunk.heading for chunk in chunks] == [("x",), ("# y z",)]


def test_files_become_chats_in_the_reader_processes(tmp_path: Path) -> None:
    files = {
        "_chat.txt": made.IOS_GERMAN.encode(),
        "android": made.ANDROID.encode(),
        "result.json": json.dumps(made.TELEGRAM).encode(),
        "general/2024-05-01.json": json.dumps(made.SLACK).encode(),
        "plain.csv": made.table(chat("am" * 5)),
        "other.txt": b"12/1/24, 18:03 - Ann: a\n12/1/24, 18:04 - Cy: b\n",
        "words.txt": b"No chat at all.",
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    config, chat_config = SourcesConfig(paths=(str(tmp_path),)), ChatConfig(me=ME)
    found = discover(config, SplitConfig(), 0).files
    stage = pickle.loads(pickle.dumps(Load(config, chat_config)))
    documents = {d.path: d for d in stage.run(found) if isinstance(d, Document)}
    assert {path: (d.format, len(d.turns)) for path, d in documents.items()} == {
        "_chat.txt": ("chat", 6),
        "android": ("chat", 6),
        "result.json": ("chat", 4),
        "general/2024-05-01.json": ("chat", 5),
        "plain.csv": ("chat", 10),
        "other.txt": ("markdown", 0),
        "words.txt": ("text", 0),
    }
    verdict = documents["other.txt"].verdict
    assert verdict is not None
    assert (verdict.stage, verdict.reason) == ("load", "me_not_found")
    assert verdict.evidence.endswith("Who wrote: “Ann”, “Cy”.")
    ios = documents["_chat.txt"]
    assert [(t.speaker, t.time, ios.text[t.start : t.end]) for t in ios.turns] == made.IOS_GERMAN_KEPT
    assert ios.notes == ("WhatsApp chat: 6 messages; left out: 1 deleted, 3 media, 3 system.",)
    cutter = pickle.loads(pickle.dumps(Chunker(ChunkConfig(), chat_config)))
    chunks = [c for c in cutter.run(list(documents.values())) if isinstance(c, Chunk)]
    assert {c.path for c in chunks} == set(documents) - {"other.txt"}
    assert [c.path for c in chunks if c.turns and c.verdict is None] == ["plain.csv"]
    assert from_frame(to_frame([*documents.values(), *chunks])) == [*documents.values(), *chunks]


def test_a_run_without_chats_is_what_it_was() -> None:
    assert Load(SourcesConfig(), ChatConfig(gap_minutes=5)).fingerprint() == Load(SourcesConfig()).fingerprint()
    assert Chunker(ChunkConfig(), ChatConfig(gap_minutes=5)).fingerprint() == Chunker(ChunkConfig()).fingerprint()


@pytest.mark.parametrize(
    ("field", "load", "chunk"),
    [
        ({"me": "Ann"}, True, True),
        ({"drop": ("x",)}, True, False),
        ({"fields": ChatFields(text="x")}, True, False),
        ({"gap_minutes": 5}, False, True),
        ({"min_exchanges": 2}, False, True),
        ({"max_exchanges": 9}, False, True),
        ({"max_characters": 900}, False, True),
    ],
)
def test_each_setting_makes_only_that_work_again_which_it_shapes(
    field: dict[str, object], load: bool, chunk: bool
) -> None:
    base, other = ChatConfig(me=ME), ChatConfig.model_validate({"me": ME, **field})
    sources, chunks = SourcesConfig(), ChunkConfig()
    assert (Load(sources, other).fingerprint() != Load(sources, base).fingerprint()) is load
    assert (Chunker(chunks, other).fingerprint() != Chunker(chunks, base).fingerprint()) is chunk
    json.dumps([Load(sources, other).fingerprint(), Chunker(chunks, other).fingerprint()])


def test_the_least_is_no_more_than_the_most() -> None:
    with pytest.raises(ValidationError, match="max_exchanges"):
        ChatConfig(min_exchanges=5, max_exchanges=4)
