"""The ``preference`` recipe: a rejected reply for a kept sample, made in one of three ways.

It makes candidates and checks nothing: that is done by those who did not make them (curation.pairs).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Candidate, Chunk, Rejected, Sample, Task
from datagen.generate.config import GeneratorConfig
from datagen.generate.recipe import Asking
from datagen.llm import flaws
from datagen.llm.ask import Unusable
from datagen.llm.backend import Backend, CallFailed, Reply, Request
from datagen.llm.connect import Endpoint, open_backend
from datagen.llm.fence import fence
from datagen.llm.prompt_rows import rows
from datagen.llm.transcript import transcript

EXAMPLES = "generate/preference.examples.jsonl"
_TOLD = ("flaw", "passage", "question", "chosen", "plan", "rejected")


class Flawed(BaseModel):
    """What a model gives: first where the flaw goes, then the reply."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    plan: str
    reply: str


class Plain(BaseModel):
    """A reply alone."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    reply: str


class Preference(Asking):
    """Makes the rejected reply of each task.

    Args:
        config, model, seed: as of :class:`Asking`.
        base: the endpoint whose model answers without the document; None where no task asks for that.
    """

    name = "preference"
    prompt_names = ("generate/preference.md.j2", "generate/candidates.md.j2")

    def __init__(self, config: GeneratorConfig, model: str, seed: int, base: Endpoint | None = None) -> None:
        super().__init__(config, model, seed)
        self.base = base
        self.flaws = flaws.load(config.prompts)
        self.examples = rows(EXAMPLES, config.prompts, _TOLD)

    def fingerprint(self) -> dict[str, Any]:
        """As of every recipe; and flaws, examples, the number of candidates and the model of on-policy replies."""
        return {
            **super().fingerprint(),
            "flaws": self.flaws.sha256,
            "examples": digest(self.examples),
            "shots": self.config.shots,
            "candidates": self.config.preference.candidates,
            "base": self.base.model if self.base is not None else "",
        }

    def owes(self, chunk: Chunk) -> int:
        """One; its tasks are planned by sample, not by passage."""
        return 1

    async def make(self, backend: Backend | None, task: Task) -> list[AnyRecord]:
        """One sample with a rejected reply, or a failure."""
        way = task.slots[0]["way"]
        try:
            if way == "on_policy":
                return [await self._on_policy(task)]
            if way == "best_of_n":
                return [await self._best_of_n(backend, task)]
            return [await self._planted(backend, task)]
        except (Unusable, CallFailed) as error:
            return self.failed(task, error)

    async def _planted(self, backend: Backend | None, task: Task) -> Sample:
        parent, flaw = _parent(task), task.slots[0]["flaw"]
        named = self.flaws.by_name[flaw]
        chosen = parent.messages[-1].content
        messages = self.prompt.render(
            flaw=flaw,
            definition=named.definition,
            plant=named.plant,
            examples=[row for row in self.examples if row["flaw"] == flaw][: self.config.shots],
            chosen=chosen,
            chosen_fence=fence("reply", chosen),
            words=max(1, len(chosen.split())),
            **_shown(parent),
        )
        request = self.request(task, messages, Flawed)
        answer = await self.ask(backend, request, Flawed)
        rejected = Rejected(content=answer.value.reply.strip(), flaw=flaw, way="planted")
        return self._pair(task, request, answer.reply, rejected)

    async def _on_policy(self, task: Task) -> Sample:
        """The base model is put the conversation itself: no document, no instruction of ours."""
        assert self.base is not None, "an on-policy task without a model for it"
        request = self.request(task, _parent(task).messages[:-1], None, step="on_policy", model=self.base.model)
        reply = await open_backend(self.base).complete(request)
        _usable(reply)
        rejected = Rejected(content=reply.text.strip(), flaw="", way="on_policy")
        return self._pair(task, request, reply, rejected, of_prompt=False)

    async def _best_of_n(self, backend: Backend | None, task: Task) -> Sample:
        prompt = self.prompts["generate/candidates.md.j2"]
        messages = prompt.render(**_shown(_parent(task)))
        found: list[Candidate] = []
        calls: list[str] = []
        for number in range(self.config.preference.candidates):
            request = self.request(task, messages, Plain, prompt=prompt, step=f"candidate {number}")
            answer = await self.ask(backend, request, Plain)
            found.append(Candidate(content=answer.value.reply.strip()))
            calls.append(answer.reply.key)
        rejected = Rejected(
            content="", flaw="", way="best_of_n"
        )  # which is the lowest is not known before they are scored
        pair = self._pair(task, request, answer.reply, rejected, earlier=calls[:-1])
        return pair.model_copy(update={"ranked": tuple(found)})

    def _pair(
        self,
        task: Task,
        request: Request,
        reply: Reply,
        rejected: Rejected,
        *,
        of_prompt: bool = True,
        earlier: Sequence[str] = (),
    ) -> Sample:
        parent = _parent(task)
        made = self.sample(
            task,
            parent.messages,
            parent.lineage.quotes,
            request=request,
            reply=reply,
            earlier=earlier,
            source=parent.source,
            rejected=rejected,
            family=parent.family,
            metric=parent.metric,
            attributes=dict(task.slots[0]),
            parent=parent.id,
            scores=parent.scores,
            score=parent.score,
            scored_by=parent.scored_by,
            justification=parent.justification,
            rubric=parent.rubric,
            judgements=parent.judgements,
            spread=parent.spread,
        )
        lineage = made.lineage.model_copy(update={"related": parent.lineage.related})
        if not of_prompt:
            lineage = lineage.model_copy(update={"prompt": "", "prompt_sha256": ""})
        return made.model_copy(update={"lineage": lineage})


def _parent(task: Task) -> Sample:
    assert task.sample is not None, "a preference task works on a sample"
    return task.sample


def _shown(parent: Sample) -> dict[str, str]:
    conversation = transcript(parent.messages[:-1])
    return {
        "passage": parent.source,
        "passage_fence": fence("passage", parent.source),
        "conversation": conversation,
        "conversation_fence": fence("conversation", conversation),
    }


def _usable(reply: Reply) -> None:
    """Raises Unusable for a free-text reply that is none. A refusal in words stays: it is the model's own."""
    reason = reply.finish if reply.finish in ("length", "content_filter") else ""
    if reply.refusal:
        reason = "refusal"
    elif not reply.text.strip():
        reason = "empty"
    if reason:
        raise Unusable(reply.key, reason, reply.attempts, reply.text or reply.refusal)
