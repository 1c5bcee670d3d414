"""Are the claims of a reply in its source? A model says so with quotes; code looks the quotes up.

Claim by claim, as FActScore does it (S. Min et al., "FActScore: Fine-grained Atomic Evaluation of Factual Precision in
Long Form Text Generation", EMNLP 2023), with evidence that is checked rather than believed.
"""

from __future__ import annotations

from typing import Any

from curation.faithfulness_cap import STAGE, cap, uncapped
from curation.faithfulness_claims import Asker, Looked
from curation.faithfulness_config import FaithfulnessConfig
from curation.profiles import UNTOUCHED, profile_of
from datagen.core.record import AnyRecord, Audit, Failure, Sample
from datagen.core.stage import Map, Shard
from datagen.llm.ask import Unusable
from datagen.llm.backend import Backend, CallFailed
from datagen.llm.connect import Endpoint
from datagen.llm.each import ask_each
from datagen.llm.transcript import transcript

UNDETERMINED = "undetermined"  # kind of audit


def looks_at(sample: Sample) -> bool:
    """Does faithfulness mean anything for this sample?

    It needs a source, and an answer in prose that comes from it: not a person's own words, a label, JSON or a short
    answer, which other checks look at, and not the results of tools.
    """
    if sample.recipe in UNTOUCHED or not sample.source.strip() or profile_of(sample).answer != "prose":
        return False
    if any(m.role == "tool" or m.tool_calls for m in sample.messages):
        return False
    return sample.messages[-1].role == "assistant" and bool(sample.messages[-1].content.strip())


class Faithfulness(Map):
    """Looks at the claims of every judged sample that has no verdict, and caps its score where they are unsupported.

    Args:
        config: its own.
        endpoint: the model that is asked, resolved: the judge's.
        folder: the user's prompts folder, or "".
    """

    name = STAGE
    version = 1
    produces = "sample"
    waits = True

    def __init__(self, config: FaithfulnessConfig, endpoint: Endpoint, folder: str = "") -> None:
        self.config = config
        self.endpoint = endpoint
        self.asker = Asker(config, endpoint.model, folder)

    def fingerprint(self) -> dict[str, Any]:
        """Configuration, prompts and model. What asks for no new call is answered by the call log."""
        shown = {p.name: p.sha256 for p in (self.asker.prompt, self.asker.repair)}
        return {**self.config.model_dump(exclude={"enabled"}), "prompts": shown, "model": self.endpoint.model}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with claims, each unreadable answer followed by itself as a failure of 0 samples."""
        waiting = {i: r for i, r in enumerate(shard) if isinstance(r, Sample) and r.verdict is None and looks_at(r)}
        if not waiting:
            return list(shard)
        results = ask_each(self.name, self.endpoint, list(waiting.values()), self.check)
        looked = dict(zip(waiting, results, strict=True))
        return [record for i, before in enumerate(shard) for record in looked.get(i, [before])]

    async def check(self, backend: Backend, sample: Sample) -> list[AnyRecord]:
        """One sample with its claims; where no answer can be read, it stays undetermined."""
        several = sum(m.role == "assistant" for m in sample.messages) > 1
        reply = transcript(sample.messages) if several else sample.messages[-1].content
        asked = "" if several else transcript(sample.messages[:-1])
        try:
            looked = await self.asker.look(backend, sample.source, reply, asked, several=several)
        except (Unusable, CallFailed) as error:
            failure = Failure(
                call=error.key,
                recipe=self.name,
                chunk=sample.lineage.chunk,
                samples=0,
                reason=error.reason,
                attempts=error.attempts,
                raw=error.raw,
            )
            return [self._noted(sample, Looked((), None, f"unreadable ({error.reason})")), failure]
        return [self._noted(sample, looked)]

    def _noted(self, sample: Sample, looked: Looked) -> Sample:
        before = uncapped(sample)
        notes = {
            UNDETERMINED: (int(looked.faithfulness is None), looked.undetermined),
            "quote_not_found": (looked.taken_back, ""),
            "claims_left_out": (looked.left_out, ""),
            "source_cut": (int(looked.source_left > 0), f"{looked.source_left} characters not shown"),
            "reply_cut": (int(looked.reply_left > 0), f"{looked.reply_left} characters not shown"),
        }
        audits = tuple(
            Audit(stage=self.name, kind=kind, action="none", count=count, example=example)
            for kind, (count, example) in notes.items()
            if count
        )
        update = {
            "claims": looked.claims,
            "faithfulness": looked.faithfulness,
            "audits": tuple(a for a in sample.audits if a.stage != self.name) + audits,
        }
        return cap(sample.model_copy(update=update), before, self.config)


async def check(
    backend: Backend,
    source: str,
    reply: str,
    *,
    model: str,
    asked: str = "",
    config: FaithfulnessConfig | None = None,
    folder: str = "",
) -> Looked:
    """Look at one reply, in a notebook; arguments as of :class:`Asker` and :meth:`Asker.look`.

    Raises:
        Unusable, CallFailed: there is no readable answer.
    """
    return await Asker(config or FaithfulnessConfig(), model, folder).look(backend, source, reply, asked)
