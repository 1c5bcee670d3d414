"""The stage that rejects samples which repeat an evaluation set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curation import embed
from curation.decontaminate.borderline import asked_in, compared, marked, said_in
from curation.decontaminate.config import DecontaminateConfig
from curation.decontaminate.evidence import evidence
from curation.decontaminate.matcher import Match
from curation.decontaminate.sets import copies, loaded, matcher
from curation.profiles import UNTOUCHED
from datagen.core.progress import advance
from datagen.core.record import AnyRecord, Sample, Verdict
from datagen.core.stage import Map, Shard

MOST_ASKED = 12_000
"""Characters of both texts together, beyond which a model is not asked about them: the score decides."""
_BATCH = 1000  # samples compared at once


class Decontaminate(Map):
    """Rejects samples whose instruction, or all that is said in them, repeats a text of an evaluation set.

    Args:
        config: ``against`` names the sets; they are read at once, so that a bad one is said before any work.
        asks: a :class:`~curation.decontaminate.check.CheckContaminated` follows: samples on the borderline get a note
            for it, and no verdict.

    Raises:
        UsageError: as :func:`~curation.decontaminate.against.load_against`.
    """

    name = "decontaminate"
    version = 2
    produces = "sample"

    def __init__(self, config: DecontaminateConfig, *, asks: bool = False) -> None:
        self.config = config
        self.asks = asks and config.ask and config.borderline > 0
        self.sha256 = loaded(config).sha256

    def fingerprint(self) -> dict[str, Any]:
        """The settings, what the sets hold, and the embedding model."""
        apart = {"against", "embed", "ask", "split"} | (set() if self.asks else {"borderline"})
        held = self.config.model_dump(mode="json", exclude=apart)
        model = ""
        if self.config.rewordings and embed.available(self.config.embed):
            model = embed.model_name(self.config.embed)
        return {**held, "sets": self.sha256, "model": model, "asks": self.asks}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts; the evidence shows both sides."""
        out = list(shard)
        wanted = [
            (i, record)
            for i, record in enumerate(out)
            if isinstance(record, Sample) and record.verdict is None and record.recipe not in UNTOUCHED
        ]
        advance(self.name, expected=len(wanted))
        for low in range(0, len(wanted), _BATCH):
            batch = wanted[low : low + _BATCH]
            for (place, sample), match in zip(batch, self._matches([s for _, s in batch]), strict=True):
                if match is not None:
                    out[place] = self._decided(sample, match)
            advance(self.name, done=len(batch))
        return out

    def _matches(self, samples: Sequence[Sample]) -> list[Match | None]:
        margin = self.config.borderline if self.asks else 0.0
        asked, said = [asked_in(s) for s in samples], [said_in(s) for s in samples]
        found = matcher(self.config).near(asked, margin)
        # An answer may hold an evaluation text too.
        whole = [i for i, match in enumerate(found) if self._standing(match) != "clear" and said[i] != asked[i]]
        for i, match in zip(whole, copies(self.config).near([said[i] for i in whole], margin), strict=True):
            if match is not None and (found[i] is None or self._standing(match) == "clear"):
                found[i] = match
        return found

    def _standing(self, match: Match | None) -> str:
        if match is None:
            return ""
        return matcher(self.config).standing(match, self.config.borderline if self.asks else 0.0)

    def _decided(self, sample: Sample, match: Match) -> Sample:
        sets, text, standing = loaded(self.config), compared(sample, match.method), self._standing(match)
        if standing != "clear" and len(text) + len(sets.texts[match.index]) <= MOST_ASKED:
            return marked(sample, match)
        if standing == "under":
            return sample
        shown = evidence(sets.names[match.index], match, text, sets.texts[match.index])
        verdict = Verdict(stage=self.name, reason="contaminated", evidence=shown)
        return sample.model_copy(update={"verdict": verdict})
