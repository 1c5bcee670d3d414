"""The conversation recipe: as many exchanges as planned, each on verbatim evidence, with real follow-ups."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datagen.core.record import Failure, Sample, Task
from datagen.generate import attributes
from datagen.generate.config import GeneratorConfig
from datagen.generate.conversation import Conversation, Move, follow_up
from datagen.llm.backend import CallFailed
from tests.generate.support import Scripted, chunk, golden, make, reasons, task

TEXT = (
    "The option `--since` copies only files that were changed after the given date. The date is read in the time zone "
    "of the server, not of the client. To copy everything again, leave the option out. Backups made before version 2.3 "
    "have to be converted with `backup migrate` before the option works. A converted backup can no longer be read by "
    "older versions. The conversion takes about a minute for each gigabyte."
)
PASSAGE = chunk(TEXT, title="Manual", heading=("Backup", "Options"))
TOLD = [
    (
        "How can the backup tool copy only what is new?",
        "Give it `--since` with a date.",
        0,
        "`--since` copies only files",
    ),
    ("In whose clock?", "The date is read in the time zone of the server.", 1, "the time zone of the server"),
    (
        "And with a backup of version 2.1?",
        "Convert it with `backup migrate` first.",
        1,
        "converted with `backup migrate`",
    ),
    (
        "Could that break anything?",
        "Older versions can no longer read it.",
        3,
        "can no longer be read by older versions",
    ),
    ("How long does it take?", "About a minute for each gigabyte.", 3, "about a minute for each gigabyte"),
]


def recipe(gold: tuple[Sample, ...] = (), **config: Any) -> Conversation:
    return Conversation(GeneratorConfig(**config), "m", 1, gold)


def asked(exchanges: int = 5, **fields: Any) -> Task:
    slot = {"exchanges": str(exchanges), "persona": "a support engineer", "length": "one or two sentences"}
    return task(slot, of=PASSAGE, recipe="conversation", **fields)


def reply(told: list[Any], **change: Any) -> str:
    value = {
        "goal": "To copy less every night.",
        "moves": [{"asks": user, "needs": needs, "evidence": [quote]} for user, _, needs, quote in told],
        "exchanges": [{"user": user, "assistant": said} for user, said, _, _ in told],
    }
    return json.dumps(value | change)


def made(told: list[Any], **change: Any) -> Sample:
    (sample,) = make(recipe(), Scripted(reply(told, **change)), asked())
    assert isinstance(sample, Sample)
    return sample


def test_turns_alternate_and_all_quotes_are_kept_in_order() -> None:
    sample = made(TOLD)
    assert sample.verdict is None
    assert [m.role for m in sample.messages] == ["user", "assistant"] * 5
    assert [m.content for m in sample.messages[::2]] == [user for user, _, _, _ in TOLD]
    assert [q.text for q in sample.lineage.quotes] == [quote for _, _, _, quote in TOLD]
    for quote in sample.lineage.quotes:
        assert TEXT[quote.start - 100 : quote.end - 100] == quote.text
    assert sample.attributes == asked().slots[0]


def changed(place: int, **change: Any) -> list[Any]:
    names = ("user", "said", "needs", "quote")
    row = tuple(change.get(name, value) for name, value in zip(names, TOLD[place], strict=True))
    return [*TOLD[:place], row, *TOLD[place + 1 :]]


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (TOLD[:3], "few_exchanges"),
        ([*TOLD, *TOLD], "many_exchanges"),
        (TOLD[:4], None),
        (changed(2, quote="converted with `backup convert`"), "ungrounded"),
        (changed(2, quote=""), "ungrounded"),
        (changed(4, said=" "), None),
        (changed(3, said=" "), "few_exchanges"),
        ([(user, said, 0, quote) for user, said, _, quote in TOLD], "no_follow_up"),
        ([(user, said, 9, quote) for user, said, _, quote in TOLD], "no_follow_up"),
    ],
)
def test_what_is_rejected(told: list[Any], wanted: str | None) -> None:
    sample = made(told)
    assert reasons([sample]) == [wanted]


def test_an_exchange_without_a_move_has_no_evidence() -> None:
    sample = made(TOLD, moves=json.loads(reply(TOLD[:4]))["moves"])
    assert sample.verdict is not None
    assert sample.verdict.reason == "no_evidence"
    assert "exchange 5" in sample.verdict.evidence


@pytest.mark.parametrize(
    ("user", "leans"),
    [
        ("Why?", True),
        ("Would it be wise to do that on a machine which nobody has looked after for years?", True),
        ("What must the person who looks after the servers do about `--since` on every night of the week?", True),
        ("Which colour should the walls of a room have in which people are to sleep well at night?", False),
    ],
)
def test_signs_of_a_follow_up(user: str, leans: bool) -> None:
    moves = [Move(asks="", needs=n, evidence=[]) for n in (0, 1)]
    told = [("How do I copy only new files?", "Use `--since` with a date."), (user, "Because.")]
    assert (follow_up(moves, told) is None) == leans


def test_an_empty_reply_is_short_and_a_failed_call_failed() -> None:
    (failure,) = make(recipe(), Scripted(reply([])), asked())
    assert isinstance(failure, Failure)
    assert failure.reason == "short"
    (failure,) = make(recipe(), Scripted(CallFailed("k", "http_400", 1, "too long")), asked())
    assert isinstance(failure, Failure)
    assert failure.samples == 1


def test_the_number_of_exchanges_is_planned_within_the_bounds() -> None:
    axes = recipe(conversation={"min_exchanges": 2, "max_exchanges": 4}).axes()
    drawn = [attributes.draw(axes, "k", i)["exchanges"] for i in range(300)]
    assert all(90 <= drawn.count(n) <= 110 for n in ("2", "3", "4"))
    assert list(recipe(conversation={"min_exchanges": 5, "max_exchanges": 3}).axes()["exchanges"]) == ["5"]


def test_longer_conversations_may_take_longer_replies() -> None:
    longest = []
    for exchanges in (3, 4, 6):
        backend = Scripted(reply(TOLD))
        make(recipe(max_tokens=100), backend, asked(exchanges))
        longest.append(backend.asked[0].params["max_tokens"])
    assert longest == [100, 200, 200]


def test_only_passages_that_carry_a_conversation_are_taken() -> None:
    assert recipe().takes(PASSAGE)
    assert recipe().owes(PASSAGE) == 1
    assert not recipe().takes(chunk("The pump holds 3 litres."))
    assert not recipe().takes(PASSAGE.model_copy(update={"format": "code"}))


def test_the_prompt_is_the_one_that_was_read() -> None:
    backend = Scripted(reply(TOLD))
    make(recipe(), backend, asked(shots=(0,), avoid=("How do I back up a disk?",)))
    golden("conversation.txt", backend.asked[0])


def test_only_gold_samples_of_several_turns_are_examples() -> None:
    long = made(TOLD)
    single = long.model_copy(update={"messages": long.messages[:2]})
    assert recipe(gold=(single, long)).pool == (long,)
    assert recipe(gold=(single,)).pool == recipe().pool != ()
    assert recipe(shots=0).pool == ()
