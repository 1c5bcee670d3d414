"""Does a judge say the same twice? A fixed sample of what it has judged is judged again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from curation.calibrate_order import Drift, drift
from curation.faithfulness_cap import uncapped
from curation.profiles import UNTOUCHED
from datagen.core.hashing import fraction
from datagen.core.record import Sample
from datagen.llm.ask import Unusable
from datagen.llm.backend import Backend, CallFailed, Reply, Request
from datagen.llm.loop import gather_lazily

AGAIN = 1_000_000
"""Added to a request's ``index``: part of its key in the call log, and nothing that the model is shown."""
SHARE = 0.1
"""Of the judged samples of a run that are judged again at most, so that a small run is not paid for twice."""
PURPOSE = "drift"  # under which calls are counted
IN_FLIGHT = 64


def again(request: Request) -> Request:
    """The same question, to be asked anew: the call log does not know it, and a seed is another one."""
    params = dict(request.params)
    if isinstance(params.get("seed"), int):
        params["seed"] += AGAIN
    return request.model_copy(update={"params": params, "index": request.index + AGAIN, "purpose": PURPOSE})


class Again:
    """A backend that puts every question anew."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def complete(self, request: Request) -> Reply:
        """As of :meth:`datagen.llm.backend.Backend.complete`, with :func:`again`."""
        return await self._backend.complete(again(request))


class Twice(NamedTuple):
    """Two judgings of one sample.

    Attributes:
        id, rubric: of the sample.
        before: its score as it was without the cap of faithfulness.
        after: of the second judging; None where it could not be read.
    """

    id: str
    rubric: str
    before: float
    after: float | None


class Draw:
    """A fixed choice of judged samples, made while they pass: those whose ids have the smallest hashes.

    Which they are depends on their ids and the seed alone, not on their order, so that a run that was stopped, or has
    other shards, draws the same. Memory: twice as many samples as are drawn.

    Args:
        most: samples to draw.
        seed: of the choice.
        share: of the judged samples that are drawn at most, in 0..1.
    """

    def __init__(self, most: int, seed: int = 0, share: float = 1.0) -> None:
        self.most, self.seed, self.share = max(0, most), seed, share
        self.judged = 0
        self._held: dict[str, Sample] = {}

    def see(self, sample: Sample) -> None:
        """Look at a sample: one that a judge has scored may be drawn, but no pair that has its parent's score."""
        if sample.score is None or not sample.scored_by.startswith("judge:"):
            return
        if sample.recipe in UNTOUCHED or sample.parent or sample.id in self._held:
            return
        self.judged += 1
        self._held[sample.id] = sample
        if len(self._held) > 2 * self.most + IN_FLIGHT:
            self._held = {name: self._held[name] for name in self._ranked()[: self.most]}

    def drawn(self) -> list[Sample]:
        """What was drawn, in an order of its own."""
        most = min(self.most, int(self.judged * self.share))
        return [self._held[name] for name in self._ranked()[:most]]

    def _ranked(self) -> list[str]:
        return sorted(self._held, key=lambda name: (fraction(["drift", self.seed, name]), name))


async def rejudge(samples: Sequence[Sample], score: Callable[[Sample], Awaitable[float | None]]) -> list[Twice]:
    """Judge samples again.

    Args:
        samples: judged; see :class:`Draw`.
        score: asks for the score of one sample anew (with :func:`again`); None, ``Unusable`` or ``CallFailed`` where
            there is no readable answer.

    Returns:
        Both scores of each, in the order of the input.

    Raises:
        datagen.core.errors.DatagenError: what ``score`` raises of it; the rest is cancelled.
    """

    async def one(sample: Sample) -> Twice | None:
        before = uncapped(sample)
        try:
            after = await score(sample)
        except (Unusable, CallFailed):
            after = None
        return None if before is None else Twice(sample.id, sample.rubric.rpartition("@")[0], before, after)

    return [found for found in await gather_lazily(one, samples, IN_FLIGHT) if found is not None]


def measure(found: Sequence[Twice], threshold: float, by_rubric: Mapping[str, float] = MappingProxyType({})) -> Drift:
    """What two judgings of the same samples say.

    Args:
        found: as :func:`rejudge` gives them.
        threshold, by_rubric: least score of a kept sample, and of those that were judged by certain rubrics.
    """
    return drift(
        {one.id: one.before for one in found},
        {one.id: one.after for one in found},
        {one.id: by_rubric.get(one.rubric, threshold) for one in found},
    )
