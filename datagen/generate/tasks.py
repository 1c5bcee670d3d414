"""The ``tasks`` recipe: samples of the task families of instruction tuning, each with its metric.

One task owes one sample of one family, so that planning, calls and the ledger agree whatever the families'
weights are. The families are those that instruction-tuning collections mix (Wei et al., "Finetuned Language Models
Are Zero-Shot Learners", 2021, section 2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datagen.core.hashing import digest, fraction
from datagen.core.record import AnyRecord, Chunk, Message, Sample, Task
from datagen.generate.attributes import pick
from datagen.generate.config import GeneratorConfig
from datagen.generate.families import examples, lists
from datagen.generate.families.base import Brief, Family, Made
from datagen.generate.families.continuation import Nothing
from datagen.generate.families.table import FAMILIES
from datagen.generate.paragraphs import Span, paragraphs
from datagen.generate.passages import line, listed
from datagen.generate.recipe import Asking, Axis, sample_of
from datagen.generate.shots import Shots
from datagen.llm.ask import Unusable
from datagen.llm.backend import Backend, CallFailed, Request
from datagen.llm.fence import fence

MIN_WORDS, MAX_WORDS = 30, 400  # of a paragraph that a task is made of
INPUT_FIRST = 0.3  # share of samples whose input stands before the instruction
_STEP = 0.6180339887498949  # golden ratio: successive calls on a passage take paragraphs far apart


class Tasks(Asking):
    """Asks for one sample of the family that was drawn.

    Args:
        config, model, seed, gold: as :class:`Asking` takes them.

    Raises:
        UsageError: a prompt, the lists or an examples file cannot be used.
    """

    name = "tasks"
    uses = ("language",)
    prompt_names = tuple(family.prompt for family in FAMILIES.values() if family.reply is not None)

    def __init__(self, config: GeneratorConfig, model: str, seed: int, gold: Sequence[Sample] = ()) -> None:
        super().__init__(config, model, seed, gold)
        self.lists = lists.load(config.prompts) | {"languages": dict.fromkeys(config.tasks.translate_to, 1.0)}
        weights = {str(name): weight for name, weight in config.tasks.families.items()}
        self.families: dict[str, Family[Any]] = {
            name: family
            for name, family in FAMILIES.items()
            if weights.get(name) and (family.choices != "languages" or config.tasks.translate_to)
        }
        self._weights = {name: weights[name] for name in self.families}
        asking = [family for family in self.families.values() if family.reply is not None]
        # What is never asked shapes nothing.
        self.prompts = {family.prompt: self.prompts[family.prompt] for family in asking}
        self._examples = {family.name: examples.load(family, config, self.gold) for family in asking}
        self._shots = {
            name: Shots([e.sample for e in found], config.selection, config.shots, seed)
            for name, found in self._examples.items()
        }
        # All that may be shown; which of them are, each family chooses for itself.
        self.pool = tuple(e.sample for found in self._examples.values() for e in found)

    def fingerprint(self) -> dict[str, Any]:
        """The lists too: forms and labels are drawn from them."""
        return {**super().fingerprint(), "lists": digest(self.lists)}

    def takes(self, chunk: Chunk) -> bool:
        """Only passages with a paragraph of prose: every family can then make something of them."""
        return super().takes(chunk) and bool(self.families) and bool(paragraphs(chunk, MIN_WORDS, MAX_WORDS))

    def owes(self, chunk: Chunk) -> int:
        """One."""
        return 1

    def axes(self) -> dict[str, Axis]:
        """The family, and how the instruction is worded."""
        return {"family": self._weights, "wording": self.lists["wording"]} if self._weights else {}

    async def make(self, backend: Backend | None, task: Task) -> list[AnyRecord]:
        """The sample, or a failure."""
        family = self.families[task.slots[0]["family"]]
        brief = self._brief(task, family)
        if family.reply is None:
            return [self._by_rule(task, family, brief)]
        request = self.asked(task, family, brief)
        try:
            answer = await self.ask(backend, request, family.reply)
        except (Unusable, CallFailed) as error:
            return self.failed(task, error)
        made = family.build(brief, answer.value)
        sample = self.sample(
            task,
            _messages(made),
            made.quotes,
            request=request,
            reply=answer.reply,
            prompt=self.prompts[family.prompt],
            verdict=made.verdict,
            **_fields(task, family, brief, made),
        )
        return [sample]

    def asked(self, task: Task, family: Family[Any], brief: Brief) -> Request:
        """The question put to the model."""
        prompt = self.prompts[family.prompt]
        found = [self._examples[family.name][i] for i in self._shots[family.name].choose(task.chunk)]
        values = {
            "title": line(task.chunk.title),
            "heading": line(" > ".join(task.chunk.heading)),
            "passage": brief.text,
            "fence": fence("passage", brief.text),
            "examples": [e.as_reply() for e in found if e.reply],
            "gold": [e.as_sample() for e in found if not e.reply],
            "wording": brief.wording,
            "language": brief.language,
            "form": brief.form,
            "choices": brief.choices,
            "avoid": listed(task.avoid, "asked"),
        }
        messages = prompt.render(**{name: values[name] for name in prompt.inputs})
        request = self.request(task, messages, family.reply, prompt=prompt)
        schema = request.json_schema
        assert schema is not None
        return request.model_copy(update={"json_schema": family.held_to(schema, brief.choices)})

    def _brief(self, task: Task, family: Family[Any]) -> Brief:
        chunk, slot = task.chunk, task.slots[0]
        start, end = self._input(task, family)
        choices: tuple[str, ...] = tuple(self.lists[family.choices]) if family.choices else ()
        if family.choices == "languages":
            shift = int(self._place(task, "language") * len(choices))
            choices = choices[shift:] + choices[:shift]
        return Brief(
            chunk=chunk,
            start=start,
            end=end,
            form=pick(self.lists[family.forms], self._place(task, "form")) if family.forms else "",
            choices=choices,
            wording=slot.get("wording", ""),
            language=slot.get("language", ""),
            input_first=self._place(task, "order") < INPUT_FIRST,
            place=self._place(task, "layout"),
        )

    def _input(self, task: Task, family: Family[Any]) -> Span:
        chunk = task.chunk
        if family.input == "passage":
            return 0, len(chunk.text)
        found = paragraphs(chunk, MIN_WORDS, MAX_WORDS)
        at = (fraction([self.seed, chunk.id]) + task.number * _STEP) % 1.0
        return found[int(at * len(found))]

    def _place(self, task: Task, what: str) -> float:
        return fraction([self.seed, task.chunk.id, task.number, what])

    def _by_rule(self, task: Task, family: Family[Any], brief: Brief) -> Sample:
        made = family.build(brief, Nothing())
        return sample_of(
            task,
            self.name,
            _messages(made),
            made.quotes,
            verdict=made.verdict,
            **_fields(task, family, brief, made),
        )


def _messages(made: Made) -> tuple[Message, Message]:
    return Message(role="user", content=made.request), Message(role="assistant", content=made.output)


def _fields(task: Task, family: Family[Any], brief: Brief, made: Made) -> dict[str, Any]:
    attributes = {**task.slots[0], **({"form": brief.form} if brief.form else {}), **made.attributes}
    if family.reply is None:  # what was planned and no model was told
        attributes = {name: attributes[name] for name in ("family", "form") if name in attributes}
    return {"family": family.name, "metric": family.metric, "attributes": attributes}
