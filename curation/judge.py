"""The judge: a model that is shown the source passage scores each sample 1–5 on four criteria.

It never edits what it judges, and a judgement that cannot be read is ``unscored``, never a number.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from curation.config import JudgeConfig
from datagen.core.record import AnyRecord, Failure, Sample, Verdict
from datagen.core.stage import Map, Shard
from datagen.llm import prompts
from datagen.llm.ask import Unusable, ask
from datagen.llm.backend import Backend, CallFailed, Request
from datagen.llm.connect import Endpoint
from datagen.llm.each import ask_each
from datagen.llm.fence import fence
from datagen.llm.schema import schema_of

PROMPT = "judge/qa.md.j2"
REPAIR = "repair.md.j2"
CRITERIA = ("relevance", "clarity", "completeness", "accuracy")


def _whole(value: Any) -> Any:
    """JSON true equals 1 in Python, but it is no score."""
    if isinstance(value, bool):
        raise ValueError("a truth value is no score")
    return value


Level = Annotated[Literal[1, 2, 3, 4, 5], BeforeValidator(_whole)]


class Judgement(BaseModel):
    """What a judge replies. The justification comes first, so that the scores follow from it."""

    model_config = ConfigDict(strict=True, json_schema_extra={"additionalProperties": False})
    justification: str
    relevance: Level
    clarity: Level
    completeness: Level
    accuracy: Level


class Judge(Map):
    """Scores every sample that has no verdict yet.

    Args:
        config: the judge's.
        endpoint: its model, resolved.
        folder: the user's prompt folder, or "".
    """

    name = "judge"
    version = 1
    produces = "sample"
    waits = True

    def __init__(self, config: JudgeConfig, endpoint: Endpoint, folder: str = "") -> None:
        self.config = config
        self.endpoint = endpoint
        self.prompt = prompts.load(PROMPT, folder)
        self.repair = prompts.load(REPAIR, folder)

    def fingerprint(self) -> dict[str, Any]:
        """Sampling, prompt and model; not the threshold, which needs no new judgement."""
        return {
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_tokens,
            "prompts": {p.name: p.sha256 for p in (self.prompt, self.repair)},
            "model": self.endpoint.model,
        }

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return schema_of(Judgement)

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with scores, each unreadable judgement followed by its raw reply as a failure of 0 samples."""
        waiting = {i: r for i, r in enumerate(shard) if isinstance(r, Sample) and r.verdict is None}
        results = ask_each(self.name, self.endpoint, list(waiting.values()), self.judge)
        judged = dict(zip(waiting, results, strict=True))
        return [record for i, before in enumerate(shard) for record in judged.get(i, [before])]

    def request(self, sample: Sample) -> Request:
        """The question put to the judge about one sample."""
        question = "\n\n".join(m.content for m in sample.messages[:-1])
        answer = sample.messages[-1].content
        messages = self.prompt.render(
            heading=" > ".join(sample.lineage.heading),
            passage=sample.source,
            passage_fence=fence("passage", sample.source),
            question=question,
            question_fence=fence("question", question),
            answer=answer,
            answer_fence=fence("answer", answer),
        )
        return Request(
            model=self.endpoint.model,
            messages=messages,
            params={
                "temperature": self.config.temperature,
                "max_tokens": self.config.max_tokens,
                **self.prompt.parameters,
            },
            json_schema=self._schema,
            schema_name="judgement",
            purpose=self.name,
            priority=0,
        )

    async def judge(self, backend: Backend, sample: Sample) -> list[AnyRecord]:
        """Score one sample, or leave it unscored with a verdict that says why."""
        try:
            return [await self.scored(backend, sample)]
        except (Unusable, CallFailed) as error:
            verdict = Verdict(stage=self.name, reason="unscored", evidence=f"{error.reason}: {error.raw[:300]}")
            failure = Failure(
                call=error.key,
                recipe=self.name,
                chunk=sample.lineage.chunk,
                samples=0,
                reason=error.reason,
                attempts=error.attempts,
                raw=error.raw,
            )
            return [sample.model_copy(update={"verdict": verdict}), failure]

    async def scored(self, backend: Backend, sample: Sample) -> Sample:
        """The sample with its scores.

        Raises:
            Unusable, CallFailed: there is no readable judgement.
        """
        answer = await ask(backend, self.request(sample), Judgement, self.repair)
        scores = {criterion: float(getattr(answer.value, criterion)) for criterion in CRITERIA}
        update = {
            "scores": scores,
            "score": sum(scores.values()) / len(scores),
            "scored_by": f"judge:{self.endpoint.model}",
            "justification": answer.value.justification,
        }
        return sample.model_copy(update=update)
