"""A planted flaw is told from an unplanted one, by a judge that is told neither."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.balance import BalanceLength, surplus
from curation.judge_config import JudgeConfig
from curation.pairs import CheckPairs, Rejection, related
from datagen.core.lengths import HIGH, LOW, longer, share
from datagen.core.record import AnyRecord, Candidate, Failure, Lineage, Message, Rejected, Sample
from datagen.llm import flaws
from datagen.llm.backend import Reply, Request
from datagen.llm.connect import Endpoint

FLAWS = list(flaws.load().by_name)
SOURCE = "The pump holds 3 litres. It is made by Ardon. Never open it while it is warm."
QUESTION = "How much does the pump hold?"
CHOSEN = "The pump holds 3 litres."


def pair(flaw: str, rejected: str = "The pump holds 4 litres.", way: str = "planted", **fields: Any) -> Sample:
    lineage = Lineage(path="a.md", sha256="0" * 64, chunk="c", start=0, end=len(SOURCE), model="m")
    return Sample(
        id="pair",
        recipe="preference",
        messages=(Message(role="user", content=QUESTION), Message(role="assistant", content=CHOSEN)),
        source=SOURCE,
        rejected=Rejected(content=rejected, flaw=flaw, way=way),
        parent="parent",
        lineage=lineage,
        **{"score": 5.0, "scores": {"accuracy": 5.0}, **fields},
    )


class ScriptedJudge:
    """Names the flaw of a reply as the test says, and scores it."""

    def __init__(self, flaw_of: dict[str, list[str]], score_of: dict[str, int] | None = None) -> None:
        self.flaw_of, self.score_of = flaw_of, score_of or {}
        self.asked: list[Request] = []

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        text = request.messages[-1].content
        if request.schema_name == "flaws":
            reply = text.rsplit("<reply>\n", 1)[1].rsplit("\n</reply>", 1)[0]
            named = self.flaw_of.get(reply, [])
            said = {"explanation": "…", "flaw": (named or ["none"])[0], "further": named[1:]}
        else:
            score = next((s for reply, s in self.score_of.items() if reply in text), 2)
            assert request.json_schema is not None
            criteria = [key for key in request.json_schema["properties"] if key != "justification"]
            said = {"justification": "…", **dict.fromkeys(criteria, score)}
        return Reply(key=request.key(), text=json.dumps(said))


def check(subject: Sample, judge: ScriptedJudge) -> list[AnyRecord]:
    stage = CheckPairs(JudgeConfig(), 1.0, Endpoint(base_url="http://x/v1", model="jm"))
    return asyncio.run(stage.check(judge, subject))


def checked(subject: Sample, judge: ScriptedJudge) -> Sample:
    (found,) = check(subject, judge)
    assert isinstance(found, Sample)
    return found


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_planted_flaw_passes_and_an_unplanted_one_does_not(flaw: str) -> None:
    subject = pair(flaw)
    assert subject.rejected is not None
    reply = subject.rejected.content
    good = checked(subject, ScriptedJudge({reply: [flaw]}))
    assert good.verdict is None
    assert good.rejected is not None
    assert good.rejected.checks["flaw"] == flaw
    assert good.rejected.checks["chosen"] == "none"
    assert good.rejected.score == 2.0

    unplanted = checked(subject, ScriptedJudge({reply: []}))
    assert unplanted.verdict is not None
    assert unplanted.verdict.reason == "flaw_not_found"

    other = next(f for f in FLAWS if f != flaw)
    mistaken = checked(subject, ScriptedJudge({reply: [other]}))
    assert mistaken.verdict is not None
    assert mistaken.verdict.reason == "flaw_not_found"

    stranger = next(f for f in FLAWS if f != flaw and f not in flaws.load().by_name[flaw].kin)
    several = checked(subject, ScriptedJudge({reply: [flaw, stranger]}))
    assert several.verdict is not None
    assert several.verdict.reason == "other_flaws"

    everywhere = checked(subject, ScriptedJudge({reply: [flaw], CHOSEN: [flaw]}))
    assert everywhere.verdict is not None
    assert everywhere.verdict.reason == "chosen_flawed"


@pytest.mark.parametrize("flaw", FLAWS)
def test_kin_may_be_named_besides(flaw: str) -> None:
    kin = list(flaws.load().by_name[flaw].kin)
    assert checked(pair(flaw), ScriptedJudge({"The pump holds 4 litres.": [flaw, *kin]})).verdict is None


def test_the_judge_is_asked_blind() -> None:
    judge = ScriptedJudge({"The pump holds 4 litres.": ["wrong_fact"]})
    checked(pair("wrong_fact"), judge)
    of_flaws = [r for r in judge.asked if r.schema_name == "flaws"]
    assert len(of_flaws) == 2
    rejected, chosen = (r.messages[-1].content for r in of_flaws)
    assert rejected.replace("4 litres", "3 litres") == chosen  # the two questions differ in the reply alone
    assert of_flaws[0].messages[0] == of_flaws[1].messages[0]
    assert all(f"- {flaw}: " in of_flaws[0].messages[0].content for flaw in FLAWS)
    assert "wrong_fact" not in rejected


def test_a_chosen_reply_must_win_by_the_margin() -> None:
    judge = ScriptedJudge({"The pump holds 4 litres.": ["wrong_fact"]}, {"4 litres": 5})
    found = checked(pair("wrong_fact"), judge)
    assert found.verdict is not None
    assert found.verdict.reason == "no_margin"
    assert found.rejected is not None
    assert found.rejected.checks["margin"] == "0.00"


def test_an_on_policy_reply_gets_the_flaw_that_the_judge_names_or_goes() -> None:
    subject = pair("", way="on_policy")
    named = checked(subject, ScriptedJudge({"The pump holds 4 litres.": ["wrong_fact", "contradiction"]}))
    assert named.verdict is None
    assert named.rejected is not None
    assert named.rejected.flaw == "wrong_fact"
    assert named.attributes["flaw"] == "wrong_fact"
    sound = checked(subject, ScriptedJudge({}))
    assert sound.verdict is not None
    assert sound.verdict.reason == "no_flaw"


def test_of_several_candidates_the_lowest_scored_is_rejected_and_all_are_ranked() -> None:
    texts = ["It holds 3 litres of it.", "The pump holds 9 litres.", "It holds 3 litres, I think."]
    subject = pair("", rejected="", way="best_of_n", ranked=tuple(Candidate(content=t) for t in texts))
    judge = ScriptedJudge({texts[1]: ["wrong_fact"]}, {texts[0]: 5, texts[1]: 1, texts[2]: 4})
    found = checked(subject, judge)
    assert found.verdict is None
    assert found.rejected is not None
    assert found.rejected.content == texts[1]
    assert [c.score for c in found.ranked] == [5.0, 4.0, 1.0]
    assert found.rejected.score == 1.0


def test_an_unreadable_judgement_is_unscored_and_kept_raw() -> None:
    class Mumbling(ScriptedJudge):
        async def complete(self, request: Request) -> Reply:
            return Reply(key=request.key(), text="hm")

    found, failure = check(pair("wrong_fact"), Mumbling({}))
    assert isinstance(found, Sample)
    assert found.verdict is not None
    assert found.verdict.reason == "unscored"
    assert isinstance(failure, Failure)
    assert failure.samples == 0
    assert failure.raw == "hm"


@pytest.mark.parametrize(
    ("rejected", "flaw", "reason"),
    [
        ("the pump, holds 3 LITRES", "omission", "equal"),
        ("…", "omission", "empty_reply"),
        ("Bananas ripen faster beside apples.", "omission", "unrelated"),
        ("Bananas ripen faster beside apples.", "off_topic", ""),
        ("I would rather not discuss that.", "needless_refusal", ""),
    ],
)
def test_replies_are_neither_equal_nor_unrelated(rejected: str, flaw: str, reason: str) -> None:
    subject = pair(flaw, rejected)
    if reason:
        with pytest.raises(Rejection) as caught:
            related(subject)
        assert caught.value.reason == reason
    else:
        assert related(subject).rejected is not None


def share_longer(differences: Sequence[int]) -> float | None:
    return share(sum(d > 0 for d in differences), differences.count(0), len(differences)) if differences else None


@given(st.lists(st.integers(-50, 50), max_size=80))
def test_balancing_drops_as_little_as_it_can(differences: list[int]) -> None:
    named = {f"p{i}": d for i, d in enumerate(differences)}
    dropped = surplus(named)
    left = [d for name, d in named.items() if name not in dropped]
    after = share_longer(left)
    before = share_longer(differences)
    if before is None or LOW <= before <= HIGH:
        assert not dropped
    if dropped:
        assert after is not None
        fewer = [d for name, d in named.items() if name not in set(sorted(dropped)[1:])]
        again = share_longer(fewer)
        assert again is not None
        assert not LOW <= again <= HIGH  # with one more of them it would not be balanced
    even = sum(d > 0 for d in left) == sum(d < 0 for d in left)
    hopeless = len({d > 0 for d in differences}) == 1 and 0 not in differences
    assert after is None or LOW <= after <= HIGH or even or (hopeless and not dropped)


def test_the_balance_stage_gives_verdicts_and_leaves_the_rest() -> None:
    long = "The pump holds 4 litres, as far as anybody who has measured it can tell."
    shard: list[AnyRecord] = [pair("wrong_fact", long).model_copy(update={"id": f"l{i}"}) for i in range(8)]
    shard += [pair("wrong_fact", "4 litres").model_copy(update={"id": f"s{i}"}) for i in range(2)]
    stage = BalanceLength()
    stage.begin()
    stage.see(shard)
    out = [r for r in stage.emit(shard) if isinstance(r, Sample)]
    kept = [r for r in out if r.verdict is None]
    assert len(out) == 10
    assert share_longer([longer(p) for p in kept]) == pytest.approx(0.5)
    assert {r.verdict.reason for r in out if r.verdict} == {"length_balance"}
