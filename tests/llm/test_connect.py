"""From an address to a backend, and whole batches through the whole stack."""

from __future__ import annotations

import math
import os
import pickle
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from datagen.core.errors import DatagenError, StoppedEarly, UsageError
from datagen.core.hashing import sha256
from datagen.llm import connect, loop, prompts
from datagen.llm.ask import Unusable, ask
from datagen.llm.backend import CallFailed
from datagen.llm.cached import CallLog
from datagen.llm.connect import Endpoint, Facts, list_models, open_backend, open_log, resolve
from tests.fakebatch import fake_batches
from tests.fakeserver import FakeServer, fake_server
from tests.fakeserver_faults import KINDS
from tests.llm.support import QUICK, Pairs, question

ROOT = Path(__file__).parents[2]
CORRECT = prompts.load("repair.md.j2")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    connect.close()


def endpoint(server: FakeServer, folder: Path | None = None, **more: object) -> Endpoint:
    log = str(folder / "calls.sqlite") if folder else ""
    return Endpoint.model_validate({"base_url": server.url, "client": QUICK, "log_path": log, **more})


def outcomes(at: Endpoint, texts: list[str]) -> list[str]:
    """What became of each question: how it was answered, or why not."""
    backend = open_backend(at)

    async def one(text: str) -> str:
        try:
            return (await ask(backend, question(text, at.model), Pairs, CORRECT)).how
        except (Unusable, CallFailed) as error:
            failed = error
        assert failed.raw or failed.reason in ("timeout", "empty")
        assert failed.attempts >= 1
        return failed.reason

    return loop.run(loop.gather_lazily(one, texts, 64))


def test_the_only_model_is_taken_and_nothing_asked_twice(tmp_path: Path) -> None:
    with fake_server(models=["m"], journal=tmp_path / "journal") as server:
        at = endpoint(server, tmp_path)
        assert resolve(at) == Facts(model="m", schema_mode="json_schema", logprobs=True, n=True, seed=True)
        assert server.stats()["requests"] == 2
        assert [t.purpose for t in open_log(at.log_path).totals()] == ["probe"]
        connect.close()
        before = sha256((tmp_path / "calls.sqlite").read_bytes())
        assert resolve(at) == Facts(model="m", schema_mode="json_schema", logprobs=True, n=True, seed=True)
        assert resolve(at.model_copy(update={"model": "m"})).model == "m"
        connect.close()
        assert server.stats()["requests"] == 2
        assert sha256((tmp_path / "calls.sqlite").read_bytes()) == before


def test_several_models_are_listed() -> None:
    with fake_server(models=["a", "b"]) as server:
        with pytest.raises(UsageError, match="'a', 'b'"):
            resolve(endpoint(server))
        assert resolve(endpoint(server, model="b")).model == "b"
        with pytest.raises(UsageError, match="'c'") as caught:
            resolve(endpoint(server, model="c"))
        assert "'a', 'b'" in caught.value.why


def test_models_are_listed() -> None:
    with fake_server(models=["b", "a"]) as server:
        assert list_models(endpoint(server)) == ("b", "a")
    connect.close()
    with pytest.raises(UsageError, match="does not answer"):
        list_models(endpoint(server))


def test_an_endpoint_without_a_list() -> None:
    with fake_server(no_models=True) as server:
        assert list_models(endpoint(server)) == ()
        with pytest.raises(UsageError, match="--model"):
            resolve(endpoint(server))
        assert resolve(endpoint(server, model="fake-model")).model == "fake-model"


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({"no_json_schema": True}, "json_object"),
        ({"no_json_schema": True, "no_json_object": True}, "prompt"),
        ({"new_names": True}, "json_schema"),
    ],
)
def test_the_form_is_found_out_once(tmp_path: Path, options: dict[str, bool], mode: str) -> None:
    with fake_server(journal=tmp_path / "journal", **options) as server:
        at = endpoint(server, tmp_path, model="fake-model")
        assert resolve(at).schema_mode == mode
        connect.close()
        asked = len(server.journal())
        outcomes(at, ["x"])  # what is known is read from the log, so the first question has the right form
        assert {entry["form"] for entry in server.journal()[asked:]} == {None if mode == "prompt" else mode}


@pytest.mark.parametrize(
    ("options", "n", "logprobs", "seed"),
    [
        ({}, True, True, True),
        ({"ignores_n": True}, False, True, True),
        ({"ignores_logprobs": True}, True, False, True),
        ({"refuses": "n,logprobs"}, False, False, True),  # the latter with HTTP 403, as OpenAI does
        ({"refuses": "seed,temperature"}, True, True, False),
        ({"cryptic": True}, False, False, True),
        ({"thinks": True, "refuses": "n"}, False, True, True),
    ],
)
def test_what_it_can_do_is_found_out_once(
    tmp_path: Path, options: dict[str, Any], n: bool, logprobs: bool, seed: bool
) -> None:
    with fake_batches(**options) as server:
        at = Endpoint(base_url=server.url, client=QUICK, log_path=str(tmp_path / "calls.sqlite"))
        facts = resolve(at)
        assert (facts.n, facts.logprobs, facts.seed) == (n, logprobs, seed)
        asked = len(server.stats()["chats"])
        connect.close()
        assert resolve(at) == facts
        assert len(server.stats()["chats"]) == asked
        # What it does not take or heed is not sent again, in this process or the next.
        wanted = {"n": 2, "logprobs": True, "top_logprobs": 3, "seed": 1, "temperature": 0.5, "max_tokens": 2_000}
        at = at.model_copy(update={"model": facts.model})
        reply = loop.run(open_backend(at).complete(question(params=wanted)))
        (sent,) = server.stats()["chats"][asked:]
        assert ("n" in sent, "logprobs" in sent, "top_logprobs" in sent, "seed" in sent) == (
            n,
            logprobs,
            logprobs,
            seed,
        )
        assert (bool(reply.choices), bool(reply.logprobs)) == (n, logprobs)


def test_a_schema_refused_after_the_probe_is_asked_for_in_another_form_from_then_on(tmp_path: Path) -> None:
    with fake_batches(refuses_schema="reply") as server:
        at = Endpoint(base_url=server.url, client=QUICK, log_path=str(tmp_path / "calls.sqlite"))
        assert resolve(at).schema_mode == "json_schema"
        at = at.model_copy(update={"model": "fake-model"})
        loop.run(open_backend(at).complete(question("1")))
        connect.close()
        loop.run(open_backend(at).complete(question("2")))
        loop.run(open_backend(at).complete(question("3", schema_name="smaller")))
        forms = [(c["response_format"]["type"]) for c in server.stats()["chats"]]
        # The probe, a refusal, and the answer to it; then nothing is refused; another schema is not concerned.
        assert forms == ["json_schema", "json_schema", "json_object", "json_object", "json_schema"]


def test_a_log_of_an_earlier_version_still_opens(tmp_path: Path) -> None:
    with fake_server(models=["m"]) as server:
        at = endpoint(server, tmp_path)
        resolve(at)
        connect.close()
        with closing(sqlite3.connect(tmp_path / "calls.sqlite")) as db, db:
            db.execute("DROP TABLE extras")
            old = '{"schema_mode":"json_schema","long_name":false,"dropped":[]}'
            db.execute("UPDATE notes SET value=? WHERE name LIKE 'dialect%'", (old,))
        with CallLog(tmp_path / "calls.sqlite", read_only=True) as log:
            assert [t.calls for t in log.totals()] == [1]
            assert log.get("nothing") is None
        asked = server.stats()["questions"]
        facts = resolve(at)
        assert (facts.model, facts.n, facts.logprobs) == ("m", False, False)  # not known, so not relied upon
        assert server.stats()["questions"] == asked
        assert outcomes(at.model_copy(update={"model": "m"}), ["x"]) == ["as_is"]


def test_nothing_there() -> None:
    with fake_server() as server:
        at = endpoint(server)
    with pytest.raises(UsageError) as caught:
        resolve(at)
    assert caught.value.exit_code == 2
    assert "does not answer" in caught.value.what
    assert "refused" in caught.value.why.lower()


def test_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_server(key="the-right-key") as server:
        at = endpoint(server, api_key_env="SOME_KEY")
        for value, said in (("", "is not set"), ("the-wrong-key", "is not accepted")):
            monkeypatch.setenv("SOME_KEY", value)
            with pytest.raises(UsageError, match=said) as caught:
                resolve(at)
            assert "SOME_KEY" in caught.value.fix
            assert "the-wrong-key" not in str(caught.value)
            connect.close()
        monkeypatch.setenv("SOME_KEY", "the-right-key\n")
        assert resolve(at).model == "fake-model"
        assert b"the-right-key" not in pickle.dumps(at)


def test_the_key_is_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-right-key")
    with fake_server(key="the-right-key") as server:
        at = endpoint(server, tmp_path).model_copy(
            update={"base_url": server.url.replace("//", "//me:password@"), "model": "fake-model"}
        )
        resolve(at)
        outcomes(at, ["x"])
    connect.close()
    data = (tmp_path / "calls.sqlite").read_bytes()
    assert b"the-right-key" not in data
    assert b"password" not in data


def test_backends_are_shared_and_a_stopped_one_is_replaced() -> None:
    with fake_server(models=["m"]) as server:
        at = endpoint(server, model="m")
        backend = open_backend(at)
        assert open_backend(at) is backend
        with pytest.raises(UsageError):
            outcomes(at.model_copy(update={"model": "unknown"}), ["x"])
        assert open_backend(at) is not backend
        assert outcomes(at, ["x"]) == ["as_is"]


def test_one_limit_for_all_threads_of_the_process() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with fake_server(latency_ms=20) as server, ThreadPoolExecutor(4) as pool:
        at = endpoint(server, model="fake-model")
        found = list(pool.map(lambda n: outcomes(at, [f"{n}-{i}" for i in range(20)]), range(4)))
        assert found == [["as_is"] * 20] * 4
        assert server.stats()["most_in_flight"] <= QUICK.concurrency


def test_every_fault_and_nothing_is_lost(tmp_path: Path) -> None:
    faults = {kind: (0.05, 1) for kind in KINDS if kind not in ("hang", "400")}
    faults |= {"hang": (0.02, 1), "400": (0.02, math.inf)}
    texts = [str(number) for number in range(400)]
    with fake_server(faults=faults, retry_after="0", journal=tmp_path / "journal", latency_ms=1) as server:
        at = endpoint(server, tmp_path, model="fake-model")
        at = at.model_copy(update={"client": QUICK.model_copy(update={"timeout_s": 1.0, "concurrency": 64})})
        found = outcomes(at, texts)
        assert len(found) == len(texts)
        assert {e["fault"] for e in server.journal()} == {*faults, None}
        counted = Counter(found)
        assert set(counted) <= {"as_is", "corrected", "http_400", "refusal", "length", "invalid_json", "schema"}
        assert counted["as_is"] > 250
        asked = len(server.journal())
        # Everything again, in a new process's place: what got a reply is not asked again.
        connect.close()
        again = outcomes(at, texts)
        new = server.journal()[asked:]
        assert [a for a, b in zip(found, again, strict=True) if a == b or "http_400" in (a, b)] == found
        assert {e["fault"] for e in new} <= {"400"}


def test_always_failing_requests_fail_alone(tmp_path: Path) -> None:
    faults = dict.fromkeys(("429", "500", "drop_before", "drop_after", "truncated", "utf8"), (0.05, math.inf))
    with fake_server(faults=faults) as server:
        patient = endpoint(server, tmp_path, model="fake-model").model_copy(
            update={"client": QUICK.model_copy(update={"timeout_s": 20.0})}  # a busy machine is no fault
        )
        found = Counter(outcomes(patient, [str(n) for n in range(200)]))
        failed = {"http_429", "http_500", "connection", "truncated", "bad_envelope", "invalid_utf8"}
        assert set(found) == {"as_is", *failed}
        assert sum(found.values()) == 200
        with CallLog(tmp_path / "calls.sqlite", read_only=True) as log:
            assert sum(t.calls for t in log.totals()) == found["as_is"]


def test_an_endpoint_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    texts = [str(number) for number in range(150)]
    with fake_server(latency_ms=20, journal=tmp_path / "first") as server:
        at = endpoint(server, tmp_path, model="fake-model")

        backend = open_backend(at)
        done: list[str] = []

        async def one(text: str) -> None:
            await ask(backend, question(text), Pairs, CORRECT)
            done.append(text)
            if len(done) == 40:
                server.process.kill()

        with pytest.raises(StoppedEarly, match="same command again"):
            loop.run(loop.gather_lazily(one, texts, 32))
    connect.close()
    with CallLog(tmp_path / "calls.sqlite") as log:
        kept = {t for t in texts if log.get(question(t).key())}
    assert len(kept) >= 40
    with fake_server(port=server.port, journal=tmp_path / "second") as server:
        assert outcomes(at, texts) == ["as_is"] * len(texts)
        assert len(server.journal()) == len(texts) - len(kept)


def test_a_continued_run_sees_a_missing_endpoint_soon(tmp_path: Path) -> None:
    with fake_server() as server:
        at = endpoint(server, tmp_path, model="fake-model")
        resolve(at)
    connect.close()
    assert resolve(at).model == "fake-model"  # known, so nothing is asked
    with pytest.raises(StoppedEarly) as caught:
        outcomes(at, ["x"])
    assert isinstance(caught.value, DatagenError)


def test_closed_at_exit(tmp_path: Path) -> None:
    code = f"""
from datagen.llm.connect import *
from tests.fakeserver import fake_server
with fake_server() as server:
    resolve(Endpoint(base_url=server.url, log_path={str(tmp_path / "calls.sqlite")!r}))
"""
    environment = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stderr == b""
    assert [p.name for p in tmp_path.iterdir()] == ["calls.sqlite"]
