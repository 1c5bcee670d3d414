"""Which of two replies is better? Asked in both orders, because judges prefer a place.

That they do, and that both orders together cancel it, is shown by P. Wang et al., "Large Language Models are not Fair
Evaluators" (ACL 2024), and L. Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena" (NeurIPS 2023).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from curation.pairwise_config import PairwiseConfig
from datagen.core.text import scrub
from datagen.llm import prompts
from datagen.llm.ask import Unusable, ask
from datagen.llm.backend import Backend, CallFailed, Request
from datagen.llm.fence import inert, tag
from datagen.llm.schema import schema_of

PROMPT = "judge/pairwise.md.j2"
REPAIR = "repair.md.j2"
PURPOSE = "pairwise"

Verdict = Literal["first_much_better", "first_better", "equal", "second_better", "second_much_better"]
OF_FIRST: dict[str, float] = {
    "first_much_better": 1.0,
    "first_better": 0.5,
    "equal": 0.0,
    "second_better": -0.5,
    "second_much_better": -1.0,
}
"""Each verdict as a preference for the reply that was shown first, in -1..1."""
Outcome = Literal["win", "tie", "lose"]


class Preferred(BaseModel):
    """What the judge replies. The explanation comes first, so that the verdict follows from it."""

    model_config = ConfigDict(strict=True, json_schema_extra={"additionalProperties": False})
    explanation: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Said:
    """The judge's answer in one order.

    Attributes:
        preference: for reply A, in -1..1, whichever place it was shown in.
        explanation: in the judge's words.
        raw: the whole answer as it came; "" where nothing was asked.
        key: of the answer in the call log, or "".
    """

    preference: float
    explanation: str = ""
    raw: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two replies, compared.

    Attributes:
        a_first, b_first: the answers with reply A, and with reply B, in the first place.
        margin: mean preference from which one reply wins.
        asked: False where the replies are the same text: that is a tie, and nobody is asked.
    """

    a_first: Said
    b_first: Said
    margin: float
    asked: bool = True

    @property
    def preference(self) -> float:
        """For reply A, the mean of both orders, in -1..1."""
        return (self.a_first.preference + self.b_first.preference) / 2

    @property
    def outcome(self) -> Outcome:
        """Of reply A: ``win`` or ``lose`` where the mean preference reaches the margin, else ``tie``."""
        if abs(self.preference) < self.margin:
            return "tie"
        return "win" if self.preference > 0 else "lose"

    @property
    def consistent(self) -> bool:
        """Do both orders name the same reply, or both none?"""
        return _sign(self.a_first.preference) == _sign(self.b_first.preference)


class Comparer:
    """Puts the question about two replies, in both orders. Pickles.

    Args:
        config: what is asked, and how.
        model: name of the model that is asked.
        folder: the user's prompts folder, or "".

    Raises:
        UsageError: a prompt cannot be used.
    """

    def __init__(self, config: PairwiseConfig, model: str, folder: str = "") -> None:
        self.config = config
        self.model = model
        self.prompt = prompts.load(PROMPT, folder)
        self.repair = prompts.load(REPAIR, folder)

    def fingerprint(self) -> dict[str, Any]:
        """Configuration, prompts and model."""
        shown = {p.name: p.sha256 for p in (self.prompt, self.repair)}
        return {**self.config.model_dump(), "prompts": shown, "model": self.model}

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return schema_of(Preferred)

    def request(self, asked: str, first: str, second: str, source: str = "") -> Request:
        """The question in one order."""
        texts = {"source": source, "asked": asked, "first": first, "second": second}
        names = {"source": "source", "asked": "request", "first": "first_reply", "second": "second_reply"}
        limits = {"source": self.config.max_source}
        cut = {name: text[: limits.get(name, self.config.max_text)] for name, text in texts.items()}
        shown = {name: inert(text) for name, text in cut.items()}
        # No text may close the fence of another, and both orders have the same fences.
        all_ = "\n".join(sorted(shown.values()))
        values: dict[str, Any] = dict(shown)
        for name, text in texts.items():
            values[f"{name}_fence"] = tag(names[name], all_)
            values[f"{name}_left"] = len(text) - len(cut[name])
        settings = {"temperature": self.config.temperature, "max_tokens": self.config.max_tokens}
        return Request(
            model=self.model,
            messages=self.prompt.render(**values),
            params={**settings, **self.prompt.parameters},
            json_schema=self._schema,
            schema_name="preferred",
            purpose=PURPOSE,
            priority=0,
        )

    async def compare(self, backend: Backend, asked: str, a: str, b: str, source: str = "") -> Comparison:
        """Compare two replies.

        Args:
            backend: who answers.
            asked: what they reply to.
            a, b: the replies.
            source: the text that a right answer rests on, or "".

        Raises:
            Unusable, CallFailed: in one of the orders there is no readable answer. Nothing is decided on the other.
            datagen.core.errors.DatagenError: as :meth:`~datagen.llm.backend.Backend.complete`.
        """
        if a == b:
            return Comparison(Said(0.0), Said(0.0), self.config.margin, asked=False)
        both = await asyncio.gather(
            self._said(backend, self.request(asked, a, b, source), 1.0),
            self._said(backend, self.request(asked, b, a, source), -1.0),
            return_exceptions=True,  # the other question is not left behind
        )
        failed = [outcome for outcome in both if isinstance(outcome, BaseException)]
        for error in sorted(failed, key=lambda e: isinstance(e, (Unusable, CallFailed))):
            raise error  # what stops everything first
        a_first, b_first = (outcome for outcome in both if isinstance(outcome, Said))
        return Comparison(a_first, b_first, self.config.margin)

    async def _said(self, backend: Backend, request: Request, of_a: float) -> Said:
        answer = await ask(backend, request, Preferred, self.repair)
        preference = of_a * OF_FIRST[answer.value.verdict] + 0.0  # no negative zero
        return Said(preference, scrub(answer.value.explanation), answer.reply.text, answer.reply.key)


async def compare(
    backend: Backend,
    asked: str,
    reply_a: str,
    reply_b: str,
    *,
    model: str,
    source: str = "",
    config: PairwiseConfig | None = None,
    folder: str = "",
) -> Comparison:
    """Compare two replies, in a notebook; arguments as of :class:`Comparer` and :meth:`Comparer.compare`.

    Raises:
        Unusable, CallFailed: in one of the orders there is no readable answer.
    """
    comparer = Comparer(config or PairwiseConfig(), model, folder)
    return await comparer.compare(backend, asked, reply_a, reply_b, source)


def _sign(preference: float) -> int:
    return (preference > 0) - (preference < 0)
