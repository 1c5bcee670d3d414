"""Checks preference pairs: is the rejected reply really worse, by the flaw it is said to have, and only so?

Each check leaves what it found in ``rejected.checks``; the first that fails gives the verdict.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from curation.judge import Judge, unscored
from curation.judge_config import JudgeConfig
from curation.scoring import weights_of
from datagen.core.record import AnyRecord, Candidate, Rejected, Sample, Verdict
from datagen.core.stage import Map, Shard
from datagen.llm import flaws, prompts
from datagen.llm.ask import Unusable, ask
from datagen.llm.backend import Backend, CallFailed, Request
from datagen.llm.connect import Endpoint
from datagen.llm.each import ask_each
from datagen.llm.fence import inert, tag
from datagen.llm.schema import schema_of
from datagen.llm.transcript import transcript

PROMPT = "judge/flaw.md.j2"
REPAIR = "repair.md.j2"
NONE = "none"
MIN_SHARED = 0.15
"""Share of the rejected reply's longer words that must stand in the chosen reply, the conversation or the
source. Our choice: replies to one message share far more, texts about different things less."""
_UNRELATED_BY_NATURE = frozenset({"off_topic", "needless_refusal", "answers_unanswerable"})
_WORD = re.compile(r"\w+")


class Named(BaseModel):
    """What the judge says about one reply: the base of the model that knows the flaws' names."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    explanation: str


class Rejection(Exception):
    """A pair failed a check.

    Attributes:
        reason, evidence: of the verdict.
        rejected: the rejected reply with what the checks found so far.
    """

    def __init__(self, reason: str, evidence: str, pair: Sample) -> None:
        super().__init__(reason, evidence)
        self.reason = reason
        self.evidence = evidence
        self.pair = pair


class CheckPairs(Map):
    """Checks every preference sample that has no verdict.

    1. The two replies are neither equal nor unrelated. 2. Of several candidates the lowest scored is taken.
    3. The judge, told neither which flaw was planted nor which reply is the rejected one, names the planted
    flaw, and at most its kin besides; and it does not name it for the chosen reply. 4. By the same judge and
    rubric the chosen reply outscores the rejected one by the margin.

    Args:
        config: the judge's.
        min_margin: points.
        endpoint: the judge's model, resolved.
        folder: the user's prompts folder, or "".
        panel: endpoints of further judges, resolved; each reply is scored by all of them.
    """

    name = "check_pairs"
    version = 2
    produces = "sample"
    waits = True

    def __init__(
        self,
        config: JudgeConfig,
        min_margin: float,
        endpoint: Endpoint,
        folder: str = "",
        panel: Sequence[Endpoint] = (),
    ) -> None:
        self.config = config
        self.min_margin = min_margin
        self.endpoint = endpoint
        self.judge = Judge(config, endpoint, folder, panel)
        self.weights = weights_of(config, folder)
        self.prompt = prompts.load(PROMPT, folder)
        self.repair = prompts.load(REPAIR, folder)
        self.flaws = flaws.load(folder)

    def fingerprint(self) -> dict[str, Any]:
        """The judge's own, the weights and the margin, the flaws and the prompt that asks for them."""
        found = self.judge.fingerprint()
        shown = {**found.get("prompts", {}), self.prompt.name: self.prompt.sha256}
        decides = {"min_margin": self.min_margin, "weights": self.weights, "flaws": self.flaws.sha256}
        return {**found, "prompts": shown, **decides}

    @cached_property
    def _reply(self) -> type[Named]:
        names = (NONE, *self.flaws.by_name)
        one: Any = Literal[names]
        many: Any = list[Literal[tuple(self.flaws.by_name)]]  # type: ignore[misc]
        return create_model("Flaws", __base__=Named, flaw=(one, ...), further=(many, ...))

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return schema_of(self._reply)

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts; each unreadable judgement is followed by its raw reply as a failure of 0 samples."""
        waiting = {i: r for i, r in enumerate(shard) if isinstance(r, Sample) and _is_pair(r)}
        results = ask_each(self.name, self.endpoint, list(waiting.values()), self.check)
        checked = dict(zip(waiting, results, strict=True))
        return [record for i, before in enumerate(shard) for record in checked.get(i, [before])]

    async def check(self, backend: Backend, pair: Sample) -> list[AnyRecord]:
        """One pair, with what was found."""
        try:
            pair = await self._candidates(backend, pair)
            pair = related(pair)
            pair = await self._flaw(backend, pair)
            pair = await self._margin(backend, pair)
        except Rejection as error:
            verdict = Verdict(stage=self.name, reason=error.reason, evidence=error.evidence)
            return [error.pair.model_copy(update={"verdict": verdict})]
        except (Unusable, CallFailed) as error:
            return unscored(self.name, pair, error)
        return [pair]

    async def _candidates(self, backend: Backend, pair: Sample) -> Sample:
        """Of several candidates, all scored, the lowest becomes the rejected reply."""
        rejected = _rejected(pair)
        if not pair.ranked:
            return pair
        scored: list[tuple[float, dict[str, float], str]] = []
        for candidate in pair.ranked:
            judged = await self.judge.scored(backend, _with_reply(pair, candidate.content))
            scored.append((judged.score or 0.0, judged.scores, candidate.content))
        scored.sort(key=lambda s: (-s[0], s[2]))
        lowest, scores, content = scored[-1]
        update = {"content": content, "score": lowest, "scores": scores}
        ranked = tuple(Candidate(content=text, score=score) for score, _, text in scored)
        return pair.model_copy(update={"ranked": ranked, "rejected": rejected.model_copy(update=update)})

    async def _flaw(self, backend: Backend, pair: Sample) -> Sample:
        rejected = _rejected(pair)
        named = await self._named(backend, pair, rejected.content)
        told = ", ".join(sorted(named)) or NONE
        planted = rejected.flaw
        if not planted:
            if not named:
                raise Rejection("no_flaw", "the judge names no flaw", _noted(pair, "flaw", told))
            main = next(iter(named))
            pair = _noted(pair, "flaw", told)
            found = _rejected(pair).model_copy(update={"flaw": main})
            return pair.model_copy(update={"rejected": found, "attributes": {**pair.attributes, "flaw": main}})
        pair = _noted(pair, "flaw", told)
        if planted not in named:
            raise Rejection("flaw_not_found", f"planted {planted}; the judge, not told so, names {told}", pair)
        if not self.flaws.named_rightly(planted, set(named)):
            raise Rejection("other_flaws", f"planted {planted}; the judge names {told}", pair)
        of_chosen = await self._named(backend, pair, pair.messages[-1].content)
        pair = _noted(pair, "chosen", ", ".join(sorted(of_chosen)) or NONE)
        if planted in of_chosen:
            raise Rejection("chosen_flawed", f"the judge finds {planted} in the chosen reply too", pair)
        return pair

    async def _named(self, backend: Backend, pair: Sample, reply: str) -> dict[str, None]:
        """The flaws that the judge names in one reply, the main one first."""
        answer = await ask(backend, self.request(pair, reply), self._reply, self.repair)
        main: str = answer.value.flaw  # type: ignore[attr-defined]
        further: list[str] = answer.value.further  # type: ignore[attr-defined]
        return {} if main == NONE else dict.fromkeys([main, *further])

    def request(self, pair: Sample, reply: str) -> Request:
        """The question about one reply. That of the rejected and that of the chosen differ in the reply alone."""
        passage, conversation, reply = inert(pair.source), inert(transcript(pair.messages[:-1])), inert(reply)
        all_ = f"{passage}\n{conversation}\n{reply}"  # no text may close the fence of another
        messages = self.prompt.render(
            flaws=[{"name": name, "definition": flaw.definition} for name, flaw in self.flaws.by_name.items()],
            passage=passage,
            passage_fence=tag("passage", all_),
            conversation=conversation,
            conversation_fence=tag("conversation", all_),
            reply=reply,
            reply_fence=tag("reply", all_),
        )
        return self.judge.put(self.prompt, messages, self._schema, "flaws", self.name)

    async def _margin(self, backend: Backend, pair: Sample) -> Sample:
        rejected = _rejected(pair)
        if pair.score is None:
            judged = await self.judge.scored(backend, pair.model_copy(update={"rejected": None}))
            pair = judged.model_copy(update={"rejected": rejected})
        if rejected.score is None:
            low = await self.judge.scored(backend, _with_reply(pair, rejected.content))
            rejected = rejected.model_copy(update={"score": low.score, "scores": low.scores})
        margin = (pair.score or 0.0) - (rejected.score or 0.0)
        pair = _noted(pair.model_copy(update={"rejected": rejected}), "margin", f"{margin:.2f}")
        if margin < self.min_margin:
            told = f"chosen {pair.score or 0:.2f}, rejected {rejected.score or 0:.2f}, margin under {self.min_margin:g}"
            raise Rejection("no_margin", told, pair)
        return pair


def related(pair: Sample) -> Sample:
    """The pair, if its replies are neither equal nor unrelated.

    Raises:
        Rejection: ``equal``, ``empty_reply`` or ``unrelated``.
    """
    rejected = _rejected(pair)
    chosen = pair.messages[-1].content
    words = _WORD.findall(rejected.content.casefold())
    if not words:
        raise Rejection("empty_reply", "the rejected reply has no word", pair)
    if words == _WORD.findall(chosen.casefold()):
        raise Rejection("equal", "the two replies differ in no word", pair)
    if rejected.flaw in _UNRELATED_BY_NATURE:
        return _noted(pair, "related", "not asked of this flaw")
    known = set(_WORD.findall(f"{chosen} {transcript(pair.messages[:-1])} {pair.source}".casefold()))
    telling = [w for w in words if len(w) > 3] or words
    share = sum(w in known for w in telling) / len(telling)
    pair = _noted(pair, "related", f"{share:.2f} of its words are known")
    if share < MIN_SHARED:
        raise Rejection("unrelated", f"{share:.2f} of its words occur in chosen reply, conversation or source", pair)
    return pair


def _is_pair(sample: Sample) -> bool:
    return sample.verdict is None and sample.rejected is not None and bool(sample.parent)


def _rejected(pair: Sample) -> Rejected:
    assert pair.rejected is not None, "a pair has a rejected reply"
    return pair.rejected


def _with_reply(pair: Sample, content: str) -> Sample:
    """The sample as it would be with another last reply, and as no pair."""
    last = pair.messages[-1].model_copy(update={"content": content})
    return pair.model_copy(update={"messages": (*pair.messages[:-1], last), "rejected": None})


def _noted(pair: Sample, check: str, found: str) -> Sample:
    rejected = _rejected(pair)
    update = {"checks": {**rejected.checks, check: found}}
    return pair.model_copy(update={"rejected": rejected.model_copy(update=update)})
