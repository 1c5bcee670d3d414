"""One question, one usable answer or one clear reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datagen.llm import prompts
from datagen.llm.ask import MAX_ECHO, Answer, Unusable, ask
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.limited import Limited
from datagen.llm.openai import OpenAIBackend
from tests.fakeserver import fake_server
from tests.llm.support import QUICK, Pairs, question, run

GOOD = '{"pairs": [{"question": "Why?", "answer": "So.", "evidence": ["x"]}]}'
CORRECT = prompts.load("repair.md.j2")


class Says:
    """A backend that gives these replies in turn."""

    def __init__(self, *replies: Reply | CallFailed) -> None:
        self.left = list(replies)
        self.asked: list[Request] = []

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        given = self.left.pop(0)
        if isinstance(given, CallFailed):
            raise given
        return given.model_copy(update={"key": request.key()})


def say(text: str = "", **more: Any) -> Reply:
    return Reply(key="", text=text, **more)


def asked(backend: Says) -> Answer[Pairs]:
    return run(ask(backend, question(), Pairs, CORRECT))


def test_a_good_reply_is_taken() -> None:
    answer = asked(Says(say(GOOD, attempts=3)))
    assert (answer.how, answer.attempts, len(answer.value.pairs)) == ("as_is", 3, 1)
    assert answer.reply.key == question().key()


def test_a_local_repair_asks_nothing() -> None:
    assert asked(Says(say(f"```json\n{GOOD}\n```"))).how == "repaired"


BAD = {
    "invalid_json": say("Certainly!"),
    "schema": say('{"pairs": [{}]}'),
    "empty": say(""),
    "refusal": say("", refusal="No."),
    "length": say(GOOD, finish="length"),
    "content_filter": say(GOOD, finish="content_filter"),
}


@pytest.mark.parametrize("reason", BAD)
def test_one_correction_that_shows_the_bad_reply_and_the_problem(reason: str) -> None:
    bad = BAD[reason]
    backend = Says(bad, say(GOOD, attempts=2))
    answer = asked(backend)
    assert (answer.how, answer.attempts) == ("corrected", 3)
    first, second = backend.asked
    assert answer.reply.key == second.key() != first.key()
    assert second.messages[: len(first.messages)] == first.messages
    added = second.messages[len(first.messages) :]
    assert [m.role for m in added] == (["user"] if reason == "empty" else ["assistant", "user"])
    if reason != "empty":
        assert added[0].content == (bad.text or bad.refusal)
    assert json.dumps(first.json_schema, sort_keys=True, separators=(",", ":")) in added[-1].content
    assert (second.json_schema, second.params, second.purpose) == (first.json_schema, first.params, first.purpose)


@pytest.mark.parametrize("reason", BAD)
def test_after_the_correction_it_is_unusable(reason: str) -> None:
    backend = Says(say("First."), BAD[reason])
    with pytest.raises(Unusable) as caught:
        asked(backend)
    error = caught.value
    assert (error.reason, error.attempts, error.key) == (reason, 2, backend.asked[1].key())
    assert error.raw == (BAD[reason].text or BAD[reason].refusal)


def test_corrections_of_different_problems_differ() -> None:
    said = set()
    for bad in BAD.values():
        backend = Says(bad, say(GOOD))
        asked(backend)
        said.add(backend.asked[1].messages[-1].content)
    assert len(said) == len(BAD)


def test_where_the_correction_gets_no_reply_the_first_one_is_reported() -> None:
    with pytest.raises(Unusable) as caught:
        asked(Says(say("Prose.", attempts=2), CallFailed("k", "http_500", 6, "down")))
    assert (caught.value.reason, caught.value.attempts, caught.value.raw) == ("invalid_json", 8, "Prose.")
    assert caught.value.key == question().key()


def test_where_nothing_comes_at_all_the_call_has_failed() -> None:
    with pytest.raises(CallFailed):
        asked(Says(CallFailed("k", "http_500", 6, "down")))


def test_a_huge_bad_reply_is_not_sent_back_whole() -> None:
    backend = Says(say("x" * 1_000_000), say(GOOD))
    asked(backend)
    assert len(backend.asked[1].messages[-2].content) == MAX_ECHO


@pytest.mark.parametrize("kind", ["refusal", "apology", "length", "prose", "schema"])
def test_against_a_server(kind: str) -> None:
    async def main(url: str, count: int) -> list[str]:
        transport = OpenAIBackend(url)
        backend = Limited(transport, QUICK)
        found = []
        for number in range(count):
            try:
                found.append((await ask(backend, question(str(number)), Pairs, CORRECT)).how)
            except Unusable as error:
                found.append(error.reason)
        await transport.close()
        return found

    with fake_server(faults={kind: 0.5}) as server:
        found = run(main(server.url, 24))
        expected = {"apology": "refusal", "prose": "invalid_json"}.get(kind, kind)
        assert set(found) == {"as_is", "corrected", expected}
