"""The judge: a model that is shown the source passage scores each sample 1–5 on four criteria.

It never edits what it judges, and a judgement that cannot be read is ``unscored``, never a number. The four
criteria are the same for every kind of sample; what each means for it stands in the prompt of its kind.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from curation.config import JudgeConfig
from curation.profiles import FAMILIES, UNTOUCHED, profile_of
from datagen.core.record import AnyRecord, Failure, Message, Sample, Verdict
from datagen.core.stage import Map, Shard
from datagen.llm import prompts
from datagen.llm.ask import Unusable, ask
from datagen.llm.backend import Backend, CallFailed, Request
from datagen.llm.connect import Endpoint
from datagen.llm.each import ask_each
from datagen.llm.fence import fence
from datagen.llm.prompts import Prompt
from datagen.llm.schema import schema_of
from datagen.llm.transcript import transcript

QA, CONVERSATION, TASK, AUTHORED = (f"judge/{name}.md.j2" for name in ("qa", "conversation", "task", "authored"))
WRITTEN_BY_PEOPLE = frozenset({"style", "chat"})
"""Recipes whose answers are a person's own words: what is asked is judged, not they."""
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
    version = 2
    produces = "sample"
    waits = True

    def __init__(self, config: JudgeConfig, endpoint: Endpoint, folder: str = "") -> None:
        self.config = config
        self.endpoint = endpoint
        self.prompts = {name: prompts.load(name, folder) for name in (QA, CONVERSATION, TASK, AUTHORED)}
        self.repair = prompts.load(REPAIR, folder)

    def fingerprint(self) -> dict[str, Any]:
        """Sampling, prompts and model; not the threshold, which needs no new judgement."""
        return {
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_tokens,
            "prompts": {p.name: p.sha256 for p in (*self.prompts.values(), self.repair)},
            "model": self.endpoint.model,
        }

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return schema_of(Judgement)

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with scores, each unreadable judgement followed by its raw reply as a failure of 0 samples."""
        waiting = {
            i: r
            for i, r in enumerate(shard)
            if isinstance(r, Sample) and r.verdict is None and r.recipe not in UNTOUCHED
        }
        results = ask_each(self.name, self.endpoint, list(waiting.values()), self.judge)
        judged = dict(zip(waiting, results, strict=True))
        return [record for i, before in enumerate(shard) for record in judged.get(i, [before])]

    def request(self, sample: Sample) -> Request:
        """The question put to the judge about one sample."""
        prompt = self.prompts[prompt_for(sample)]
        messages = prompt.render(**_shown(sample, prompt))
        return self.put(prompt, messages, self._schema, "judgement", self.name)

    def put(
        self, prompt: Prompt, messages: tuple[Message, ...], schema: dict[str, Any], schema_name: str, purpose: str
    ) -> Request:
        """A rendered question as this judge is asked it: by its model and settings, before any generation."""
        settings = {"temperature": self.config.temperature, "max_tokens": self.config.max_tokens}
        return Request(
            model=self.endpoint.model,
            messages=messages,
            params={**settings, **prompt.parameters},
            json_schema=schema,
            schema_name=schema_name,
            purpose=purpose,
            priority=0,
        )

    async def judge(self, backend: Backend, sample: Sample) -> list[AnyRecord]:
        """Score one sample, or leave it unscored with a verdict that says why."""
        try:
            return [await self.scored(backend, sample)]
        except (Unusable, CallFailed) as error:
            return unscored(self.name, sample, error)

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


def unscored(stage: str, sample: Sample, error: Unusable | CallFailed) -> list[AnyRecord]:
    """A sample without a readable judgement: with a verdict, and its raw reply as a failure of 0 samples."""
    verdict = Verdict(stage=stage, reason="unscored", evidence=f"{error.reason}: {error.raw[:300]}")
    failure = Failure(
        call=error.key,
        recipe=stage,
        chunk=sample.lineage.chunk,
        samples=0,
        reason=error.reason,
        attempts=error.attempts,
        raw=error.raw,
    )
    return [sample.model_copy(update={"verdict": verdict}), failure]


def prompt_for(sample: Sample) -> str:
    """The name of the prompt by which a kind of sample is judged."""
    if sample.recipe in WRITTEN_BY_PEOPLE:
        return AUTHORED
    if sample.family in FAMILIES:
        return TASK
    several = sum(m.role == "assistant" and bool(m.content) for m in sample.messages) > 1
    return CONVERSATION if several else QA


def _shown(sample: Sample, prompt: Prompt) -> dict[str, Any]:
    """What the prompt is filled in with: its inputs, each text with a fence of its own."""
    asked, answer = transcript(sample.messages[:-1]), sample.messages[-1].content
    texts = {
        # What a request holds need not be shown twice.
        "passage": "" if prompt.name == TASK and profile_of(sample).shows_input else sample.source,
        "question": asked,
        "request": asked,
        "answer": answer,
        "conversation": transcript(sample.messages),
    }
    values = {**texts, "heading": " > ".join(sample.lineage.heading), "recipe": sample.recipe, "family": sample.family}
    return {
        name: fence(of, texts[of]) if (of := name.removesuffix("_fence")) != name else values[name]
        for name in prompt.inputs
    }
