"""The claims of a reply: the question to a model, and what its answer is worth once its quotes were looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

from curation.faithfulness_config import FaithfulnessConfig
from curation.faithfulness_source import shown
from datagen.core.quotes import Finder
from datagen.core.record import Claim
from datagen.core.text import scrub
from datagen.llm import prompts
from datagen.llm.ask import ask
from datagen.llm.backend import Backend, Request
from datagen.llm.fence import inert, tag
from datagen.llm.schema import schema_of

PROMPT = "judge/faithful.md.j2"
REPAIR = "repair.md.j2"
PURPOSE = "faithfulness"  # under which calls are counted
MAX_TEXT = 1_000  # characters of a claim, and of a quote that was not found, that are kept


class Stated(BaseModel):
    """One claim as the model gives it. The quote comes before the verdict, so that the verdict follows from it."""

    model_config = ConfigDict(strict=True, json_schema_extra={"additionalProperties": False})
    claim: str
    quote: str
    supported: bool


class Listed(BaseModel):
    """A whole reply of the model."""

    model_config = ConfigDict(strict=True, json_schema_extra={"additionalProperties": False})
    claims: list[Stated]
    complete: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of one reply.

    Attributes:
        claims: each once, in order.
        faithfulness: share of the supported ones in 0..1, or None while undetermined.
        undetermined: why there is none: ``no_claims``, or ``source_cut`` where something is unsupported by the part
            of the source that was shown; else "".
        taken_back: claims that the model called supported and whose quote does not stand in the source.
        left_out: claims that are known to be missing: over the cap, or left out by the model's own word (then 1).
        source_left, reply_left: characters that were not shown.
    """

    claims: tuple[Claim, ...]
    faithfulness: float | None
    undetermined: str = ""
    taken_back: int = 0
    left_out: int = 0
    source_left: int = 0
    reply_left: int = 0


class Asker:
    """Puts the question about one reply and reads the answer. Pickles.

    Args:
        config: what is asked, and how.
        model: name of the model that is asked.
        folder: the user's prompts folder, or "".

    Raises:
        UsageError: a prompt cannot be used.
    """

    def __init__(self, config: FaithfulnessConfig, model: str, folder: str = "") -> None:
        self.config = config
        self.model = model
        self.prompt = prompts.load(PROMPT, folder)
        self.repair = prompts.load(REPAIR, folder)

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return schema_of(Listed)

    def request(self, source: str, reply: str, asked: str = "", *, several: bool = False) -> Request:
        """The question about one reply; arguments as of :meth:`look`."""
        part, left = self._part(source, reply, asked)
        return self._put(part, left, reply, asked, several=several)

    def _part(self, source: str, reply: str, asked: str) -> tuple[str, int]:
        about = f"{reply[: self.config.max_reply]}\n{asked[: self.config.max_source]}"
        return shown(source, about, self.config.max_source)

    def _put(self, part: str, left: int, reply: str, asked: str, *, several: bool) -> Request:
        cut, wanted = reply[: self.config.max_reply], asked[: self.config.max_source]
        part, asked_left, told = inert(part), len(asked) - len(wanted), inert(cut)
        asked = inert(wanted)
        all_ = f"{part}\n{asked}\n{told}"  # no text may close the fence of another
        messages = self.prompt.render(
            source=part,
            source_fence=tag("source", all_),
            source_left=left,
            asked=asked,
            asked_left=asked_left,
            asked_fence=tag("request", all_),
            reply=told,
            reply_fence=tag("conversation" if several else "reply", all_),
            reply_left=len(reply) - len(cut),
            several=several,
            max_claims=self.config.max_claims,
        )
        settings = {"temperature": self.config.temperature, "max_tokens": self.config.max_tokens}
        return Request(
            model=self.model,
            messages=messages,
            params={**settings, **self.prompt.parameters},
            json_schema=self._schema,
            schema_name="claims",
            purpose=PURPOSE,
            priority=0,
        )

    async def look(
        self, backend: Backend, source: str, reply: str, asked: str = "", *, several: bool = False
    ) -> Looked:
        """Look at one reply.

        Args:
            backend: who answers.
            source: the text that it has to rest on.
            reply: the assistant's, or with ``several`` a conversation whose turns name their speakers.
            asked: what it replies to.

        Raises:
            Unusable, CallFailed: there is no readable answer.
        """
        part, left = self._part(source, reply, asked)
        request = self._put(part, left, reply, asked, several=several)
        answer = await ask(backend, request, Listed, self.repair)
        return read(answer.value, source, self.config, left, max(0, len(reply) - self.config.max_reply))


def read(listed: Listed, source: str, config: FaithfulnessConfig, source_left: int = 0, reply_left: int = 0) -> Looked:
    """What a model's answer is worth, its quotes looked up in the whole source.

    Args:
        listed: the answer.
        source: the whole, also where the model was shown less.
        config: how many claims count.
        source_left, reply_left: characters that the model was not shown.
    """
    stated = [s for s in listed.claims if s.claim.strip()]
    surplus = len(stated) - config.max_claims
    claims, taken_back = grounded(stated[: config.max_claims], source)
    faithfulness = share(claims)
    undetermined = "" if claims else "no_claims"
    if source_left and faithfulness is not None and faithfulness < 1:
        faithfulness, undetermined = None, "source_cut"  # the support may stand in what the model was not shown
    return Looked(
        claims=claims,
        faithfulness=faithfulness,
        undetermined=undetermined,
        taken_back=taken_back,
        left_out=surplus if surplus > 0 else int(not listed.complete),
        source_left=source_left,
        reply_left=reply_left,
    )


def grounded(stated: Sequence[Stated], source: str) -> tuple[tuple[Claim, ...], int]:
    """Claims with their quotes looked up, and how many were called supported without a quote that is there.

    Of claims that are stated several times one is left, supported if each of them is.
    """
    finder = Finder(source)
    found: dict[str, Claim] = {}
    taken_back: set[str] = set()
    for one in stated:
        text = _short(one.claim)
        name = " ".join(text.casefold().split())
        span = finder.find(one.quote)
        if one.supported and span is None:
            taken_back.add(name)
        claim = Claim(
            text=text,
            supported=one.supported and span is not None,
            quote=_short(one.quote) if span is None else source[span[0] : span[1]],
            start=-1 if span is None else span[0],
        )
        if name not in found or (found[name].supported and not claim.supported):
            found[name] = claim
    return tuple(found.values()), len(taken_back)


def share(claims: Sequence[Claim]) -> float | None:
    """Share of the supported claims in 0..1; None where there are no claims."""
    return sum(c.supported for c in claims) / len(claims) if claims else None


def _short(text: str) -> str:
    text = scrub(text).strip()
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
