"""What a whole run will take, from a pilot: samples kept, tokens, cost and time, each with a 90 % interval.

The pilot's requests are a fair draw of the plan's (:mod:`datagen.generate.plan` orders them by hash), so what they
took per request is carried over to those that are still to come. How sure that is, is found by the bootstrap
(B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979): the pilot's tasks and
calls are drawn anew from themselves 2,000 times, with a fixed seed. Three things make the interval honest:

- The percentiles are widened as for Student's t, because the bootstrap is too sure of few observations
  (T. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69, 2015, section 3.3,
  the *expanded percentile interval*).
- What is still to come scatters too, and that is added (it is a prediction, not a mean).
- A share (of samples that are kept, or judged) is at least as unsure as Wilson's interval for as many trials as
  there were tasks says (E. B. Wilson, JASA 22, 1927): the samples of one reply share its fate, and from ten kept of
  ten it does not follow that all will be.

What it cannot know: near-duplicates grow with the number of samples, so a little less may be kept than it says; and
an endpoint may become slower, or refuse, under a load that a pilot does not reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datagen.llm.cached import Seen
from datagen.llm.prices import Price

DRAWS = 2000
SEED = 20
FEWEST = 5  # tasks, below which nothing is estimated
CONFIDENCE = 0.90
_Z = 1.6449  # of the standard normal, one-sided 95 %
# Student's t, one-sided 95 %, for 1 to 30 degrees of freedom.
_T = (
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753,
    1.746, 1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697,
)  # fmt: skip
Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Ended:
    """What became of one task of the pilot.

    Attributes:
        owed: samples; judged: of them, those that further questions were asked about; kept: of them.
    """

    recipe: str
    owed: int
    judged: int
    kept: int


@dataclass(frozen=True)
class Whole:
    """What the whole run is to do.

    Attributes:
        tasks, samples: of all passes over the passages, those of the pilot included.
        target: samples to keep, where the run goes on until so many are; else 0.
        concurrency: requests in flight at most.
        batch: the requests go through the Batch API, whose time nobody can tell, at its price.
    """

    tasks: int
    samples: int
    target: int = 0
    concurrency: int = 1
    batch: bool = False


@dataclass(frozen=True)
class Range:
    """An expected amount, and the ends of its interval."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """What a whole run will take, with what the pilot took.

    Attributes:
        tasks: of the pilot; too few for more than the pilot's own figures where the ranges are None.
        samples: that the whole asks for; kept: of them.
        tokens: read and written; usd: None too where a model has no price.
        seconds: still to go; None too where it is not known how long requests take.
        spent_tokens, spent_usd: by the pilot.
        unpriced: models without a price.
    """

    tasks: int
    samples: Range | None
    kept: Range | None
    tokens: Range | None
    usd: Range | None
    seconds: Range | None
    spent_tokens: int
    spent_usd: float | None
    unpriced: tuple[str, ...]
    whole: Whole

    def as_dict(self) -> dict[str, Any]:
        """For programs: each amount as ``{"low", "expected", "high"}`` or null."""

        def amount(found: Range | None, digits: int = 0) -> dict[str, float] | None:
            if found is None:
                return None
            rounded = {name: round(getattr(found, name), digits) for name in ("low", "expected", "high")}
            return rounded if digits else {name: int(value) for name, value in rounded.items()}

        return {
            "pilot_tasks": self.tasks,
            "enough": self.tokens is not None,
            "confidence": CONFIDENCE,
            "samples": amount(self.samples),
            "kept": amount(self.kept),
            "tokens": amount(self.tokens),
            "cost_usd": amount(self.usd, 6),
            "seconds": amount(self.seconds, 1),
            "spent": {
                "tokens": self.spent_tokens,
                "cost_usd": None if self.spent_usd is None else round(self.spent_usd, 6),
            },
            "unpriced": list(self.unpriced),
        }

    def text(self) -> str:
        """For people."""
        cost = "at a cost that is unknown" if self.spent_usd is None else f"for {_dollars(self.spent_usd)}"
        head = f"The pilot made {self.tasks:,} requests of the plan's {self.whole.tasks:,} and took "
        lines = [head + f"{_count(self.spent_tokens)} tokens, {cost}."]
        if self.samples is None or self.kept is None or self.tokens is None:
            return "\n".join([*lines, f"Too few to tell what the whole takes: {FEWEST} requests are needed."])
        kept = _shown(self.kept, _count)
        if self.whole.target:
            lines.append(f"To keep {self.whole.target:,} samples takes {_shown(self.samples, _count)} asked for:")
        else:
            lines.append(f"The whole asks for {_count(self.samples.expected)} samples:")
            lines.append(f"  kept    {kept}")
        lines.append(f"  tokens  {_shown(self.tokens, _count)}")
        unknown = f"unknown: no price for {', '.join(self.unpriced) or 'what counts no tokens'} (limits.prices)"
        lines.append(f"  cost    {_shown(self.usd, _dollars) if self.usd is not None else unknown}")
        if self.seconds is not None:
            at_once = f"with {self.whole.concurrency:,} questions at once"
            lines.append(f"  time    {_shown(self.seconds, _duration)} of waiting for the model, {at_once}")
        else:
            why = "a batch takes up to a day" if self.whole.batch else "the pilot's questions were answered before"
            lines.append(f"  time    unknown: {why}")
        lines.append("In brackets: where it will be 9 times out of 10. More near-duplicates may go than did here.")
        return "\n".join(lines)


def estimate(
    ended: Sequence[Ended], calls: Sequence[Seen], whole: Whole, price: Callable[[str], Price | None]
) -> Estimate:
    """What the whole will take.

    Args:
        ended: each task of the pilot.
        calls: each call of the pilot. Those whose purpose is a recipe count by task, all others by sample judged.
        whole: what is to be done.
        price: of a model.
    """
    unpriced = tuple(sorted({call.model for call in calls if price(call.model) is None}))
    costs = [_cost(call, price, whole.batch) for call in calls]
    tokens = [call.prompt_tokens + call.completion_tokens for call in calls]
    # An endpoint that counts no tokens leaves the cost unknown, unless its model is free.
    counted = all(
        size or (known := price(c.model)) is None or known.free for size, c in zip(tokens, calls, strict=True)
    )
    spent = sum(tokens)
    spent_usd = math.fsum(costs) if counted and not unpriced else None
    if len(ended) < FEWEST or not calls or not sum(task.owed for task in ended):
        return Estimate(len(ended), None, None, None, None, None, spent, spent_usd, unpriced, whole)
    draw = _Draw(ended, whole)
    recipes = {task.recipe for task in ended}
    parts = [_Part(group, prices, draw, group[0].purpose in recipes) for group, prices in _by_purpose(calls, costs)]
    timed = not whole.batch and all(part.seconds is not None for part in parts)

    def total(before: float, attribute: str) -> Range:
        to_come = [sum(getattr(part, attribute)[place] for part in parts) for place in (0, 1)]
        return draw.range([before + amount for amount in to_come], before)

    return Estimate(
        len(ended),
        draw.range((float(draw.owed[0]), draw.owed[1]), 0.0),
        draw.kept(),
        total(spent, "tokens"),
        total(spent_usd, "usd") if spent_usd is not None else None,
        _time(parts, draw, whole) if timed else None,
        spent,
        spent_usd,
        unpriced,
        whole,
    )


class _Draw:
    """The pilot's tasks as they were, and drawn anew: every amount is a pair of the one and the many."""

    def __init__(self, ended: Sequence[Ended], whole: Whole) -> None:
        self.random = np.random.default_rng(SEED)
        self.count = len(ended)
        self.whole = whole
        self._table = np.array([[task.owed, task.judged, task.kept] for task in ended], float)
        self.sums = self._table.sum(0)
        self._drawn = self._table[self.random.integers(0, self.count, (DRAWS, self.count))].sum(1)
        share = self._share(2)
        asked = float(self.sums[0])
        if whole.target:
            # A draw in which nothing is kept would need for ever to reach a target.
            self.owed = tuple(np.maximum(asked, whole.target / np.maximum(s, 0.5 / asked)) for s in share)
        else:
            self.owed = (np.float64(whole.samples), np.full(DRAWS, float(whole.samples)))
        self.rest = tuple(np.maximum(0.0, owed - asked) for owed in self.owed)
        a_task = asked / self.count if whole.target else max(1, whole.samples) / max(1, whole.tasks)
        self.tasks = tuple(rest / a_task for rest in self.rest)
        self.judged = self._of_the_rest(1, self._share(1))
        self._kept = self._of_the_rest(2, share)

    def _share(self, column: int) -> tuple[Any, Any]:
        """Of the samples owed, those in a column."""
        share = self.sums[column] / self.sums[0]
        drawn = self._drawn[:, column] / np.maximum(self._drawn[:, 0], 1.0)
        low, high = _wilson(float(share), self.count)
        more = max(0.0, ((high - low) / (2 * _Z)) ** 2 - float(drawn.var()))
        return share, np.clip(drawn + math.sqrt(more) * self.random.standard_normal(DRAWS), 0.0, 1.0)

    def _of_the_rest(self, column: int, share: tuple[Any, Any]) -> tuple[Any, Any]:
        """Samples in a column among those still to come, which scatter around the share too."""
        scatter = self._table[:, column].std(ddof=1) * np.sqrt(self.tasks[1])
        drawn = self.rest[1] * share[1] + scatter * self.random.standard_normal(DRAWS)
        return self.rest[0] * share[0], np.clip(drawn, 0.0, self.rest[1])

    def kept(self) -> Range:
        """Samples kept in the end, those of the pilot included."""
        kept, target = float(self.sums[2]), self.whole.target
        if target:
            return Range(target, target, target)
        return self.range([kept + more for more in self._kept], kept)

    def range(self, pair: Any, least: float) -> Range:
        """The expanded percentile interval of drawn amounts."""
        expected, drawn = float(pair[0]), pair[1]
        n = self.count
        t = _T[n - 2] if n - 1 <= len(_T) else _Z + (_Z**3 + _Z) / (4 * (n - 1))  # Cornish and Fisher, 1938
        tail = 0.5 * math.erfc(math.sqrt(n / (n - 1)) * t / math.sqrt(2))
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return Range(max(least, min(float(low), expected)), expected, max(float(high), expected))


class _Part:
    """The calls of one purpose that are still to come: how many, and what they take."""

    def __init__(self, calls: Sequence[Seen], costs: Sequence[float], draw: _Draw, by_task: bool) -> None:
        self._draw = draw
        self._places = draw.random.integers(0, len(calls), (DRAWS, len(calls)))
        units, rest = (float(draw.count), draw.tasks) if by_task else (max(1.0, float(draw.sums[1])), draw.judged)
        extra = max(0.0, len(calls) - units)  # corrections and second questions come at random
        a_unit = (min(len(calls), units) + draw.random.poisson(extra, DRAWS)) / units
        self.calls = (rest[0] * len(calls) / units, rest[1] * a_unit)
        self.tokens = self._total([c.prompt_tokens + c.completion_tokens for c in calls])
        self.usd = self._total(costs)
        took = [c.seconds for c in calls if c.seconds is not None]
        self.seconds = self._total(took) if len(took) == len(calls) else None
        self.each, self.longest = (float(np.mean(took)), max(took)) if took else (0.0, 0.0)

    def _total(self, sizes: Sequence[float]) -> tuple[Any, Any]:
        table = np.array(sizes, float)
        spread = table.std(ddof=1) if len(table) > 1 else table.std()
        scatter = spread * np.sqrt(self.calls[1]) * self._draw.random.standard_normal(DRAWS)
        return self.calls[0] * table.mean(), self.calls[1] * table[self._places].mean(1) + scatter


def _time(parts: Sequence[_Part], draw: _Draw, whole: Whole) -> Range:
    """Where places are filled as they become free, all is done after at least the work divided by the places, or one
    chain of questions, and at most after both together (R. L. Graham, "Bounds on multiprocessing timing anomalies",
    SIAM Journal on Applied Mathematics 17, 1969)."""
    if not float(draw.rest[0]):
        return Range(0.0, 0.0, 0.0)
    usual, longest = sum(part.each for part in parts), sum(part.longest for part in parts)
    work = [sum(part.seconds[n] for part in parts if part.seconds is not None) / whole.concurrency for n in (0, 1)]
    low = draw.range((max(float(work[0]), usual), np.maximum(work[1], usual)), 0.0).low
    high = draw.range((float(work[0]) + longest, work[1] + longest), 0.0).high
    return Range(low, min(max(low, float(work[0]) + usual), high), high)


def _by_purpose(calls: Sequence[Seen], costs: Sequence[float]) -> list[tuple[list[Seen], list[float]]]:
    found: dict[tuple[str, str], tuple[list[Seen], list[float]]] = {}
    for call, cost in zip(calls, costs, strict=True):
        group = found.setdefault((call.purpose, call.model), ([], []))
        group[0].append(call)
        group[1].append(cost)
    return list(found.values())


def _cost(call: Seen, price: Callable[[str], Price | None], batch: bool) -> float:
    known = price(call.model)
    return known.cost(call.prompt_tokens, call.completion_tokens, batch=batch) if known is not None else 0.0


def _wilson(share: float, trials: int) -> tuple[float, float]:
    middle = share + _Z**2 / (2 * trials)
    spread = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return (middle - spread) / (1 + _Z**2 / trials), (middle + spread) / (1 + _Z**2 / trials)


def _shown(found: Range, form: Callable[[float], str]) -> str:
    return f"about {form(found.expected)} ({form(found.low)} to {form(found.high)})"


def _count(value: float) -> str:
    """Three digits are all that an estimate has."""
    if value < 1000:
        return f"{value:,.0f}"
    return f"{round(value, 3 - len(str(int(value)))):,.0f}"


def _dollars(value: float) -> str:
    return f"${value:,.2f}" if value >= 1 or not value else f"${value:,.4f}"


def _duration(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:,.1f} {name}"
    return f"{seconds:,.0f} seconds" if seconds >= 10 else f"{seconds:.1f} seconds"
