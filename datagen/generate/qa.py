"""The ``qa`` recipe: question and answer pairs from a chunk, each with evidence found verbatim in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Chunk, Failure, Quote, Sample, Verdict
from datagen.core.stage import Map, Shard
from datagen.generate import examples as kshot
from datagen.generate.config import GeneratorConfig
from datagen.generate.ground import locate
from datagen.generate.samples import question_answer
from datagen.llm import prompts
from datagen.llm.ask import Unusable, ask
from datagen.llm.backend import Backend, CallFailed, Reply, Request
from datagen.llm.connect import Endpoint
from datagen.llm.each import ask_each
from datagen.llm.fence import fence
from datagen.llm.schema import schema_of

PROMPT = "generate/qa.md.j2"
REPAIR = "repair.md.j2"
EXAMPLES = "generate/qa.examples.jsonl"


class Pair(BaseModel):
    """What a model gives for one sample. Surplus keys are ignored, missing ones are an error."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    question: str
    answer: str
    evidence: list[str] = Field(description="Quotes copied from the passage character by character.")


class Pairs(BaseModel):
    """A whole reply."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    pairs: list[Pair]


class QA(Map):
    """Asks a model for pairs about each chunk that has no verdict.

    Args:
        config: the generator's.
        endpoint: the model's, resolved (``endpoint.model`` is set).
        seed: of the run; each request gets its own, made from it and the chunk.
    """

    name = "qa"
    version = 1
    produces = "sample"
    waits = True

    def __init__(self, config: GeneratorConfig, endpoint: Endpoint, seed: int) -> None:
        self.config = config
        self.endpoint = endpoint
        self.seed = seed
        self.prompt = prompts.load(PROMPT, config.prompts)
        self.repair = prompts.load(REPAIR, config.prompts)
        path = Path(config.examples) if config.examples else prompts.locate(EXAMPLES, config.prompts)
        self.examples = tuple(kshot.read(path)[: config.shots]) if config.shots else ()

    def fingerprint(self) -> dict[str, Any]:
        """What a request is made of: settings, prompts, the examples that are shown, model, seed."""
        config = self.config
        return {
            "samples_per_chunk": config.samples_per_chunk,
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "language": config.language,
            "prompts": {p.name: p.sha256 for p in (self.prompt, self.repair)},
            "examples": [e.model_dump() for e in self.examples],
            "model": self.endpoint.model,
            "seed": self.seed,
        }

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return schema_of(Pairs)

    def run(self, shard: Shard) -> list[AnyRecord]:
        """Samples and failures, in the order of the chunks."""
        chunks = [r for r in shard if isinstance(r, Chunk) and r.verdict is None]
        results = ask_each(self.name, self.endpoint, chunks, self.generate)
        return [record for records in results for record in records]

    def request(self, chunk: Chunk) -> Request:
        """The question put to the model for one chunk."""
        messages = self.prompt.render(
            title=chunk.title,
            heading=" > ".join(chunk.heading),
            passage=chunk.text,
            fence=fence("passage", chunk.text),
            k=self.config.samples_per_chunk,
            examples=[e.model_dump() for e in self.examples],
            language=self.config.language,
        )
        params = {
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_tokens,
            "seed": int(digest([self.seed, chunk.id], 7), 16),
            **self.prompt.parameters,  # a prompt that states its own knows best
        }
        return Request(
            model=self.endpoint.model,
            messages=messages,
            params=params,
            json_schema=self._schema,
            schema_name="pairs",
            purpose=self.name,
            priority=1,  # judging goes first: it finishes what has been begun
        )

    async def generate(self, backend: Backend, chunk: Chunk) -> list[AnyRecord]:
        """All records of one chunk: exactly ``samples_per_chunk`` samples, failed ones counted."""
        wanted = self.config.samples_per_chunk
        request = self.request(chunk)
        try:
            answer = await ask(backend, request, Pairs, self.repair)
        except (Unusable, CallFailed) as error:
            return [self._failure(chunk, error.key, wanted, error.reason, error.attempts, error.raw)]
        pairs = answer.value.pairs[:wanted]
        records: list[AnyRecord] = [
            self._sample(chunk, request, answer.reply, pair, index) for index, pair in enumerate(pairs)
        ]
        if len(pairs) < wanted:
            missing = wanted - len(pairs)
            reply = answer.reply
            records.append(self._failure(chunk, reply.key, missing, "short", reply.attempts, reply.text))
        return records

    def _failure(self, chunk: Chunk, call: str, samples: int, reason: str, attempts: int, raw: str) -> Failure:
        return Failure(
            call=call, recipe=self.name, chunk=chunk.id, samples=samples, reason=reason, attempts=attempts, raw=raw
        )

    def _sample(self, chunk: Chunk, request: Request, reply: Reply, pair: Pair, index: int) -> Sample:
        quotes, verdict = ground(pair.evidence, chunk)
        return question_answer(
            chunk,
            self.name,
            pair.question.strip(),
            pair.answer.strip(),
            quotes,
            model=request.model,
            prompt=self.prompt.name,
            prompt_sha256=self.prompt.sha256,
            params=request.params,
            call=reply.key,
            index=index,
            verdict=verdict,
        )


def ground(evidence: Sequence[str], chunk: Chunk) -> tuple[list[Quote], Verdict | None]:
    """Find each quote in the chunk.

    Returns:
        The quotes found, with spans of the document, and a verdict if there is none or one of them
        does not stand in the chunk.
    """
    quotes: list[Quote] = []
    missing: list[str] = []
    for text in evidence:
        span = locate(text, chunk.text)
        if span is None:
            missing.append(text)
            continue
        start, end = span
        quotes.append(Quote(text=chunk.text[start:end], start=chunk.start + start, end=chunk.start + end))
    if missing:
        shown = missing[0][:200]
        return quotes, Verdict(stage="ground", reason="ungrounded", evidence=f"not in the passage: {shown!r}")
    if not quotes:
        return quotes, Verdict(stage="ground", reason="no_evidence", evidence="the reply quotes nothing")
    return quotes, None
