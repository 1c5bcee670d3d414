from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.heuristic import CRITERIA, SIGNALS, HeuristicScore, assess
from datagen.core.record import Failure, Sample, Verdict
from tests.curation.make import sample

SOURCE = (
    "## The ledger\n\nThe ledger is the file that counts every sample a run was asked for. It must add up: requested "
    "samples are kept, rejected or failed.\n\nTo resume a run, give the same command again with the same folder.\n\n"
    "- `--out`: The folder that the run is written to.\n\n```bash\ndatagen run --out RUN\n```\n\nSee the table above."
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is the ledger?", "The ledger is the file that counts every sample a run was asked for."),
        ("How do you resume a run?", "To resume a run, give the same command again with the same folder."),
        ("What does the `--out` option do?", "The folder that the run is written to."),
        ("How do you write a run to the folder `RUN`?", "```bash\ndatagen run --out RUN\n```"),
    ],
)
def test_good_pairs_reach_the_threshold(question: str, answer: str) -> None:
    found = assess(question, answer, SOURCE, "The ledger")
    assert found.mean >= 4.0, found


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What does it say about this?", "It must add up: requested samples are kept, rejected or failed."),
        ("What is the file?", "See the table above."),
        ("What is this about?", "RUN"),
        ("How is the weather in Paris today?", "It probably rains, I think, as shown above"),
        ("What does the text say about the ledger?", "this is 17 files of nothing at all, currently"),
        ("Ledger", "the following section,"),
    ],
)
def test_silly_pairs_do_not(question: str, answer: str) -> None:
    found = assess(question, answer, SOURCE, "The ledger")
    assert found.mean < 4.0, found


def test_an_ungrounded_answer_loses_accuracy() -> None:
    right = assess("What is the ledger?", "The ledger counts every sample a run was asked for.", SOURCE)
    wrong = assess("What is the ledger?", "The ledger prints bank notes for 250 penguins of Antarctica.", SOURCE)
    assert right.scores["accuracy"] == 5
    assert wrong.scores["accuracy"] < 3
    assert {"ungrounded", "foreign_numbers"} <= set(wrong.signals)


def test_a_sample_is_scored_and_says_how() -> None:
    answer = "The ledger is the file that counts every sample a run was asked for."
    made = sample("What is the ledger?", answer, SOURCE, heading=("The ledger",))
    (out,) = HeuristicScore().run([made])
    assert isinstance(out, Sample)
    assert tuple(out.scores) == CRITERIA
    assert out.score == pytest.approx(sum(out.scores.values()) / 4)
    assert out.scored_by == "heuristic"
    assert "euristic" in out.justification
    assert "judge" not in out.justification.lower()
    assert out.id == made.id


def test_rejected_and_failed_records_pass_as_they_are() -> None:
    rejected = sample("What?", "x").model_copy(update={"verdict": Verdict(stage="rules", reason="too_short")})
    failure = Failure(call="", recipe="qa", chunk="c", samples=1, reason="timeout", attempts=1, raw="")
    assert HeuristicScore().run([rejected, failure]) == [rejected, failure]


def test_every_signal_counts_for_a_criterion() -> None:
    assert {criterion for costs, _ in SIGNALS.values() for criterion in costs} == set(CRITERIA)
    assert all(cost > 0 for costs, _ in SIGNALS.values() for cost in costs.values())


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_scores_stay_in_their_range(question: str, answer: str, source: str) -> None:
    found = assess(question, answer, source)
    assert all(1 <= value <= 5 for value in found.scores.values())
    assert found.justification.endswith(".")


def test_chats_are_not_assessed_and_gold_is_left_alone() -> None:
    chat = sample("u there??", "yep").model_copy(update={"recipe": "chat"})
    gold = sample("u there??", "yep").model_copy(update={"recipe": "gold"})
    scored, untouched = HeuristicScore().run([chat, gold])
    assert isinstance(scored, Sample)
    assert scored.score == 5
    assert "Not assessed" in scored.justification
    assert untouched is gold
