"""Puts samples on the borderline of contamination to the judge's model."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

from curation.config import JudgeConfig
from curation.decontaminate.borderline import compared, mark_of, settled
from curation.decontaminate.config import DecontaminateConfig
from curation.decontaminate.evidence import evidence, short
from curation.decontaminate.matcher import Match
from curation.decontaminate.sets import loaded
from datagen.core.record import AnyRecord, Failure, Sample, Verdict
from datagen.core.stage import Map, Shard
from datagen.llm import prompts
from datagen.llm.ask import Unusable, ask
from datagen.llm.backend import Backend, CallFailed, Request
from datagen.llm.connect import Endpoint
from datagen.llm.each import ask_each
from datagen.llm.fence import inert, tag
from datagen.llm.schema import schema_of

PROMPT = "judge/contaminated.md.j2"
REPAIR = "repair.md.j2"
_SAID = 240  # characters of a justification that are shown


class SameQuestion(BaseModel):
    """What the judge replies. The justification comes first, so that the verdict follows from it."""

    model_config = ConfigDict(strict=True, json_schema_extra={"additionalProperties": False})
    justification: str
    same_question: bool


class CheckContaminated(Map):
    """Asks the judge about each sample that :class:`~curation.decontaminate.stage.Decontaminate` left open.

    One that the judge calls the same question is rejected, another one is let go, whatever side of the threshold its
    score is on. Where no reply can be read, the threshold decides, and the evidence says so; the raw reply follows
    as a failure of 0 samples.

    Args:
        config: as the stage before has it.
        judge: its temperature and length of reply.
        endpoint: the judge's model, resolved.
        folder: the user's prompts folder, or "".

    Raises:
        UsageError: the sets or a prompt cannot be read.
    """

    name = "check_contaminated"
    version = 1
    produces = "sample"
    waits = True

    def __init__(self, config: DecontaminateConfig, judge: JudgeConfig, endpoint: Endpoint, folder: str = "") -> None:
        self.config = config
        self.judge = judge
        self.endpoint = endpoint
        self.prompt = prompts.load(PROMPT, folder)
        self.repair = prompts.load(REPAIR, folder)
        self.sha256 = loaded(config).sha256

    def fingerprint(self) -> dict[str, Any]:
        """Sets, threshold, sampling, prompts and model."""
        return {
            "sets": self.sha256,
            "threshold": self.config.threshold,
            "temperature": self.judge.temperature,
            "max_tokens": self.judge.max_tokens,
            "prompts": {p.name: p.sha256 for p in (self.prompt, self.repair)},
            "model": self.endpoint.model,
        }

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return schema_of(SameQuestion)

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts; each unreadable reply follows its sample as a failure of 0 samples."""
        against = loaded(self.config).texts
        open_ = {
            i: (r, match)
            for i, r in enumerate(shard)
            if isinstance(r, Sample) and r.verdict is None and (match := mark_of(r, against)) is not None
        }
        if not open_:
            return list(shard)
        results = ask_each(self.name, self.endpoint, list(open_.values()), self.check)
        checked = dict(zip(open_, results, strict=True))
        return [record for i, before in enumerate(shard) for record in checked.get(i, [before])]

    def request(self, sample: Sample, match: Match) -> Request:
        """The question about one sample."""
        theirs, own = loaded(self.config).texts[match.index], compared(sample, match.method)
        theirs, own = inert(theirs), inert(own)
        both = f"{theirs}\n{own}"  # neither may close the other's fence
        messages = self.prompt.render(
            evaluation=theirs,
            evaluation_fence=tag("evaluation_text", both),
            sample=own,
            sample_fence=tag("training_sample", both),
        )
        settings = {"temperature": self.judge.temperature, "max_tokens": self.judge.max_tokens}
        return Request(
            model=self.endpoint.model,
            messages=messages,
            params={**settings, **self.prompt.parameters},
            json_schema=self._schema,
            schema_name="same_question",
            purpose=self.name,
            priority=0,
        )

    async def check(self, backend: Backend, item: tuple[Sample, Match]) -> list[AnyRecord]:
        """Decide on one sample."""
        sample, match = item
        try:
            answer = await ask(backend, self.request(sample, match), SameQuestion, self.repair)
        except (Unusable, CallFailed) as error:
            over = match.method == "rewording" and match.score >= self.config.threshold
            decided = f"the reply of {self.endpoint.model} cannot be read ({error.reason}), the threshold decides"
            failure = Failure(
                call=error.key,
                recipe=self.name,
                chunk=sample.lineage.chunk,
                samples=0,
                reason=error.reason,
                attempts=error.attempts,
                raw=error.raw,
            )
            return [self._decided(sample, match, "unread", decided, reject=over), failure]
        same = answer.value.same_question
        verdict = "the same question" if same else "another question"
        decided = f"{self.endpoint.model} calls it {verdict}: {short(answer.value.justification, _SAID)}"
        return [self._decided(sample, match, "same" if same else "other", decided, reject=same)]

    def _decided(self, sample: Sample, match: Match, outcome: str, decided: str, *, reject: bool) -> Sample:
        sets = loaded(self.config)
        shown = evidence(
            sets.names[match.index], match, compared(sample, match.method), sets.texts[match.index], decided
        )
        if not reject:
            return settled(sample, self.name, outcome, "none", shown)
        found = settled(sample, self.name, outcome, "reject", shown)
        return found.model_copy(update={"verdict": Verdict(stage=self.name, reason="contaminated", evidence=shown)})
