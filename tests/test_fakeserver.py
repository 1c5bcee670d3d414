"""The fake endpoint's own promises: replies that satisfy their schema, limits that are kept."""

from __future__ import annotations

import json
import random
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from datagen.llm.schema import schema_of
from tests.fakeserver import fake_server
from tests.fakeserver_limits import BLOCK, PrefixCache, Rate, Slots
from tests.fakeserver_schema import Source, instance

PASSAGE = "The valve of the pump holds ninety units. Its gear turns forty times an hour. Every fuse is checked twice."
OTHER = "A second passage speaks of belts and lamps. They are replaced once in a year by the owner."
TEXT = f"<passage>\n{PASSAGE}\n</passage>\n<passage_2>\n{OTHER}\n</passage_2>\nPlan 5 turns, then write 2 pairs."


class Turn(BaseModel):
    ask: str = Field(min_length=20, max_length=60)
    kind: Literal["follow_up", "new"]
    evidence: str
    weight: int = Field(ge=0, le=1)
    share: float = Field(ge=0.7, le=0.9)


class Talk(BaseModel):
    turns: list[Turn] = Field(min_length=4, max_length=6)
    quotes: list[str] = Field(min_length=2, max_length=3)
    label: str = Field(max_length=12)
    day: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    maybe: str | None
    long: str = Field(min_length=400)


def ask(url: str, text: str = TEXT, **more: Any) -> dict[str, Any]:
    payload = {"model": "fake-model", "messages": [{"role": "user", "content": text}], **more}
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(payload).encode())
    with urllib.request.urlopen(request, timeout=10) as response:
        found: dict[str, Any] = json.load(response)
    return found


def form(model: type[BaseModel]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "talk", "schema": schema_of(model)}}


@pytest.mark.parametrize("key", [f"key-{n}" for n in range(20)])
def test_a_made_up_value_satisfies_its_schema_and_quotes_what_is_there(key: str) -> None:
    talk = Talk.model_validate(instance(schema_of(Talk), Source(TEXT, key)))
    assert len(talk.turns) == 5
    assert all(q in PASSAGE or q in OTHER for q in [*talk.quotes, *(t.evidence for t in talk.turns)])
    assert any(q in PASSAGE for q in talk.quotes)
    assert any(q in OTHER for q in talk.quotes)
    bad = Talk.model_validate(instance(schema_of(Talk), Source(TEXT, key, bad=True)))
    assert not any(q in PASSAGE or q in OTHER for q in [*bad.quotes, *(t.evidence for t in bad.turns)])


def test_no_two_requests_get_nearly_the_same() -> None:
    texts = [instance(schema_of(Talk), Source(TEXT, str(n)))["turns"][0]["ask"] for n in range(50)]
    assert len(set(texts)) == 50


def test_choices_logprobs_and_what_is_not_supported() -> None:
    with fake_server() as server:
        made = ask(server.url, n=3, logprobs=True, top_logprobs=2, response_format=form(Talk))
        texts = [choice["message"]["content"] for choice in made["choices"]]
        assert len(set(texts)) == 3
        for choice, text in zip(made["choices"], texts, strict=True):
            tokens = choice["logprobs"]["content"]
            assert "".join(t["token"] for t in tokens) == text
            assert all(1 <= len(t["top_logprobs"]) <= 2 and t["logprob"] <= 0 for t in tokens)
    with fake_server(no_n=True, no_logprobs=True) as server:
        for name, value in (("n", 2), ("logprobs", True)):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                ask(server.url, **{name: value})  # type: ignore[arg-type]
        assert ask(server.url)["choices"]


def test_a_script_answers_first(tmp_path: Path) -> None:
    script = tmp_path / "judge.py"
    script.write_text(
        "def reply(payload, key):\n    return {'score': 2} if 'belts' in payload['messages'][0]['content'] else None\n"
    )
    with fake_server(script=script) as server:
        assert json.loads(ask(server.url)["choices"][0]["message"]["content"]) == {"score": 2}
        assert ask(server.url, "Hello")["choices"][0]["message"]["content"] == "A plain reply."


def test_bad_replies_are_a_share_of_all() -> None:
    with fake_server(bad_rate=0.4) as server:
        made = [ask(server.url, f"{n} {TEXT}", response_format=form(Talk)) for n in range(100)]
    quotes = [json.loads(m["choices"][0]["message"]["content"])["quotes"][0] for m in made]
    assert 25 <= sum(q not in PASSAGE + OTHER for q in quotes) <= 55


@pytest.mark.parametrize("kind", ["bucket", "window"])
def test_a_rate_is_kept_over_any_length_of_time(kind: str) -> None:
    rng = random.Random(kind)
    limit, now, taken = Rate(20, 5, kind), 1000.0, []
    for _ in range(4000):
        now += rng.expovariate(40)
        wait = limit.take(now)
        if not wait:
            taken.append(now)
        else:
            assert wait <= 5 / 20 + 1e-9
    for span in (0.2, 1.0, 10.0):
        most = max(sum(t <= u < t + span for u in taken) for t in taken[::50])
        assert most <= 5 * (kind == "bucket") + 20 * span + 5
    assert len(taken) >= 0.8 * 20 * (now - 1000)


def test_a_limited_request_is_told_when_to_come_again() -> None:
    with fake_server(rate=5, burst=1, retry_after="exact", rate_headers=True) as server:
        ask(server.url)
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(server.url)
        headers = caught.value.headers
        assert caught.value.code == 429
        assert 0 < int(headers["retry-after-ms"]) <= 200
        assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("1", "0")
        assert server.stats()["limited"] == 1


def test_places_are_given_in_order_of_arrival() -> None:
    slots, started = Slots(2), list[int]()
    for who in range(6):
        slots.enter(who, lambda who=who: started.append(who))  # type: ignore[misc]
    assert started == [0, 1]
    slots.leave(3)
    slots.leave(0)
    slots.leave(1)
    assert started == [0, 1, 2, 4]


def test_the_prefix_cache_counts_as_a_server_would() -> None:
    cache = PrefixCache(4)
    first, second = "a" * BLOCK * 3, "a" * BLOCK * 2 + "b" * BLOCK
    assert (cache.see(first), cache.see(second), cache.see("c" + first)) == (0, 2, 0)
    assert (cache.total, cache.hits, cache.best) == (9, 2, 2)
    assert cache.see(first) == 0, "it was dropped for what came later"
    assert cache.best == 5
