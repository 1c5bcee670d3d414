"""Several replies to one question, whether the endpoint gives them at once or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from datagen.llm import connect, loop
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.candidates import candidates
from datagen.llm.connect import Endpoint, open_backend, open_log, resolve
from tests.fakebatch import fake_batches
from tests.llm.support import QUICK, question, reply, run


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    connect.close()


@pytest.mark.parametrize(
    ("options", "requests"), [({}, 1), ({"ignores_n": True}, 4), ({"refuses": "n"}, 4), ({"cryptic": True}, 4)]
)
def test_as_many_as_were_asked_for(tmp_path: Path, options: dict[str, str | bool], requests: int) -> None:
    schema = {"type": "object", "properties": {"words": {"type": "string"}}}
    asked = question(params={"temperature": 0.9, "seed": 7}, json_schema=schema)
    with fake_batches(**options) as server:
        at = Endpoint(base_url=server.url, log_path=str(tmp_path / "calls.sqlite"), client=QUICK)
        facts = resolve(at)
        assert facts.n == (not options)
        before = len(server.stats()["chats"])
        found = loop.run(candidates(open_backend(at), asked, 4))
        assert len(found) == 4
        assert len({r.text for r in found}) == 4
        assert all(r.finish == "stop" and not r.choices for r in found)
        sent = server.stats()["chats"][before:]
        assert len(sent) == requests
        assert {body.get("n") for body in sent} == ({4} if facts.n else {None})
        assert sorted(body["seed"] for body in sent) == list(range(7, 7 + requests))
        assert sum(r.completion_tokens for r in found) == sum(
            t.completion_tokens for t in open_log(at.log_path).totals() if t.purpose == "generate"
        )
        connect.close()
        again = loop.run(candidates(open_backend(at), asked, 4))
        assert [r.text for r in again] == [r.text for r in found]
        assert len(server.stats()["chats"]) == before + requests


def test_one_is_an_ordinary_question() -> None:
    class One:
        async def complete(self, request: Request) -> Reply:
            assert "n" not in request.params
            return reply(request)

    assert run(candidates(One(), question(), 1)) == [reply(question())]


def test_some_are_better_than_none() -> None:
    class Fails:
        async def complete(self, request: Request) -> Reply:
            if request.index == 2:
                raise CallFailed(request.key(), "http_500", 1, "")
            return reply(request)

    assert len(run(candidates(Fails(), question(), 4))) == 3


def test_choices_survive_the_log(tmp_path: Path) -> None:
    asked = question(params={"n": 3, "logprobs": True, "top_logprobs": 2})
    with fake_batches() as server:
        at = Endpoint(base_url=server.url, log_path=str(tmp_path / "calls.sqlite"), model="fake-model", client=QUICK)
        first = loop.run(open_backend(at).complete(asked))
        assert len(first.choices) == len(first.finishes) == 3
        assert first.choices[0] == first.text
        assert first.logprobs
        assert len(first.logprobs[0].top) == 2
        connect.close()
        assert loop.run(open_backend(at).complete(asked)) == first.model_copy(update={"cached": True})
