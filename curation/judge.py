"""The judge: a model, or a panel of them, that scores each sample 1–5 by the criteria of a rubric.

It never edits what it judges, and a judgement that cannot be read is ``unscored``, never a number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from curation.drift import Again
from curation.judge_config import JudgeConfig
from curation.profiles import UNTOUCHED
from curation.rubric import Criterion, Rubric
from curation.rubric_choice import Rubrics, load_examples
from curation.rubric_logprobs import ALTERNATIVES, expected
from curation.rubric_prompt import CRITERIA, PROMPT, messages
from curation.rubric_reply import JudgeReply, locate, reply_model, reply_schema
from curation.scoring import mean_and_variance, put_together, weighted
from datagen.core.errors import UsageError
from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Failure, Judged, Message, Sample, Verdict
from datagen.core.stage import Map, Shard
from datagen.llm import prompts
from datagen.llm.ask import Answer, Unusable, ask
from datagen.llm.backend import Backend, CallFailed, Reply, Request
from datagen.llm.candidates import candidates
from datagen.llm.connect import Endpoint, open_backend
from datagen.llm.each import ask_each
from datagen.llm.faults import as_text
from datagen.llm.prompts import Prompt

REPAIR = "repair.md.j2"
INTEGER, EXPECTED, MEAN, MIXED = "integer", "expected", "mean", "mixed"
"""How the scores of a judgement came to be; ``mixed``: expected for the criteria that have a ``variance``."""

T = TypeVar("T")
Unreadable = Unusable | CallFailed


class Part(NamedTuple):
    """What one question gave.

    Attributes:
        scores, variance, mass: by criterion.
        reasons: the judge's words.
    """

    scores: dict[str, float]
    reasons: str
    variance: dict[str, float]
    mass: dict[str, float]


class Judge(Map):
    """Scores every sample that has no verdict yet.

    Args:
        config: the judge's.
        endpoint: its model, resolved.
        folder: the user's prompt folder, or "".
        panel: endpoints of further judges, resolved. Every judge scores; one whose judgement cannot be read is left
            out, and a failure says so.

    Raises:
        UsageError: a rubric or the file of examples cannot be used.
    """

    name = "judge"
    version = 3
    produces = "sample"
    waits = True

    def __init__(
        self, config: JudgeConfig, endpoint: Endpoint, folder: str = "", panel: Sequence[Endpoint] = ()
    ) -> None:
        self.config = config
        self.endpoint = endpoint
        self.panel = tuple(panel)
        self.rubrics = Rubrics(folder, config.rubric)
        self.prompt = prompts.load(PROMPT, folder)
        self.criteria = prompts.load(CRITERIA, folder)
        self.repair = prompts.load(REPAIR, folder)
        self._described: dict[tuple[str, ...], str] = {}
        self.examples = load_examples(config.examples)
        bare = [r.name for r in self.rubrics.used if r.show_examples and not self.examples]
        if bare:
            raise UsageError(
                f"The rubric {bare[0]} compares with an author's texts.",
                "judge.examples names no file with any.",
                'Name a JSONL file with lines {"text": "…"} under judge.examples.',
            )

    def fingerprint(self) -> dict[str, Any]:
        """Sampling, modes, models, prompts and what rubrics tell the judge; neither weights nor thresholds, which need
        no new judgement (see :class:`curation.scoring.Weigh`)."""
        used = {f"judge/rubrics/{rubric.name}.md": rubric.asked for rubric in self.rubrics.used}
        how = ("temperature", "max_tokens", "calls", "order", "score_mode", "least_mass", "rubric")
        kinds = {kind: rubric.name for kind, rubric in self.rubrics.by_kind.items()}
        return {
            **{name: getattr(self.config, name) for name in how},
            "samples": self.config.samples if self.config.score_mode == "mean" else 1,
            "kinds": {} if self.rubrics.forced else kinds,
            "examples": digest(list(self.examples)) if self.examples else "",
            "prompts": {p.name: p.sha256 for p in (self.prompt, self.criteria, self.repair)} | used,
            "model": self.endpoint.model,
            "panel": [endpoint.model for endpoint in self.panel],
        }

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

    def request(self, sample: Sample, criteria: Sequence[Criterion] = ()) -> Request:
        """The question put to the judge about one sample: all criteria of its rubric, or those given."""
        rubric = self.rubrics.of(sample)
        first = self.config.order == "explain_first"
        asked = criteria or rubric.criteria
        keys = tuple(c.key for c in asked)
        if (rubric.name, *keys) not in self._described:
            (made,) = self.criteria.render(criteria=list(asked))
            self._described[rubric.name, *keys] = made.content.strip()
        described = self._described[rubric.name, *keys]
        told = messages(self.prompt, sample, rubric, asked, described, explain_first=first, examples=self.examples)
        schema = reply_schema(keys, explain_first=first)
        request = self.put(self.prompt, told, schema, "judgement", self.name)
        if self.config.score_mode in ("auto", "expected"):
            wanted = {"logprobs": True, "top_logprobs": ALTERNATIVES}
            request = request.model_copy(update={"params": {**wanted, **request.params}})
        return request

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
        last = sample.messages[-1]
        if last.role != "assistant" or not (last.content.strip() or last.tool_calls):
            verdict = Verdict(stage=self.name, reason="unscored", evidence="it has no reply of an assistant to judge")
            return [sample.model_copy(update={"verdict": verdict})]
        rubric, said = await self._asked(backend, sample)
        good = [one for one in said if isinstance(one, Judged)]
        bad = [one for one in said if not isinstance(one, Judged)]
        if not good:
            return unscored(self.name, sample, *bad)
        return [self._scored(sample, rubric, good), *(failure(self.name, sample, error) for error in bad)]

    async def scored(self, backend: Backend, sample: Sample, *, again: bool = False) -> Sample:
        """The sample with its scores.

        Args:
            backend: of the first judge; those of a panel are opened here.
            sample: what is judged.
            again: put each question anew, as :func:`curation.drift.again` does.

        Raises:
            Unusable, CallFailed: there is no readable judgement.
        """
        rubric, said = await self._asked(backend, sample, again=again)
        good = [one for one in said if isinstance(one, Judged)]
        for error in said if not good else ():
            if not isinstance(error, Judged):
                raise error
        return self._scored(sample, rubric, good)

    def _scored(self, sample: Sample, rubric: Rubric, judgements: Sequence[Judged]) -> Sample:
        found = put_together(sample, judgements, rubric.weights(self.config.weights))
        return found.model_copy(update={"rubric": rubric.label})

    async def _asked(
        self, backend: Backend, sample: Sample, *, again: bool = False
    ) -> tuple[Rubric, list[Judged | Unreadable]]:
        rubric = self.rubrics.of(sample)
        judges = [(backend, self.endpoint), *((open_backend(endpoint), endpoint) for endpoint in self.panel)]
        asked = [self._one(Again(one) if again else one, endpoint.model, sample, rubric) for one, endpoint in judges]
        return rubric, await _together(asked)

    async def _one(self, backend: Backend, model: str, sample: Sample, rubric: Rubric) -> Judged | Unreadable:
        """What one judge says."""
        groups = [rubric.criteria] if self.config.calls == "all" else [(c,) for c in rubric.criteria]
        # All are waited for: which of several errors is told must not depend on which reply came first.
        read = await _together([self._tried(backend, model, sample, group) for group in groups])
        for error in read:
            if not isinstance(error, Part):
                return error
        parts = [part for part in read if isinstance(part, Part)]
        scores = _joined(part.scores for part in parts)
        variance = _joined(part.variance for part in parts)
        if self.config.score_mode == "mean":
            mode = MEAN
        else:
            mode = INTEGER if not variance else EXPECTED if len(variance) == len(scores) else MIXED
        apart = {group[0].key: part.reasons for group, part in zip(groups, parts, strict=True)}
        return Judged(
            model=model,
            mode=mode,
            scores=scores,
            score=weighted(scores, rubric.weights(self.config.weights)),
            justification=parts[0].reasons if self.config.calls == "all" else "",
            reasons=apart if self.config.calls == "each" else {},
            variance=variance,
            mass=_joined(part.mass for part in parts),
        )

    async def _tried(
        self, backend: Backend, model: str, sample: Sample, criteria: Sequence[Criterion]
    ) -> Part | Unreadable:
        try:
            return await self._part(backend, model, sample, criteria)
        except (Unusable, CallFailed) as error:
            return error

    async def _part(self, backend: Backend, model: str, sample: Sample, criteria: Sequence[Criterion]) -> Part:
        """One question, read by the mode.

        Raises:
            Unusable, CallFailed: no reply, or none that can be read.
        """
        request = self.request(sample, criteria).model_copy(update={"model": model})
        kind = reply_model(tuple(c.key for c in criteria), explain_first=self.config.order == "explain_first")
        if self.config.score_mode == "mean":
            return await self._mean(backend, request, kind)
        answer, spans = _certain(await ask(backend, request, kind, self.repair))
        scores: dict[str, float] = {key: float(score) for key, score in answer.value.scores.items()}
        variance: dict[str, float] = {}
        mass: dict[str, float] = {}
        if self.config.score_mode != "integer" and answer.reply.logprobs:
            for key, (begin, _) in spans.items():
                found = expected(answer.reply.text, answer.reply.logprobs, begin)
                if found is None:
                    continue
                mass[key] = found.mass
                if found.mass >= self.config.least_mass:
                    scores[key], variance[key] = found.score, found.variance
        return Part(scores, answer.value.reasons, variance, mass)

    async def _mean(self, backend: Backend, request: Request, kind: type[JudgeReply]) -> Part:
        """The mean of several replies; those that cannot be read are left out, more than half of them must be good."""
        replies = await candidates(backend, request, self.config.samples)
        read: list[Answer[JudgeReply]] = []
        last: Unreadable | None = None
        for number, reply in enumerate(replies):
            # A correction of each is a question of its own.
            asked = request.model_copy(update={"index": request.index + number})
            try:
                read.append(_certain(await ask(_Given(backend, reply), asked, kind, self.repair))[0])
            except (Unusable, CallFailed) as error:
                last = error
        if 2 * len(read) <= self.config.samples:
            raise last or CallFailed(request.key(), "too_few_replies", len(replies), "")
        every = [answer.value.scores for answer in read]
        found = {key: mean_and_variance([scores[key] for scores in every]) for key in every[0]}
        means = {key: mean for key, (mean, _) in found.items()}
        return Part(means, read[0].value.reasons, {key: variance for key, (_, variance) in found.items()}, {})


class _Given:
    """A backend whose first answer is there already."""

    def __init__(self, backend: Backend, reply: Reply) -> None:
        self._backend = backend
        self._reply: Reply | None = reply

    async def complete(self, request: Request) -> Reply:
        reply, self._reply = self._reply, None
        return reply if reply is not None else await self._backend.complete(request)


def _certain(answer: Answer[JudgeReply]) -> tuple[Answer[JudgeReply], dict[str, tuple[int, int]]]:
    """The answer, if each of its scores stands in the reply as that criterion's number, and where.

    Raises:
        Unusable: one does not.
    """
    reply = answer.reply
    spans = locate(reply.text, answer.value.scores)
    if spans is None:
        raise Unusable(reply.key, "schema", answer.attempts, as_text(reply.text))
    return answer, spans


async def _together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all, at once. The first exception cancels the rest and is raised when they have ended."""
    if len(work) == 1:
        return [await work[0]]
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _joined(parts: Any) -> dict[str, float]:
    return {key: value for part in parts for key, value in part.items()}


def failure(stage: str, sample: Sample, error: Unreadable) -> Failure:
    """An unreadable judgement, with its raw reply, as a failure of 0 samples."""
    return Failure(
        call=error.key,
        recipe=stage,
        chunk=sample.lineage.chunk,
        samples=0,
        reason=error.reason,
        attempts=error.attempts,
        raw=error.raw,
    )


def unscored(stage: str, sample: Sample, *errors: Unreadable) -> list[AnyRecord]:
    """A sample without a readable judgement: with a verdict, and the raw reply of each judge."""
    told = f"{errors[0].reason}: {errors[0].raw[:300]}"
    verdict = Verdict(stage=stage, reason="unscored", evidence=told)
    left = sample.model_copy(update={"verdict": verdict})
    return [left, *(failure(stage, sample, error) for error in errors)]
