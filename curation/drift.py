"""Does a judge say the same twice? A fixed sample of what it has judged is judged again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from curation.calibrate_threshold import share
from curation.faithfulness_cap import uncapped
from curation.profiles import UNTOUCHED
from datagen.core.hashing import fraction
from datagen.core.record import Sample
from datagen.llm.ask import Unusable
from datagen.llm.backend import CallFailed, Request
from datagen.llm.loop import gather_lazily

AGAIN = 1_000_000
"""Added to a request's ``index``: part of its key in the call log, and nothing that the model is shown."""
IN_FLIGHT = 64
_SAME = 1e-9  # scores of expected values are sums of floating-point numbers


def again(request: Request) -> Request:
    """The same question, to be asked anew: the call log does not know it, and a seed is another one."""
    params = dict(request.params)
    if isinstance(params.get("seed"), int):
        params["seed"] += AGAIN
    return request.model_copy(update={"params": params, "index": request.index + AGAIN})


def drawn(samples: Sequence[Sample], n: int, seed: int) -> list[Sample]:
    """At most ``n`` samples that a judge has scored, in the order of the input.

    Which they are depends on their ids and the seed alone, not on their order, so that a run that was stopped, or
    has other shards, draws the same.
    """
    judged = [
        i
        for i, s in enumerate(samples)
        if s.score is not None and s.scored_by.startswith("judge:") and s.recipe not in UNTOUCHED
    ]
    judged.sort(key=lambda i: (fraction(["drift", seed, samples[i].id]), samples[i].id, i))
    return [samples[i] for i in sorted(judged[: max(0, n)])]


async def rejudge(
    samples: Sequence[Sample], score: Callable[[Sample], Awaitable[float | None]], n: int, seed: int
) -> list[tuple[float, float]]:
    """Judge a fixed draw of samples again.

    Args:
        samples: judged or not; see :func:`drawn`.
        score: asks for the score of one sample anew (with :func:`again`); None, ``Unusable`` or ``CallFailed`` where
            there is no readable answer.
        n: how many at most.
        seed: of the draw.

    Returns:
        The score before, as it was without the cap of faithfulness, and after, of each sample that could be read, in
        the order of the input.

    Raises:
        datagen.core.errors.DatagenError: what ``score`` raises of it; the rest is cancelled.
    """

    async def one(sample: Sample) -> tuple[float, float] | None:
        before = uncapped(sample)
        try:
            after = await score(sample)
        except (Unusable, CallFailed):
            return None
        return None if before is None or after is None else (before, after)

    found = await gather_lazily(one, drawn(samples, n, seed), IN_FLIGHT)
    return [pair for pair in found if pair is not None]


@dataclass(frozen=True, slots=True)
class Drift:
    """How far two judgings of the same samples agree.

    Attributes:
        drawn: samples that were to be judged again.
        pairs: those of them that it gave a readable answer to.
        flips: of these, how many were on the other side of the threshold the second time.
        flip_rate: their share in 0..1; None where there are no pairs.
        low, high: its Wilson interval at 95 % (E. B. Wilson, "Probable Inference, the Law of Succession, and
            Statistical Inference", 1927), which is right for small counts and for no flip at all.
        same: share of scores that did not change at all.
        change: mean of after less before, in points: is the second judging milder?
        distance: mean size of the change, in points.
    """

    drawn: int
    pairs: int
    flips: int
    flip_rate: float | None = None
    low: float | None = None
    high: float | None = None
    same: float | None = None
    change: float | None = None
    distance: float | None = None


def measure(pairs: Sequence[tuple[float, float]], threshold: float, asked: int | None = None) -> Drift:
    """What two judgings of the same samples say.

    Args:
        pairs: score before and after, as :func:`rejudge` gives them.
        threshold: least score of a kept sample.
        asked: samples that were drawn; as many as ``pairs`` if None.
    """
    n = len(pairs)
    asked = n if asked is None else asked
    flips = sum((before >= threshold) != (after >= threshold) for before, after in pairs)
    if not n:
        return Drift(drawn=asked, pairs=0, flips=0)
    changes = [after - before for before, after in pairs]
    rate = share(flips, n)
    return Drift(
        drawn=asked,
        pairs=n,
        flips=flips,
        flip_rate=rate.value,
        low=rate.low,
        high=rate.high,
        same=sum(abs(change) < _SAME for change in changes) / n,
        change=sum(changes) / n,
        distance=sum(map(abs, changes)) / n,
    )
