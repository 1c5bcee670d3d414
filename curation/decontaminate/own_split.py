"""The stage that keeps the run's own test split and what is trained on apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from curation.decontaminate.config import DecontaminateConfig
from curation.decontaminate.earlier import Earlier, Held, grams_of
from curation.decontaminate.evidence import evidence
from curation.decontaminate.matcher import MOST, Match, likeness, overlap
from curation.decontaminate.ngrams import LEAST
from curation.decontaminate.reading import Rarity, reading
from curation.negations import distinct
from curation.profiles import UNTOUCHED
from curation.sketch import compared_text
from curation.words import Hashes
from datagen.core.progress import advance
from datagen.core.record import AnyRecord, Sample, Verdict
from datagen.core.stage import Fold, Shard

ALIKE = 0.6
"""Share of their stems that two texts have in common (Jaccard index) from which a difference in a fact is trusted to
be one. Chosen on the 600 questions of :data:`~curation.decontaminate.matcher.NUMBERS`: 3 % of their rewordings are as
alike. Our choice for questions of one template, which are more alike than that where one word of five differs."""
LONGEST = 100_000  # characters of a sample that are compared
_BATCH, _CHARACTERS = 256, 2_000_000  # compared at once


class DecontaminateSplit(Fold):
    """Rejects samples of the test split that repeat an earlier one of train or validation, and the reverse.

    Compared is :func:`~curation.sketch.compared_text`: its n-grams, and where samples carry vectors
    (:class:`~curation.semantic.stage.Embed`), what is near in meaning, by the score of
    :class:`~curation.decontaminate.matcher.Matcher`. Of two that repeat each other the later is rejected; gold samples
    never are, but later ones are compared with them. Two texts alike that differ in a fact repeat nothing. How the
    input is cut into shards makes no difference. Memory: see :class:`~curation.decontaminate.earlier.Earlier`.

    Args:
        config: its n-grams, coverage, threshold and candidates.
    """

    name = "decontaminate_split"
    version = 1

    def __init__(self, config: DecontaminateConfig = DecontaminateConfig()) -> None:
        self.config = config
        self.begin()

    def fingerprint(self) -> dict[str, Any]:
        """What of the settings counts here."""
        return self.config.model_dump(include={"ngram", "coverage", "rewordings", "candidates", "threshold"})

    def begin(self) -> None:
        """Forget every sample."""
        self._sides = {True: Earlier(), False: Earlier()}
        self._rarity = Rarity()

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on what repeats an earlier sample of the other side."""
        out = list(shard)
        wanted = [(i, r) for i, r in enumerate(out) if isinstance(r, Sample) and r.verdict is None]
        advance(self.name, expected=len(wanted))
        for batch in _stretches(wanted):
            samples = [sample for _, sample in batch]
            for (place, sample), verdict in zip(batch, self._verdicts(samples), strict=True):
                if verdict is not None:
                    out[place] = sample.model_copy(update={"verdict": verdict})
            advance(self.name, done=len(batch))
        return out

    def _verdicts(self, samples: Sequence[Sample]) -> list[Verdict | None]:
        """Decides on samples of one side, and remembers those that stay."""
        test = samples[0].split == "test"
        held = [Held(s.id, s.split, compared_text(s)[:LONGEST]) for s in samples]
        grams = grams_of([one.text for one in held], self.config.ngram)
        vectors = [s.vector if self.config.rewordings else None for s in samples]
        other = self._sides[not test]
        sharing = other.sharing(grams, MOST)
        nearest = other.nearest(vectors, MOST, self.config.candidates)
        out: list[Verdict | None] = []
        for i, sample in enumerate(samples):
            found = None
            if sample.recipe not in UNTOUCHED:
                found = self._copy(held[i], grams[i], sharing[i], test=test) or self._reworded(
                    held[i], nearest[i], test=test
                )
            out.append(found)
            if found is None and vectors[i] is not None:
                self._rarity.add(reading(held[i].text).stems)
        kept = [i for i, verdict in enumerate(out) if verdict is None]
        self._sides[test].add([held[i] for i in kept], [grams[i] for i in kept], [vectors[i] for i in kept])
        return out

    def _copy(self, one: Held, own: Hashes, places: Sequence[int], *, test: bool) -> Verdict | None:
        """By the share of the test sample's n-grams that the other has; those that many samples hold left out."""
        others = [self._sides[not test].held(place) for place in places]
        for other, theirs in zip(others, grams_of([o.text for o in others], self.config.ngram), strict=True):
            asked = own if test else theirs
            asked = asked[~(self._sides[True].common(asked) | self._sides[False].common(asked))]
            shared = int(np.isin(asked, theirs if test else own).sum())
            if len(asked) and shared >= max(min(LEAST, len(asked)), self.config.coverage * len(asked)):
                match = Match(0, shared / len(asked), "ngram", "")
                if (verdict := self._verdict(one, other, match)) is not None:
                    return verdict
        return None

    def _reworded(self, one: Held, near: Sequence[tuple[int, float]], *, test: bool) -> Verdict | None:
        scored: list[tuple[float, int, Held]] = []
        for place, cosine in near:
            other = self._sides[not test].held(place)
            # Neither wording is the given one, so the one that holds more of the other counts.
            score = max(
                likeness(cosine, one.text, other.text, self._rarity),
                likeness(cosine, other.text, one.text, self._rarity),
            )
            if score >= self.config.threshold:
                scored.append((-score, place, other))
        for score, _, other in sorted(scored, key=lambda s: s[:2]):
            if (verdict := self._verdict(one, other, Match(0, -score, "rewording", ""))) is not None:
                return verdict
        return None

    def _verdict(self, one: Held, other: Held, match: Match) -> Verdict | None:
        """None where the two differ in a fact."""
        first, second = reading(one.text).stems, reading(other.text).stems
        if first | second and len(first & second) >= ALIKE * len(first | second) and distinct(one.text, other.text):
            return None
        shown = Match(0, match.score, match.method, overlap(one.text, other.text))
        name = f"{other.id} of the split {other.split}"
        return Verdict(stage=self.name, reason="contaminated", evidence=evidence(name, shown, one.text, other.text))


def split_status(config: DecontaminateConfig = DecontaminateConfig(), *, vectors: bool) -> str:
    """One sentence on what is done without, or "".

    Args:
        vectors: do samples carry vectors where the stage stands?
    """
    if not config.split or not config.rewordings or vectors:
        return ""
    return (
        "Contamination with the own test split: only copies are found, by their words; rewordings need the step "
        "`semantic` (curation.semantic.enabled)."
    )


def _stretches(wanted: Sequence[tuple[int, Sample]]) -> Iterator[list[tuple[int, Sample]]]:
    """Neighbours of one side, which are not compared with each other, as many as may be compared at once."""
    batch: list[tuple[int, Sample]] = []
    size = 0
    for place, sample in wanted:
        if batch and (
            len(batch) >= _BATCH or size > _CHARACTERS or (batch[-1][1].split == "test") != (sample.split == "test")
        ):
            yield batch
            batch, size = [], 0
        batch.append((place, sample))
        size += min(LONGEST, sum(len(m.content) for m in sample.messages))
    if batch:
        yield batch
