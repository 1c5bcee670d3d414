"""What reviewers decide is what the run's files then say, and the ledger adds up."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from datagen import results
from datagen.core.record import Sample, Verdict
from datagen.core.reviewed import ReviewedSample
from datagen.finished import Finished
from datagen.review.rule import apply, settle
from datagen.review.store import Edit, Line, State
from tests.output.made import a_sample
from tests.review.support import Client, enter, serving
from tests.runs import ledger, rows


def line(seq: int, who: str, decision: Any, edit: str | None = None, note: str = "") -> Line:
    texts = Edit(("q", edit)) if edit is not None else None
    return Line(seq, "", who, "s", State(decision, (), texts, note), f"act-{seq}")


@pytest.mark.parametrize(
    ("decisions", "outcome"),
    [
        ([], None), (["skipped"], None), ([""], None), (["accepted"], "accepted"), (["rejected"], "rejected"),
        (["accepted", "skipped"], "accepted"), (["accepted", "rejected"], "rejected"),
        (["accepted", "rejected", "accepted"], "accepted"), (["edited", "rejected", "rejected"], "rejected"),
        (["edited", "accepted"], "edited"), (["edited", "accepted", "rejected"], "edited"),
    ],
)  # fmt: skip
def test_the_rule(decisions: list[str], outcome: str | None) -> None:
    lines = [line(i, f"p{i}", d, "new" if d == "edited" else None) for i, d in enumerate(decisions)]
    settled = settle(lines)
    assert (settled.decision if settled else None) == outcome
    counting = {d for d in decisions if d in ("accepted", "rejected", "edited")}
    assert bool(settled and settled.conflict) == ("rejected" in counting and len(counting) > 1)


def test_the_latest_edit_is_taken_and_the_original_kept() -> None:
    sample = a_sample(verdict=Verdict(stage="judge", reason="low_score"))
    settled = settle([line(2, "Ana", "edited", "second"), line(1, "Ben", "edited", "first"), line(3, "C", "accepted")])
    assert settled is not None
    done = apply(sample, settled)
    assert isinstance(done, ReviewedSample)
    assert [m.content for m in done.messages] == ["q", "second"]
    assert done.verdict is None
    assert done.review.original == sample.messages
    assert done.review.reviewed_by == ("Ana", "Ben", "C")
    assert done.review.verdict == sample.verdict
    assert done.id == sample.id


def test_an_edit_of_another_shape_changes_no_text() -> None:
    sample = a_sample(system="be kind")
    settled = settle([line(1, "Ana", "edited", "x")])
    assert settled is not None
    done = apply(sample, settled)
    assert done.messages == sample.messages
    assert done.review.decision == "accepted"


def say(client: Client, n: int, decision: str, **more: Any) -> Any:
    body = {"n": n, "act": str(uuid.uuid4()), "decision": decision, **more}
    return client.json("POST", "/api/decide", body)


def queue(client: Client, order: str = "document", **wanted: Any) -> list[int]:
    asked = client.json("POST", "/api/queue", {"filter": wanted, "order": order, "seed": 1})
    return list(asked["numbers"])


def test_export_report_and_ledger_equal_the_decisions(run: Path) -> None:
    before = ledger(run)
    samples = [s for s in Finished(run).made() if isinstance(s, Sample)]
    kept = [n for n, s in enumerate(samples) if s.verdict is None]
    out = [n for n, s in enumerate(samples) if s.verdict is not None]
    assert len(kept) >= 4
    with serving(run) as server:
        client = enter(server, "Ana")
        say(client, kept[0], "rejected", note="wrong")
        say(client, kept[1], "edited", edit={"contents": ["New question?", "Neue Antwort 😀."]})
        say(client, kept[2], "accepted", scores={})
        for n in out[:1]:
            say(client, n, "accepted")
        say(client, kept[3], "rejected")
        assert client.json("POST", "/api/undo", {"act": str(uuid.uuid4())})["count"] == 1
    results.report(run)
    after = ledger(run)
    restored = len(out[:1])
    assert after["requested"] == before["requested"]
    assert after["kept"] == before["kept"] - 1 + restored
    assert after["rejected"]["rejected_by_reviewer"] == 1
    exported = {
        row["id"]: row for split in ("train", "valid", "test") for row in rows(run / "export" / f"sft.{split}.jsonl")
    }
    assert len(exported) == after["kept"]
    assert samples[kept[0]].id not in exported
    assert [m["content"] for m in exported[samples[kept[1]].id]["messages"]] == ["New question?", "Neue Antwort 😀."]
    assert samples[kept[3]].id in exported
    assert all(samples[n].id in exported for n in out[:1])
    lineage = {row["id"]: row for row in rows(run / "export" / "lineage.jsonl")}
    review = lineage[samples[kept[1]].id]["review"]
    assert review["reviewed_by"] == ["Ana"]
    assert [m["content"] for m in review["original"]] == [m.content for m in samples[kept[1]].messages]
    assert "review" not in lineage[samples[kept[3]].id]
    assert (run / "export" / "lineage.jsonl").read_bytes() == again(run)


def again(run: Path) -> bytes:
    """The lineage after the same report once more: the same decisions give the same bytes."""
    results.report(run)
    return (run / "export" / "lineage.jsonl").read_bytes()


def test_two_people_do_not_overwrite_each_other(run: Path) -> None:
    with serving(run, "--as", "Ana") as server:
        ana = enter(server)
        assert ana.json("GET", "/api/run")["reviewer"] == "Ana"
        link = ana.json("POST", "/api/invite", {})["link"]
        ben = Client(server.port)
        ben.cookie = ben.ask("GET", "/?" + link.partition("?")[2])[1]["set-cookie"].split(";")[0]
        ben.json("POST", "/api/name", {"name": "Ben"})
        say(ana, 0, "accepted")
        shown = say(ben, 0, "rejected", note="no")["sample"]
        assert shown["mine"]["decision"] == "rejected"
        assert [(r["reviewer"], r["decision"]) for r in shown["others"]["reviews"]] == [("Ana", "accepted")]
        assert shown["others"]["conflict"]
        assert queue(ana, reviewed="conflict") == [0]
        assert queue(ana, "disagreement")[0] == 0
        progress = ana.json("GET", "/api/progress")
        assert progress["conflicts"] == 1
        assert progress["agreement"]["people"] == [{"a": "Ana", "b": "Ben", "n": 1, "share": 0.0, "kappa": 0.0}]
        status, _, body = ana.ask(
            "POST", "/api/decide", {"n": 0, "act": str(uuid.uuid4()), "decision": "skipped", "seen": 0}
        )
        assert status == 409
        assert json.loads(body)["sample"]["mine"]["decision"] == "accepted"


def test_bulk_acts_are_counted_confirmed_and_undone_as_one(run: Path) -> None:
    with serving(run) as server:
        client = enter(server, "Ana")
        say(client, 0, "accepted", note="mine")
        some = queue(client, verdict="kept")
        ask = {"filter": {"verdict": "kept"}, "act": str(uuid.uuid4()), "decision": "rejected", "count": len(some) + 1}
        assert client.ask("POST", "/api/bulk", ask)[0] == 409
        assert client.json("POST", "/api/bulk", {**ask, "count": len(some)}) == {"count": len(some)}
        assert client.json("POST", "/api/bulk", {**ask, "count": len(some)}) == {
            "count": len(some)
        }  # an answer got lost
        assert sorted(queue(client, reviewed="rejected")) == sorted(some)
        undone = client.json("POST", "/api/undo", {"act": str(uuid.uuid4())})
        assert undone["count"] == len(some)
        assert queue(client, reviewed="mine") == [0]
        assert client.json("GET", "/api/samples?n=0")["samples"][0]["mine"]["note"] == "mine"


def test_blind_hides_the_judge_until_one_has_scored(run: Path) -> None:
    with serving(run, "--blind") as server:
        ana, n = enter(server, "Ana"), 0
        sample = ana.json("GET", "/api/samples?n=0")["samples"][0]
        assert sample["judge"] is None
        assert sample["others"] is None
        assert queue(ana, verdict="rejected") == queue(ana)  # no filter tells it either
        criteria = sample["criteria"]
        part = say(ana, n, "", scores={criteria[0]: 3})["sample"]
        assert part["judge"] is None
        whole = say(ana, n, "", scores=dict.fromkeys(criteria, 3))["sample"]
        assert whole["judge"]["scores"]
        say(ana, n, "accepted", scores=dict.fromkeys(criteria, 3))
        ana.json("POST", "/api/ratings", {})
        assert [row["blind"] for row in rows(run / "review" / "ratings.jsonl")] == [True]
        say(ana, n, "accepted", scores=dict.fromkeys(criteria, 5))
        ana.json("POST", "/api/ratings", {})
        row = rows(run / "review" / "ratings.jsonl")[0]
        assert row["blind"] is False
        assert row["human_scores"] == dict.fromkeys(criteria, 5)
        assert row["reviewer"] == "Ana"
        assert row["how"] == "read"
