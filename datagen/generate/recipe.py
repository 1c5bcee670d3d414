"""What a recipe is: it plans what a passage owes, and turns one task into samples and failures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Chunk, Failure, Lineage, Message, Quote, Sample, Task, Verdict
from datagen.generate.config import GeneratorConfig
from datagen.llm import prompts
from datagen.llm.ask import Answer, M, Unusable, ask
from datagen.llm.backend import Backend, CallFailed, Reply, Request
from datagen.llm.prompts import Prompt
from datagen.llm.schema import schema_of

Axis = Mapping[str, float]
"""Values of an attribute with their weights, in a fixed order."""

REPAIR = "repair.md.j2"
NO_MODEL = "none (extractive rules)"
"""The ``model`` of samples made by rules."""


class Recipe(ABC):
    """One way to make samples of a passage. Instances pickle.

    Attributes:
        name: snake_case; the ``recipe`` of its samples.
        version: raised by hand whenever the code gives other samples for the same replies.
        asks: does it ask a model? One that does not makes its samples by rules.
        uses: attributes of ``generate/attributes.yaml`` that are planned for its samples.
        pool: k-shot examples that :attr:`Task.shots` points into.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    asks: ClassVar[bool] = True
    uses: ClassVar[tuple[str, ...]] = ()
    pool: Sequence[Sample] = ()

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """Everything besides the code and the tasks that shapes the samples, as JSON values; the key
        ``prompts`` maps the name of each prompt file to its SHA-256."""

    def takes(self, chunk: Chunk) -> bool:
        """Can it make anything of this passage?"""
        return not chunk.turns

    @abstractmethod
    def owes(self, chunk: Chunk) -> int:
        """Samples that one task on this passage owes; 0 where only the making shows how many there are."""

    def axes(self) -> dict[str, Axis]:
        """Its own attributes beside those it :attr:`uses`, as in ``{"type": {"factual": 2, "how_to": 1}}``."""
        return {}

    def wants_related(self, slots: Sequence[Mapping[str, str]]) -> bool:
        """Does a task with these slots need a second passage?"""
        return False

    @abstractmethod
    async def make(self, backend: Backend | None, task: Task) -> list[AnyRecord]:
        """Do a task.

        Args:
            backend: where models are asked; None where the run has none.

        Returns:
            Samples and failures that account for exactly ``task.samples`` samples (any number of samples
            where that is 0).

        Raises:
            datagen.core.errors.DatagenError: no request can be answered.
        """


class Asking(Recipe):
    """What recipes share that ask a model: prompts, requests, failures.

    Args:
        config: the generator's.
        model: the model's name at the endpoint.
        seed: of the run; each request gets its own, made from it and the task.
        gold: the user's gold samples, for k-shot examples.
    """

    prompt_names: ClassVar[tuple[str, ...]]
    """Prompt files, the main one first."""

    def __init__(self, config: GeneratorConfig, model: str, seed: int, gold: Sequence[Sample] = ()) -> None:
        self.config = config
        self.model = model
        self.seed = seed
        self.gold = tuple(gold)
        self.prompts = {name: prompts.load(name, config.prompts) for name in self.prompt_names}
        self.prompt = self.prompts[self.prompt_names[0]]
        self.repair = prompts.load(REPAIR, config.prompts)
        self._schemas: dict[type[BaseModel], dict[str, Any]] = {}

    def fingerprint(self) -> dict[str, Any]:
        """Settings, prompts, examples, model, seed."""
        return {
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_tokens,
            "prompts": {p.name: p.sha256 for p in (*self.prompts.values(), self.repair)},
            "examples": digest([s.model_dump(mode="json") for s in self.pool]),
            "model": self.model,
            "seed": self.seed,
        }

    def request(
        self,
        task: Task,
        messages: tuple[Message, ...],
        reply: type[BaseModel] | None,
        *,
        prompt: Prompt | None = None,
        step: str = "",
        params: Mapping[str, Any] | None = None,
        model: str = "",
    ) -> Request:
        """A question about a task.

        Args:
            messages: rendered.
            reply: the form of the reply, or None for free text.
            prompt: the file they come from (its parameters are the strongest); None: the main one.
            step: tells several questions about one task apart; each gets a seed of its own.
            params: stronger than the configuration's.
            model: another than the recipe's.
        """
        seed = int(
            digest([self.seed, self.name, task.chunk.id, task.number, step, task.sample and task.sample.id], 7), 16
        )
        return Request(
            model=model or self.model,
            messages=messages,
            params={
                "temperature": self.config.temperature,
                "max_tokens": self.config.max_tokens,
                "seed": seed,
                **(params or {}),
                **(prompt or self.prompt).parameters,  # a prompt that states its own knows best
            },
            json_schema=None if reply is None else self.schema(reply),
            schema_name=self.name,
            purpose=self.name,
            priority=1,  # judging goes first: it finishes what has been begun
        )

    def schema(self, reply: type[BaseModel]) -> dict[str, Any]:
        """The JSON schema of a reply, made once."""
        if reply not in self._schemas:
            self._schemas[reply] = schema_of(reply)
        return self._schemas[reply]

    async def ask(self, backend: Backend | None, request: Request, reply: type[M]) -> Answer[M]:
        """Ask until the reply is usable, at most twice.

        Raises:
            Unusable, CallFailed: as :func:`datagen.llm.ask.ask`; :meth:`failed` makes a record of them.
        """
        assert backend is not None, "a recipe that asks was given no model"
        return await ask(backend, request, reply, self.repair)

    def failed(self, task: Task, error: Unusable | CallFailed) -> list[AnyRecord]:
        """All of a task's samples as failed."""
        return [self.failure(task, error.key, task.samples, error.reason, error.attempts, error.raw)]

    def short(self, task: Task, reply: Reply, missing: int) -> list[AnyRecord]:
        """What a reply falls short of as a failure; nothing where nothing is missing."""
        if missing <= 0:
            return []
        return [self.failure(task, reply.key, missing, "short", reply.attempts, reply.text)]

    def failure(self, task: Task, call: str, samples: int, reason: str, attempts: int, raw: str) -> Failure:
        """A line of failed.jsonl."""
        return Failure(
            call=call, recipe=self.name, chunk=task.chunk.id, samples=samples, reason=reason, attempts=attempts, raw=raw
        )

    def sample(
        self,
        task: Task,
        messages: Sequence[Message],
        quotes: Sequence[Quote],
        *,
        request: Request,
        reply: Reply,
        index: int = 0,
        prompt: Prompt | None = None,
        verdict: Verdict | None = None,
        earlier: Sequence[str] = (),
        **fields: Any,
    ) -> Sample:
        """A sample of a reply, with its whole lineage; ``fields`` are further fields of :class:`Sample`."""
        used = prompt or self.prompt
        return sample_of(
            task,
            self.name,
            messages,
            quotes,
            model=request.model,
            prompt=used.name,
            prompt_sha256=used.sha256,
            params=request.params,
            call=reply.key,
            index=index,
            earlier=earlier,
            verdict=verdict,
            **fields,
        )


def sample_of(
    task: Task,
    recipe: str,
    messages: Sequence[Message],
    quotes: Sequence[Quote],
    *,
    model: str = NO_MODEL,
    prompt: str = "",
    prompt_sha256: str = "",
    params: Mapping[str, Any] | None = None,
    call: str = "",
    index: int = 0,
    earlier: Sequence[str] = (),
    verdict: Verdict | None = None,
    **fields: Any,
) -> Sample:
    """A sample whose id is the hash of its content and lineage.

    Args:
        quotes: with spans of the *document* (add ``chunk.start`` to a position in ``chunk.text``).
        index: which sample of the task; its slot gives the attributes where ``fields`` does not.
        fields: further fields of :class:`Sample`.
    """
    chunk = task.chunk
    lineage = Lineage(
        path=chunk.path,
        sha256=chunk.sha256,
        chunk=chunk.id,
        start=chunk.start,
        end=chunk.end,
        heading=chunk.heading,
        page=chunk.page,
        quotes=tuple(quotes),
        prompt=prompt,
        prompt_sha256=prompt_sha256,
        model=model,
        params=dict(params or {}),
        call=call,
        index=index,
        earlier=tuple(earlier),
        related=tuple((c.path, c.id, c.start, c.end) for c in task.related),
    )
    slot = task.slots[index] if index < len(task.slots) else {}
    told = [[m.role, m.content, list(m.tool_calls)] for m in messages]
    fields.setdefault("attributes", dict(slot))
    fields.setdefault("source", "\n\n".join(c.text for c in (chunk, *task.related)))
    return Sample(
        id=digest(
            [recipe, told, fields.get("rejected") and fields["rejected"].content, lineage.model_dump(mode="json")]
        ),
        recipe=recipe,
        split=chunk.split,
        messages=tuple(messages),
        task=task.id,
        lineage=lineage,
        verdict=verdict,
        **fields,
    )
