"""The account of a run."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from datagen.core.record import Failure, Verdict
from datagen.output.ledger import Ledger
from tests.output.made import a_sample


def _failure(samples: int, reason: str = "not_json") -> Failure:
    return Failure(call="c", recipe="qa", chunk="k", samples=samples, reason=reason, attempts=1, raw="")


def _rejected(reason: str) -> Verdict:
    return Verdict(stage="rules", reason=reason)


@given(
    kept=st.integers(0, 5),
    rejected=st.lists(st.sampled_from(["too_short", "echo", "low_score"]), max_size=8),
    failed=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["http_500", "length"])), max_size=5),
    off=st.integers(-2, 2),
)
def test_requested_is_kept_and_rejected_and_failed_or_it_says_so(
    kept: int, rejected: list[str], failed: list[tuple[int, str]], off: int
) -> None:
    true = kept + len(rejected) + sum(n for n, _ in failed)
    ledger = Ledger(requested=true + off)
    for _ in range(kept):
        ledger.add(a_sample())
    for reason in rejected:
        ledger.add(a_sample(verdict=_rejected(reason)))
    for n, reason in failed:
        ledger.add(_failure(n, reason))
    assert ledger.adds_up() == (off == 0)
    counts = ledger.as_dict()
    assert counts["requested"] == true + off
    assert counts["kept"] + sum(counts["rejected"].values()) + sum(counts["failed"].values()) == true
    assert counts["rejected"] == {r: rejected.count(r) for r in rejected}


def test_an_unreadable_judgement_costs_no_requested_sample() -> None:
    ledger = Ledger(requested=1)
    ledger.add(a_sample(verdict=_rejected("unscored")))
    ledger.add(_failure(0))
    assert ledger.adds_up()
    assert ledger.as_dict()["failed"] == {}


def test_the_same_counts_give_the_same_bytes_in_any_order() -> None:
    records = [a_sample(), a_sample(verdict=_rejected("echo")), a_sample(verdict=_rejected("a")), _failure(2)]
    one, two = Ledger(), Ledger()
    for record in records:
        one.add(record)
    for record in reversed(records):
        two.add(record)
    assert one.to_bytes() == two.to_bytes()
    assert one.to_bytes().endswith(b"}\n")
    assert json.loads(one.to_bytes()) == {
        "requested": 5,
        "kept": 1,
        "rejected": {"a": 1, "echo": 1},
        "failed": {"not_json": 2},
    }
