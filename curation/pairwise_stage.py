"""Asks of each preference pair, in both orders, which reply is better, and notes it in the pair."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from curation.pairwise import Comparer, Comparison
from curation.pairwise_config import CheckOrderConfig
from curation.profiles import UNTOUCHED
from datagen.core.hashing import fraction
from datagen.core.record import AnyRecord, Failure, Sample
from datagen.core.stage import Map, Shard
from datagen.llm.ask import Unusable
from datagen.llm.backend import Backend, CallFailed
from datagen.llm.connect import Endpoint
from datagen.llm.each import ask_each
from datagen.llm.transcript import transcript

CHECK = "order"  # key in ``Rejected.checks``
_NOTED = re.compile(r"(?:win|tie|lose): ([+-]\d\.\d) chosen first, ([+-]\d\.\d) rejected first")


class CheckOrder(Map):
    """Compares chosen and rejected reply of a share of the pairs that have no verdict. It notes what comes out, and
    rejects none. Which pairs they are depends on their ids and the seed alone.

    Args:
        config: its own.
        endpoint: the judge's model, resolved.
        folder: the user's prompts folder, or "".
        seed: of the choice.
    """

    name = "check_order"
    version = 2
    produces = "sample"
    waits = True

    def __init__(self, config: CheckOrderConfig, endpoint: Endpoint, folder: str = "", seed: int = 0) -> None:
        self.endpoint = endpoint
        self.share = config.share
        self.seed = seed
        self.comparer = Comparer(config, endpoint.model, folder)

    def fingerprint(self) -> dict[str, Any]:
        """That of the comparison, and the seed."""
        return {**self.comparer.fingerprint(), "seed": self.seed}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with what was found, each unreadable answer followed by itself as a failure of 0 samples."""
        waiting = {i: r for i, r in enumerate(shard) if isinstance(r, Sample) and self._looks_at(r)}
        if not waiting:
            return list(shard)
        results = ask_each(self.name, self.endpoint, list(waiting.values()), self.check)
        checked = dict(zip(waiting, results, strict=True))
        return [record for i, before in enumerate(shard) for record in checked.get(i, [before])]

    def _looks_at(self, sample: Sample) -> bool:
        if sample.verdict is not None or sample.rejected is None or sample.recipe in UNTOUCHED:
            return False
        return self.share >= 1 or fraction([self.name, self.seed, sample.id]) < self.share

    async def check(self, backend: Backend, pair: Sample) -> list[AnyRecord]:
        """One pair, with what was found under ``order``."""
        assert pair.rejected is not None, "a pair has a rejected reply"
        asked, chosen = transcript(pair.messages[:-1]), pair.messages[-1].content
        try:
            found = await self.comparer.compare(backend, asked, chosen, pair.rejected.content, pair.source)
        except (Unusable, CallFailed) as error:
            failure = Failure(
                call=error.key,
                recipe=self.name,
                chunk=pair.lineage.chunk,
                samples=0,
                reason=error.reason,
                attempts=error.attempts,
                raw=error.raw,
            )
            return [_noted(pair, f"unreadable ({error.reason})"), failure]
        return [_noted(pair, told(found))]


def told(found: Comparison) -> str:
    """A comparison of the chosen (A) with the rejected reply (B), for people and for :func:`noted`."""
    if not found.asked:
        return f"{found.outcome}: the same text"
    first, last = found.a_first.preference, found.b_first.preference
    return f"{found.outcome}: {first:+.1f} chosen first, {last:+.1f} rejected first"


def noted(samples: Iterable[Sample]) -> list[tuple[float, float]]:
    """The preferences for the chosen reply that stand in pairs, with it first and last, as of
    :func:`curation.pairwise_rate.preferences`."""
    texts = (s.rejected.checks.get(CHECK, "") for s in samples if s.rejected is not None)
    return [(float(m[1]), float(m[2])) for text in texts if (m := _NOTED.fullmatch(text))]


def _noted(pair: Sample, text: str) -> Sample:
    assert pair.rejected is not None
    rejected = pair.rejected.model_copy(update={"checks": {**pair.rejected.checks, CHECK: text}})
    return pair.model_copy(update={"rejected": rejected})
