"""The chat recipe: one sample a conversation, roles right, every message there once and in order."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from curation.sketch import Sketch
from datagen import config, pipeline
from datagen.core.names import name_key
from datagen.core.record import Chunk, Message, Sample, SourceFile, Task
from datagen.generate.chat import Chat, messages
from datagen.generate.generate import Generate
from datagen.generate.plan import Plan
from datagen.sources.chunk_chat import conversations
from datagen.sources.config import ChatConfig
from datagen.sources.tokens import counter
from tests.generate.support import CHUNK, task
from tests.sources import chat_samples as made
from tests.sources.chat_samples import Msg
from tests.sources.test_chats_cut import ME, document

AT = datetime(2024, 5, 1, 10)


class Silent:
    """A listener that shows nothing."""

    def __call__(self, event: Any) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def chunks(*said: tuple[str, str], least: int = 1) -> list[Chunk]:
    """The conversations of a chat, a minute between its messages."""
    written = [Msg(who, text, AT + timedelta(minutes=i)) for i, (who, text) in enumerate(said)]
    wanted = ChatConfig(me=ME, min_exchanges=least, max_exchanges=max(6, least))
    return conversations(document(made.android(written), "text"), wanted, counter(""))


def made_of(chunk: Chunk) -> Sample:
    (record,) = asyncio.run(Chat(ME).make(None, task({}, of=chunk, recipe="chat")))
    assert isinstance(record, Sample)
    return record


def test_messages_in_a_row_are_one_and_roles_alternate() -> None:
    (chunk,) = chunks(("Ann", "Hi"), ("Ann", "are you\n\nthere?"), (ME, "Yes"), ("Ann", made.HEBREW), (ME, made.FAMILY))
    sample = made_of(chunk)
    assert sample.messages == (
        Message(role="user", content="Hi\nare you\n\nthere?"),
        Message(role="assistant", content="Yes"),
        Message(role="user", content=made.HEBREW),
        Message(role="assistant", content=made.FAMILY),
    )
    assert (sample.recipe, sample.split, sample.source) == ("chat", chunk.split, chunk.text)
    assert sample.lineage.model == "none (chat export)"
    assert sample.lineage.chunk == chunk.id
    assert [quote.text for quote in sample.lineage.quotes] == [
        "Hi",
        "are you\n\nthere?",
        "Yes",
        made.HEBREW,
        made.FAMILY,
    ]


def test_in_a_group_each_speaker_is_named_once_a_turn() -> None:
    (chunk,) = chunks(
        ("Ann", "Hi"),
        ("Ann", "all"),
        ("Bob", "Hello"),
        ("Ann", "?"),
        (ME, "Here"),
        (ME, "I am"),
        ("Bob", "Ok"),
        (ME, "!!"),
    )
    assert [m.content for m in made_of(chunk).messages] == [
        "Ann: Hi\nall\nBob: Hello\nAnn: ?", "Here\nI am", "Bob: Ok", "!!",
    ]  # fmt: skip


def test_it_takes_chats_alone_and_others_leave_them() -> None:
    (chunk,) = chunks(("Ann", "Hi"), (ME, "Yes"))
    recipe = Chat("bö  müller")
    assert recipe.takes(chunk)
    assert not recipe.takes(CHUNK)
    assert recipe.owes(chunk) == 1
    assert recipe.fingerprint() == Chat(ME).fingerprint() != Chat("Ann").fingerprint()


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(["Ann", "Bob", ME]), st.sampled_from(["a", "b: c", "d\ne", made.ARABIC])),
        min_size=1,
        max_size=40,
    )
)
def test_each_message_is_in_one_sample_or_in_a_chunk_with_a_verdict(said: list[tuple[str, str]]) -> None:
    found = chunks((ME, "x"), *said, least=2)
    told: list[str] = []
    for chunk in found:
        if chunk.verdict is not None:
            told += [chunk.text[t.start - chunk.start : t.end - chunk.start] for t in chunk.turns]
            continue
        sample = made_of(chunk)
        assert [m.role for m in sample.messages] == ["user", "assistant"] * (len(sample.messages) // 2)
        texts = [quote.text for quote in sample.lineage.quotes]
        roles = ["assistant" if t.speaker == ME else "user" for t in chunk.turns]
        rest = [(m.role, m.content) for m in sample.messages]
        for text, role in zip(texts, roles, strict=True):  # each in order, in a message of its role
            while rest[0][0] != role or text not in rest[0][1]:
                rest.pop(0)
            rest[0] = (role, rest[0][1].split(text, 1)[1])
        told += texts
    assert told == ["x", *(text for _, text in said)]


def test_through_plan_and_generate() -> None:
    found = chunks(*[("Ann", f"q{i}") if i % 2 == 0 else (ME, f"r{i}") for i in range(26)], least=4)
    assert [chunk.verdict for chunk in found] == [None] * 3
    recipe = Chat(ME)
    tasks = Plan([(recipe, 1.0)], {}, 0).emit([*found, CHUNK])
    assert [(t.recipe, t.samples) for t in tasks if isinstance(t, Task)] == [("chat", 1)] * 3
    samples = Generate([recipe], None).run(
        [*tasks, SourceFile(path="a", location="/a", size=1, sha256="s", kind="text")]
    )
    assert [len(s.messages) for s in samples if isinstance(s, Sample)] == [10, 8, 8]
    sketched = Sketch(3, 16).run(samples)  # duplicates are told by what the user says in the whole conversation
    assert len({s.sketch for s in sketched if isinstance(s, Sample)}) == 3


def test_two_spellings_of_a_name_are_one_speaker() -> None:
    (chunk,) = chunks(("Ann", "Hi"), ("ANN", "again"), ("bo\u0308 mu\u0308ller", "Yes"))
    assert [m.content for m in messages(chunk, name_key(ME))] == ["Hi\nagain", "Yes"]


def test_a_run_on_exports_exports_each_conversation_as_it_was(tmp_path: Path) -> None:
    source = tmp_path / "chats"
    source.mkdir()
    said = [Msg(("Ann", ME)[i % 2], f"{made.ARABIC} {i}\nok 👍", AT + timedelta(minutes=i)) for i in range(10)]
    for name, data in {"_chat.txt": made.ios(said), "result.json": made.telegram(said[::-1])}.items():
        (source / name).write_bytes(data)
    (source / "other.txt").write_bytes(made.android([Msg("Cy", "a", AT), Msg("Di", "b", AT)]))
    given = {"sources.paths": [str(source)], "chat.me": ME, "generator.backend": "extractive"}
    outcome = pipeline.run(config.load(None, values=given), tmp_path / "run", Silent())
    assert outcome.ledger == {"requested": 2, "kept": 2, "rejected": {}, "failed": {}}
    rows = [
        json.loads(line)
        for split in ("train", "valid", "test")
        for line in (tmp_path / "run" / "export" / f"sft.{split}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    told = [[(m["role"], m["content"]) for m in row["messages"]] for row in rows]
    roles = {"Ann": "user", ME: "assistant"}
    assert [(roles[m.speaker], m.text) for m in said] in told
    assert [(roles[m.speaker], m.text) for m in said[::-1][1:-1]] in told
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert [s["path"] for s in report["skipped"] if "me_not_found" in s["reason"]] == ["other.txt"]
