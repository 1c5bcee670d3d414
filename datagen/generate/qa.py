"""The ``qa`` recipe: questions of planned types with their answers, each with evidence found verbatim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from datagen.core.record import AnyRecord, Chunk, Message, Sample, Task, Verdict
from datagen.generate import examples
from datagen.generate.config import GeneratorConfig, QuestionType
from datagen.generate.ground import STAGE, ground
from datagen.generate.passages import listed, passages
from datagen.generate.recipe import Asking, Axis
from datagen.llm.ask import Unusable
from datagen.llm.backend import Backend, CallFailed, Reply, Request

PROMPT = "generate/qa.md.j2"
EXAMPLES = "generate/qa.examples.jsonl"
TYPES: tuple[str, ...] = get_args(QuestionType)
MULTI_HOP = "multi_hop"
_OF_TWO = (MULTI_HOP, "comparison")  # a second passage gives them more to ask about


class Pair(BaseModel):
    """What a model gives for one sample. Surplus keys are ignored, missing ones are an error."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    type: str = Field(json_schema_extra={"enum": list(TYPES)})
    question: str
    evidence: list[str] = Field(description="Quotes copied from the passage character by character.")
    answer: str

    @model_validator(mode="before")
    @classmethod
    def _unnamed(cls, data: Any) -> Any:
        """A prompt of the user's may not ask for types."""
        return {"type": "", **data} if isinstance(data, dict) else data

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        """As a model without a grammar may write it: "How-to". What is no type at all is left open."""
        named = "_".join(value.lower().replace("-", " ").replace("_", " ").split())
        return named if named in TYPES else ""


class Pairs(BaseModel):
    """A whole reply."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    pairs: list[Pair]


class QA(Asking):
    """Asks for as many pairs about a passage as its task has slots.

    Args:
        config, model, seed, gold: as :class:`Asking` takes them.
    """

    name = "qa"
    version = 2
    uses = ("persona", "audience", "difficulty", "length", "language")
    prompt_names = (PROMPT,)

    def __init__(self, config: GeneratorConfig, model: str, seed: int, gold: Sequence[Sample] = ()) -> None:
        super().__init__(config, model, seed, gold)
        self.pool = examples.pool_of(EXAMPLES, config, self.gold)

    def owes(self, chunk: Chunk) -> int:
        """``samples_per_chunk``."""
        return self.config.samples_per_chunk

    def axes(self) -> dict[str, Axis]:
        """The type of question."""
        types = {str(name): weight for name, weight in self.config.qa.types.items() if weight > 0}
        return {"type": types} if types else {}

    def wants_related(self, slots: Sequence[Mapping[str, str]]) -> bool:
        """Where a question may join or compare two passages."""
        return any(slot.get("type") in _OF_TWO for slot in slots)

    def asked(self, task: Task) -> Request:
        """The question put to the model."""
        messages = self.prompt.render(
            examples=examples.rendered([self.pool[i] for i in task.shots], "pairs", _item),
            passages=passages(task),
            avoid=listed(task.avoid, "asked"),
            slots=[{"type": "factual", **slot} for slot in task.slots],
        )
        return self.request(task, messages, Pairs)

    async def make(self, backend: Backend | None, task: Task) -> list[AnyRecord]:
        """A sample for each pair of the reply, as far as they are owed; the missing ones as a failure."""
        request = self.asked(task)
        try:
            answer = await self.ask(backend, request, Pairs)
        except (Unusable, CallFailed) as error:
            return self.failed(task, error)
        pairs = answer.value.pairs[: task.samples]
        slots = matched([pair.type for pair in pairs], task.slots)
        made: list[AnyRecord] = [
            self._made(task, request, answer.reply, pair, index, slot)
            for index, (pair, slot) in enumerate(zip(pairs, slots, strict=True))
        ]
        return made + self.short(task, answer.reply, task.samples - len(pairs))

    def _made(
        self, task: Task, request: Request, reply: Reply, pair: Pair, index: int, slot: Mapping[str, str]
    ) -> Sample:
        grounded = ground(pair.evidence, task.chunk, *task.related)
        planned = slot.get("type", "")
        made = pair.type or planned
        attributes = {**slot, "type": made} if made else dict(slot)
        if made != planned and planned:
            attributes["planned_type"] = planned
        verdict = grounded.verdict
        if verdict is None and made == MULTI_HOP and task.related and not grounded.joins:
            evidence = "all quotes of a multi-hop answer stand in one of the two passages"
            verdict = Verdict(stage=STAGE, reason="one_passage", evidence=evidence)
        messages = (
            Message(role="user", content=pair.question.strip()),
            Message(role="assistant", content=pair.answer.strip()),
        )
        return self.sample(
            task,
            messages,
            grounded.quotes,
            request=request,
            reply=reply,
            index=index,
            verdict=verdict,
            attributes=attributes,
        )


def matched(types: Sequence[str], slots: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The slot that each of the made pairs answers.

    Where the reply is complete they stand in order. Where pairs were left out, each takes the first free
    slot of its type, and the rest what is left, in order.
    """
    if len(types) >= len(slots):
        return [slots[i] if i < len(slots) else {} for i in range(len(types))]
    free = dict(enumerate(slots))
    found: dict[int, Mapping[str, str]] = {}
    for i, kind in enumerate(types):
        place = next((j for j, slot in free.items() if slot.get("type", "") == kind), None)
        if place is not None:
            found[i] = free.pop(place)
    for i in range(len(types)):
        if i not in found:
            found[i] = free.pop(min(free))
    return [found[i] for i in range(len(types))]


def _item(sample: Sample, evidence: list[str]) -> dict[str, Any]:
    question, answer = examples.exchange(sample) or ("", "")
    return {
        "type": sample.attributes.get("type") or "factual",
        "question": question,
        "evidence": evidence,
        "answer": answer,
    }
