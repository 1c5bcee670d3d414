"""Reviews measure the judge with one click, and nobody waits for the long pieces of work of others."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.core.record import Sample
from datagen.finished import Finished
from datagen.review.store import read
from tests.output.made import a_sample
from tests.review.support import Client, enter, serving, with_samples
from tests.runs import datagen, rows

CRITERIA = ("accuracy", "clarity")


def judged(count: int, rubric: str = "grounded@1a2b3c4d") -> list[Sample]:
    """Samples with scores of a judge that is often right."""
    draw = random.Random(7)
    out = []
    for i in range(count):
        scores = {name: float(draw.choice([1, 2, 3, 4, 4, 5, 5])) for name in CRITERIA}
        made = a_sample(f"Question {i}?", f"Answer {i}. " + "More. " * draw.randrange(20))
        fields = {"id": f"s{i:03}", "scores": scores, "score": sum(scores.values()) / 2, "scored_by": "judge:m"}
        out.append(made.model_copy(update={**fields, "rubric": rubric}))
    return out


def rate(client: Client, count: int, seed: int) -> None:
    """Score and decide about the first samples, mostly as the judge did."""
    draw = random.Random(seed)
    for n in range(count):
        judge = client.json("GET", f"/api/samples?n={n}")["samples"][0]["judge"]["scores"]
        scores = {name: min(5, max(1, int(v) + draw.choice([0, 0, 0, 1, -1]))) for name, v in judge.items()}
        decision = "accepted" if sum(scores.values()) >= 7 else "rejected"
        act = str(uuid.uuid4())
        client.json("POST", "/api/decide", {"n": n, "act": act, "decision": decision, "scores": scores})


def test_one_click_gives_what_the_command_gives(made_run: Path, tmp_path: Path) -> None:
    run = with_samples(made_run, tmp_path / "run", judged(40))
    with serving(run) as server:
        ana = enter(server, "Ana")
        ben = enter_by(server.port, ana, "Ben")
        status, _, body = ana.ask("POST", "/api/calibrate", {})
        assert status == 409
        assert "nothing to calibrate" in json.loads(body)["error"]
        assert ana.ask("GET", "/calibration")[0] == 404
        rate(ana, 30, 1)
        rate(ben, 20, 2)
        told = ana.json("POST", "/api/calibrate", {})
        _, headers, page = ana.ask("GET", "/calibration")
        assert Client(server.port).ask("GET", "/calibration")[0] == 401
    assert told["rows"] == told["ratings"] == 50
    assert told["samples"] == 30
    assert {one["name"] for one in told["criteria"]} == {"overall", *CRITERIA}
    assert all(0 < one["kappa"] <= 1 and one["low"] <= one["kappa"] <= one["high"] for one in told["criteria"])
    assert b"Ben" in page or b"two people" in page
    assert "script-src" not in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert b"<script" not in page
    written = rows(Path(told["path"]))
    assert {row["rubric"] for row in written} == {"grounded@1a2b3c4d"}
    assert {row["reviewer"] for row in written} == {"Ana", "Ben"}
    # The same by command, from the reviews to the figures.
    exported = tmp_path / "ratings.jsonl"
    assert datagen("review", run, "--export", exported).returncode == 0
    assert exported.read_bytes() == Path(told["path"]).read_bytes()
    done = datagen("judge", "calibrate", exported, "--json")
    assert done.returncode == 0, done.stderr
    by_command = json.loads((tmp_path / "ratings-calibration" / "calibration.json").read_text())
    here = json.loads((run / "review" / "calibration" / "calibration.json").read_text())
    assert by_command == here
    assert by_command["rows"] == 50
    assert by_command["criteria"]["overall"]["judge"]["kappa"]["value"] == pytest.approx(
        next(one["kappa"] for one in told["criteria"] if one["name"] == "overall"), abs=1e-6
    )


def enter_by(port: int, inside: Client, name: str) -> Client:
    """Another person, let in by somebody who is inside."""
    link = inside.json("POST", "/api/invite", {})["link"]
    client = Client(port)
    client.cookie = client.ask("GET", "/?" + link.partition("?")[2])[1]["set-cookie"].split(";")[0]
    client.json("POST", "/api/name", {"name": name})
    return client


def test_a_bulk_act_is_answered_again_though_it_emptied_its_filter(run: Path) -> None:
    with serving(run) as server:
        ana = enter(server, "Ana")
        ask: dict[str, Any] = {"filter": {"reviewed": "open"}, "act": str(uuid.uuid4()), "decision": "accepted"}
        total = ana.json("GET", "/api/run")["total"]
        assert ana.json("POST", "/api/bulk", {**ask, "count": total}) == {"count": total}
        assert ana.json("POST", "/api/bulk", {**ask, "count": total}) == {"count": total}
    assert len(read(run)) == total


@pytest.mark.slow
def test_nobody_waits_for_bulk_acts_and_ratings(made_run: Path, tmp_path: Path) -> None:
    base = next(s for s in Finished(made_run).made() if isinstance(s, Sample))
    samples = [base.model_copy(update={"id": f"{i:05}", "score": 3.0, "scores": {"c": 3.0}}) for i in range(6_000)]
    run = with_samples(made_run, tmp_path / "run", samples)
    with serving(run) as server:
        ana = enter(server, "Ana")
        ben = enter_by(server.port, ana, "Ben")
        ask = {"filter": {}, "act": str(uuid.uuid4()), "decision": "accepted", "count": len(samples)}
        work: dict[str, Callable[[], Any]] = {
            "bulk": lambda: ana.ask("POST", "/api/bulk", ask)[0],
            "undo": lambda: ana.ask("POST", "/api/undo", {"act": str(uuid.uuid4())})[0],
            "bulk again": lambda: ana.ask("POST", "/api/bulk", {**ask, "act": str(uuid.uuid4())})[0],
            "ratings": lambda: ana.ask("POST", "/api/ratings", {})[0],
        }
        for name, one in work.items():
            answered, took = beside(one, lambda: ben.json("GET", "/api/samples?n=7"))
            assert answered == 200, name
            # Not a bound on time: that others were served while it went on.
            assert len(took) >= 3, (name, took)
        assert len(read(run)) == 3 * len(samples)
        assert ben.json("GET", "/api/progress")["people"] == {"Ana": {"accepted": len(samples)}}


def beside(long: Callable[[], Any], short: Callable[[], Any]) -> tuple[Any, list[float]]:
    """The answer of the one, and the seconds that each of the others took until it came."""
    told: list[Any] = []
    thread = threading.Thread(target=lambda: told.append(long()))
    thread.start()
    took = []
    while thread.is_alive():
        begin = time.perf_counter()
        short()
        took.append(time.perf_counter() - begin)
    return (told or [None])[0], took
