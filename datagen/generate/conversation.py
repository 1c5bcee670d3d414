"""The ``conversation`` recipe: planned multi-turn samples, each exchange grounded, with real follow-ups.

Plan and conversation come in one call, the plan first, so that the turns follow from it: a call for the plan alone
would read the passage twice and gain nothing, since evidence and dependencies are checked on the plan as it stands
in the reply.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from datagen.core.record import AnyRecord, Chunk, Message, Quote, Sample, Task, Verdict
from datagen.generate import examples
from datagen.generate.config import GeneratorConfig
from datagen.generate.ground import ground
from datagen.generate.passages import line, listed
from datagen.generate.recipe import Asking, Axis
from datagen.generate.textual import MIN_LETTERS, count
from datagen.generate.tfidf import words
from datagen.llm import prompts
from datagen.llm.ask import Unusable
from datagen.llm.backend import Backend, CallFailed, Request
from datagen.llm.fence import fence
from datagen.llm.transcript import transcript

PROMPT = "generate/conversation.md.j2"
EXAMPLES = "generate/conversation.examples.jsonl"
STAGE = "conversation"
MIN_WORDS = 60  # of a passage: less does not carry a conversation
REPLY_FOR = 3  # exchanges that fit into ``generator.max_tokens``, as three pairs of the recipe qa do
SHORT = 7  # words of a user's turn up to which it is taken to lean on what went before
# Words that point back. English, German, French and Spanish; elsewhere shared words and brevity have to show it.
_POINTS_BACK = frozenset(
    """it its that this those these they them their he she his her one ones then so instead same other another both
    either neither too also again else still otherwise there
    das dies diese dieser dieses sie er es ihn ihm davon dabei dafür damit dann sonst auch beide stattdessen
    cela ça ceci celui celle ceux celles il elle ils elles lui leur alors aussi sinon
    eso esto ese esa este esta esos esas entonces también otro otra""".split()
)
_NUMBER = re.compile(r"\d+\Z")


class Move(BaseModel):
    """What one exchange is for."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    asks: str
    needs: int = Field(ge=0, description="Number of the earlier exchange that it needs, 0 for none.")
    evidence: list[str] = Field(description="Quotes copied from the passage character by character.")


class Exchange(BaseModel):
    """What both say in one exchange."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    user: str
    assistant: str


class Planned(BaseModel):
    """A whole reply: the plan, then the conversation."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    goal: str
    moves: list[Move]
    exchanges: list[Exchange]


class Conversation(Asking):
    """Asks for one conversation about a passage.

    Args:
        config, model, seed, gold: as :class:`Asking` takes them; gold samples of one exchange are no examples here.
    """

    name = "conversation"
    uses = ("persona", "audience", "difficulty", "length", "language")
    prompt_names = (PROMPT,)

    def __init__(self, config: GeneratorConfig, model: str, seed: int, gold: Sequence[Sample] = ()) -> None:
        super().__init__(config, model, seed, gold)
        pool = [s for s in self.gold if sum(m.role == "assistant" for m in s.messages) > 1]
        if config.shots:
            pool = pool or examples.read(prompts.locate(EXAMPLES, config.prompts))
            self.pool = tuple(pool[: config.shots] if config.selection == "fixed" else pool)

    def fingerprint(self) -> dict[str, Any]:
        """The bounds too: they decide on verdicts."""
        return {**super().fingerprint(), "conversation": self.config.conversation.model_dump(mode="json")}

    def takes(self, chunk: Chunk) -> bool:
        """Only passages that hold enough to talk about."""
        return super().takes(chunk) and chunk.format != "code" and count(chunk.text) >= MIN_WORDS

    def owes(self, chunk: Chunk) -> int:
        """One."""
        return 1

    def axes(self) -> dict[str, Axis]:
        """The number of exchanges, each within the bounds as often as the others."""
        least, most = self._bounds()
        return {"exchanges": {str(number): 1.0 for number in range(least, most + 1)}}

    def asked(self, task: Task) -> Request:
        """The question put to the model."""
        chunk, slot = task.chunk, task.slots[0]
        exchanges = int(slot["exchanges"])
        messages = self.prompt.render(
            title=line(chunk.title),
            heading=line(" > ".join(chunk.heading)),
            passage=chunk.text,
            fence=fence("passage", chunk.text),
            examples=[
                {
                    "passage": s.source,
                    "fence": fence("passage", s.source),
                    "exchanges": transcript([m for m in s.messages if m.role != "system"]),
                }
                for s in (self.pool[i] for i in task.shots)
            ],
            exchanges=exchanges,
            avoid=listed(task.avoid, "opened"),
            **{name: slot.get(name, "") for name in self.uses},
        )
        longest = self.config.max_tokens * max(1, -(-exchanges // REPLY_FOR))
        return self.request(task, messages, Planned, params={"max_tokens": longest})

    async def make(self, backend: Backend | None, task: Task) -> list[AnyRecord]:
        """The conversation, or a failure."""
        request = self.asked(task)
        try:
            answer = await self.ask(backend, request, Planned)
        except (Unusable, CallFailed) as error:
            return self.failed(task, error)
        planned = answer.value
        told = [(e.user.strip(), e.assistant.strip()) for e in planned.exchanges]
        told = told[: next((i for i, (user, said) in enumerate(told) if not user or not said), len(told))]
        if not told:
            return self.short(task, answer.reply, 1)
        quotes, verdict = grounded(planned.moves[: len(told)], len(told), task.chunk)
        messages = [
            message
            for user, assistant in told
            for message in (Message(role="user", content=user), Message(role="assistant", content=assistant))
        ]
        least, most = self._bounds()
        problem = _length(len(told), least, most) or verdict or follow_up(planned.moves, told)
        return [self.sample(task, messages, quotes, request=request, reply=answer.reply, verdict=problem)]

    def _bounds(self) -> tuple[int, int]:
        config = self.config.conversation
        return config.min_exchanges, max(config.min_exchanges, config.max_exchanges)


def grounded(moves: Sequence[Move], exchanges: int, chunk: Chunk) -> tuple[list[Quote], Verdict | None]:
    """The quotes of all moves in their order, and why one exchange does not rest on the passage.

    Args:
        exchanges: how many there are; one without a move has no evidence.
    """
    quotes: list[Quote] = []
    problem: Verdict | None = None
    for number in range(exchanges):
        found = ground(moves[number].evidence if number < len(moves) else [], chunk)
        quotes += found.quotes
        if found.verdict is not None and problem is None:
            evidence = f"exchange {number + 1}: {found.verdict.evidence}"
            problem = found.verdict.model_copy(update={"evidence": evidence})
    return quotes, problem


def follow_up(moves: Sequence[Move], told: Sequence[tuple[str, str]]) -> Verdict | None:
    """A verdict unless at least one later turn of the user needs an earlier exchange.

    It does if the plan says so *and* its words show it: it is short, or points back, or takes up a word or a number
    of the answer that it is said to need. That is a sign, not a proof; the judge reads the rest.

    Args:
        told: the user's and the assistant's words of each exchange.
    """
    declared = 0
    for number, (move, (user, _)) in enumerate(zip(moves, told, strict=False), 1):
        if 1 <= move.needs < number:
            declared += 1
            if _leans(user, told[move.needs - 1][1]):
                return None
    evidence = f"{declared} turns are planned as follow-ups, and none of them points back to what it needs"
    return Verdict(stage=STAGE, reason="no_follow_up", evidence=evidence)


def _leans(user: str, needed: str) -> bool:
    said = words(user)
    if count(user) <= SHORT or not _POINTS_BACK.isdisjoint(said):
        return True
    taken_up = {w for w in said if len(w) > MIN_LETTERS or _NUMBER.match(w)}
    return not taken_up.isdisjoint(words(needed))


def _length(exchanges: int, least: int, most: int) -> Verdict | None:
    if exchanges < least:
        return Verdict(stage=STAGE, reason="few_exchanges", evidence=f"{exchanges}, at least {least} wanted")
    if exchanges > most:
        return Verdict(stage=STAGE, reason="many_exchanges", evidence=f"{exchanges}, at most {most} wanted")
    return None
