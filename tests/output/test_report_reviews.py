"""What people decided, as the report tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.record import Rejected, Sample, Verdict
from datagen.core.reviewed import ReviewedSample
from datagen.output.report import write_report
from datagen.output.report_body import body
from datagen.output.report_data import ReportBuilder
from datagen.output.report_reviews import EDITS, Reviews
from datagen.review.rule import apply, settle
from datagen.review.store import Decision, Edit, Line, State
from tests.output import made
from tests.output.made import a_sample

LOW = Verdict(stage="judge", reason="low_score", evidence="2.0 is under 3.5")


def reviewed(sample: Sample, *said: tuple[str, Decision], edit: Edit | None = None, note: str = "") -> ReviewedSample:
    """The sample after the reviewers named have said that."""
    lines = [
        Line(i, "", who, sample.id, State(what, (), edit if what == "edited" else None, note), f"act-{i}")
        for i, (who, what) in enumerate(said, 1)
    ]
    settled = settle(lines)
    assert settled is not None
    return apply(sample, settled)


def told(*samples: Sample) -> dict[str, Any]:
    gathered = Reviews()
    for sample in samples:
        gathered.sample(sample)
    found = gathered.finish()
    assert found is not None
    return found


def test_nobody_decided() -> None:
    gathered = Reviews()
    gathered.sample(a_sample())
    assert gathered.finish() is None


def test_counts_people_and_agreement() -> None:
    good, bad = a_sample("a?", "a", score=4.5), a_sample("b?", "b", score=2.0, verdict=LOW)
    found = told(
        reviewed(good, ("Ana", "accepted")),
        reviewed(a_sample("c?", "c", score=4.0), ("Ana", "rejected"), ("Ben", "accepted"), note="wrong"),
        reviewed(bad, ("Ben", "edited"), edit=Edit(("b?", "better"))),
        reviewed(a_sample("d?", "d", score=1.0, verdict=LOW), ("Ben", "rejected")),
        a_sample("nobody?", "saw it"),
    )
    assert {k: found[k] for k in ("decided", "accepted", "rejected", "edited", "several", "conflict")} == {
        "decided": 4, "accepted": 1, "rejected": 2, "edited": 1, "several": 1, "conflict": 1,
    }  # fmt: skip
    assert found["people"] == [{"name": "Ben", "decided": 3}, {"name": "Ana", "decided": 2}]
    assert found["agreement"] == {
        "kept_kept": 1, "kept_rejected": 1, "rejected_kept": 1, "rejected_rejected": 1, "share": 0.5, "kappa": 0.0,
    }  # fmt: skip
    assert found["scores"] == {"kept": 3.25, "rejected": 2.5}
    assert found["restored"] == {"low_score": 1}
    (edit,) = found["edits"]
    assert edit["changes"] == [{"what": "assistant", "before": "b", "after": "better"}]
    assert edit["by"] == ["Ben"]
    assert [e["evidence"] for e in found["kept_after_all"]] == [LOW.evidence]
    assert [e["note"] for e in found["rejected_after_all"]] == ["wrong"]


def test_a_dispreferred_reply_that_was_changed() -> None:
    pair = a_sample(rejected=Rejected(content="Bad.", flaw="vague"))
    edited = reviewed(pair, ("Ana", "edited"), edit=Edit(tuple(m.content for m in pair.messages), "Worse."))
    (edit,) = told(edited)["edits"]
    assert edit["changes"] == [{"what": "dispreferred", "before": "Bad.", "after": "Worse."}]
    assert body(edited)[0]["review"] == ["edited", ["Ana"], "", [["dispreferred reply", "Bad."]]]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["accepted", "rejected", "edited"])), min_size=1, max_size=30))
def test_the_table_holds_every_decision_once(decisions: list[tuple[bool, Decision]]) -> None:
    samples = [
        reviewed(a_sample(f"{i}?", "x", verdict=None if kept else LOW), ("A", what), edit=Edit((f"{i}?", "y")))
        for i, (kept, what) in enumerate(decisions)
    ]
    found = told(*samples)
    cells = found["agreement"]
    names = ("kept_kept", "kept_rejected", "rejected_kept", "rejected_rejected")
    assert sum(cells[name] for name in names) == found["decided"] == len(decisions)
    assert len(found["edits"]) == min(EDITS, found["edited"])
    assert sum(found["restored"].values()) == cells["rejected_kept"]


@pytest.mark.parametrize("people", [False, True])
def test_the_page_has_the_section_where_people_decided(tmp_path: Path, people: bool) -> None:
    builder = ReportBuilder()
    sample = a_sample("b?", "before <b>it</b>", score=2.0, verdict=LOW)
    builder.sample(reviewed(sample, ("Z<i>oë", "edited"), edit=Edit(("b?", "after <u>it</u>"))) if people else sample)
    data = builder.finish(made.facts(True))
    write_report(data, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert ("What did people decide?" in page) == people == ('href="#reviewed"' in page)
    shown = page.partition("<script>")[0]
    assert ("after &lt;u&gt;it&lt;/u&gt;" in shown) == ("Z&lt;i&gt;oë (1)" in shown) == people
    assert "<u>it" not in shown
    assert "<b>it" not in shown
    assert any("People decided" in one["text"] for one in data["answers"]) == people
