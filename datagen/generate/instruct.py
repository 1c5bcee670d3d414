"""The ``instruct`` recipe: instructions with optional input, grounded in a passage, some of them evolved.

Self-Instruct (Y. Wang et al., "Self-Instruct: Aligning Language Models with Self-Generated Instructions",
ACL 2023) shows a model a few tasks and has it write new ones; here each rests on a passage. Evol-Instruct
(C. Xu et al., "WizardLM: Empowering Large Language Models to Follow Complex Instructions", 2023) then makes
a drafted instruction deeper, narrower, or turns it to something rarer, before it is carried out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from datagen.core.record import AnyRecord, Chunk, Message, Sample, Task, Verdict
from datagen.generate import examples
from datagen.generate.config import GeneratorConfig
from datagen.generate.ground import ground
from datagen.generate.passages import listed, passages
from datagen.generate.recipe import Asking, Axis
from datagen.generate.tfidf import words
from datagen.llm.ask import Unusable
from datagen.llm.backend import Backend, CallFailed, Reply, Request
from datagen.llm.fence import fence

PROMPT = "generate/instruct.md.j2"
EVOLVE = "generate/evolve.md.j2"
EXAMPLES = "generate/instruct.examples.jsonl"
NONE, WIDEN = "none", "widen"
# Evol-Instruct's "elimination evolving" drops what speaks of the rewriting itself.
_LEAKED = re.compile(
    r"#\s*(?:rewritten|given|created|new) (?:prompt|instruction)\s*#|"
    r"\b(?:given|rewritten|evolved|original|draft|drafted) (?:prompt|instruction)\b",
    re.IGNORECASE,
)


class Made(BaseModel):
    """What a model gives for one sample. Surplus keys are ignored, missing ones are an error."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    instruction: str
    input: str
    evidence: list[str] = Field(description="Quotes copied from the passage character by character.")
    output: str

    @property
    def told(self) -> str:
        """What the user says: the instruction, and the input below it where there is one."""
        return "\n\n".join(part for part in (self.instruction.strip(), self.input.strip()) if part)


class Drafts(BaseModel):
    """A whole reply to the first question."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    tasks: list[Made]


class Changed(Made):
    """An evolved instruction, carried out."""

    number: int


class Evolved(BaseModel):
    """A whole reply to the second question."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    evolved: list[Changed]


class Instruct(Asking):
    """Asks for as many tasks as a task has slots, then has those evolved whose slot says how.

    Args:
        config, model, seed, gold: as :class:`Asking` takes them.
    """

    name = "instruct"
    uses = ("persona", "audience", "difficulty", "length", "language")
    prompt_names = (PROMPT, EVOLVE)

    def __init__(self, config: GeneratorConfig, model: str, seed: int, gold: Sequence[Sample] = ()) -> None:
        super().__init__(config, model, seed, gold)
        self.pool = examples.pool_of(EXAMPLES, config, self.gold)

    def owes(self, chunk: Chunk) -> int:
        """``samples_per_chunk``."""
        return self.config.samples_per_chunk

    def axes(self) -> dict[str, Axis]:
        """What is done to a drafted instruction."""
        ways = {str(name): weight for name, weight in self.config.instruct.evolve.items() if weight > 0}
        return {"evolve": ways} if ways else {}

    def drafting(self, task: Task) -> Request:
        """The first question. Of an instruction that is to be evolved no output is wanted yet."""
        slots = []
        for slot in task.slots:
            shown = {name: value for name, value in slot.items() if name != "evolve"}
            slots.append(shown | ({} if _way(slot) == NONE else {"instruction only": "yes"}))
        messages = self.prompt.render(
            examples=examples.rendered([self.pool[i] for i in task.shots], "tasks", _item),
            passages=passages(task),
            avoid=listed(task.avoid, "written"),
            seeds=listed(task.seeds, "instructions"),
            slots=slots,
        )
        return self.request(task, messages, Drafts)

    def evolving(self, task: Task, drafts: Mapping[int, Made]) -> Request:
        """The second question, about drafts by the numbers of their slots."""
        prompt = self.prompts[EVOLVE]
        shown = [
            {
                "number": number,
                "way": _way(task.slots[place]),
                "text": draft.told,
                "fence": fence("instruction", draft.told),
                "slot": {name: value for name, value in task.slots[place].items() if name != "evolve"},
            }
            for number, (place, draft) in enumerate(drafts.items(), 1)
        ]
        messages = prompt.render(passages=passages(task), drafts=shown)
        return self.request(task, messages, Evolved, prompt=prompt, step="evolve")

    async def make(self, backend: Backend | None, task: Task) -> list[AnyRecord]:
        """A sample for each slot, in order; what is missing of either reply as a failure."""
        request = self.drafting(task)
        try:
            answer = await self.ask(backend, request, Drafts)
        except (Unusable, CallFailed) as error:
            return self.failed(task, error)
        reply, drafts = answer.reply, answer.value.tasks[: task.samples]
        made: dict[int, Sample] = {}
        waiting: dict[int, Made] = {}
        for place, draft in enumerate(drafts):
            if _way(task.slots[place]) == NONE:
                made[place] = self._made(task, request, reply, draft, place, place)
            else:
                waiting[place] = draft
        missing = self.short(task, reply, task.samples - len(drafts))
        if waiting:
            changed, failed = await self._evolved(backend, task, reply, waiting)
            made |= changed
            missing += failed
        return [*(made[place] for place in sorted(made)), *missing]

    async def _evolved(
        self, backend: Backend | None, task: Task, draft: Reply, waiting: Mapping[int, Made]
    ) -> tuple[dict[int, Sample], list[AnyRecord]]:
        request = self.evolving(task, waiting)
        try:
            answer = await self.ask(backend, request, Evolved)
        except (Unusable, CallFailed) as error:
            return {}, [self.failure(task, error.key, len(waiting), error.reason, error.attempts, error.raw)]
        made: dict[int, Sample] = {}
        for place, (index, changed) in numbered(answer.value.evolved, list(waiting)).items():
            problem = degenerate(waiting[place], changed, _way(task.slots[place]))
            verdict = Verdict(stage=self.name, reason="not_evolved", evidence=problem) if problem else None
            made[place] = self._made(
                task, request, answer.reply, changed, place, index, evolved=True, verdict=verdict, earlier=(draft.key,)
            )
        return made, self.short(task, answer.reply, len(waiting) - len(made))

    def _made(
        self,
        task: Task,
        request: Request,
        reply: Reply,
        item: Made,
        place: int,
        index: int,
        *,
        evolved: bool = False,
        verdict: Verdict | None = None,
        earlier: Sequence[str] = (),
    ) -> Sample:
        grounded = ground(item.evidence, task.chunk, *task.related)
        messages = (Message(role="user", content=item.told), Message(role="assistant", content=item.output.strip()))
        return self.sample(
            task,
            messages,
            grounded.quotes,
            request=request,
            reply=reply,
            index=index,
            prompt=self.prompts[EVOLVE] if evolved else None,
            verdict=verdict or grounded.verdict,
            earlier=earlier,
            attributes=dict(task.slots[place]),
        )


def numbered(items: Sequence[Changed], places: Sequence[int]) -> dict[int, tuple[int, Changed]]:
    """Which draft each item of a reply is the evolution of.

    By its number; where the numbers are not each another draft's, by its position. Surplus is not taken.

    Args:
        places: of the drafts 1, 2, …

    Returns:
        Place → position in the reply and item.
    """
    items = items[: len(places)]
    numbers = [item.number for item in items]
    if len(set(numbers)) < len(numbers) or not all(1 <= number <= len(places) for number in numbers):
        numbers = list(range(1, len(items) + 1))
    return {places[number - 1]: (i, item) for i, (number, item) in enumerate(zip(numbers, items, strict=True))}


def degenerate(draft: Made, changed: Made, way: str) -> str:
    """Why an evolution is none, for people; "" where it is one.

    It speaks of its own rewriting, adds no word to the draft, or, where it is not to be something else
    altogether, is not longer than the draft.
    """
    leaked = _LEAKED.search(changed.instruction)
    if leaked and leaked[0].lower() not in draft.told.lower():
        return f"the instruction speaks of its own rewriting: {leaked[0]!r}"
    before, after = words(draft.told), words(changed.told)
    if not Counter(after) - Counter(before):
        return "the instruction has no word that the draft has not"
    if way != WIDEN and len(after) <= len(before):
        return f"the instruction has {len(after)} words, the draft {len(before)}"
    return ""


def _way(slot: Mapping[str, str]) -> str:
    return slot.get("evolve") or NONE


def _item(sample: Sample, evidence: list[str]) -> dict[str, Any]:
    told, output = examples.exchange(sample) or ("", "")
    given = sample.attributes.get("input", "")
    instruction = told.removesuffix(f"\n\n{given}") if given else told
    return {"instruction": instruction, "input": given, "evidence": evidence, "output": output}
