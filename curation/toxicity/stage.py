"""The stage that rejects or counts hateful and profane chunks and samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from curation.profiles import UNTOUCHED
from curation.toxicity.config import ToxicityConfig
from curation.toxicity.scoring import scan, threshold
from curation.toxicity.statements import Finding
from datagen.core.record import AnyRecord, Audit, Chunk, Sample, Verdict
from datagen.core.stage import Map, Shard

STAGE = "toxicity"
_SHOWN = 60  # characters of a passage in an example
_DATA = ("lexicon.toml", "patterns.toml")
_BATCH = 256


class Toxicity(Map):
    """Rejects hateful records, or only counts what they hold; ``produces`` says which kind it looks at."""

    name = STAGE
    version = 1

    def __init__(self, config: ToxicityConfig, produces: Literal["chunk", "sample"] = "sample") -> None:
        self.config = config
        self.produces = produces

    def fingerprint(self) -> dict[str, Any]:
        return {
            "config": self.config.model_dump(mode="json", exclude={"batch_size"}),
            "produces": self.produces,
            "data": [hashlib.sha256(Path(__file__).with_name(n).read_bytes()).hexdigest() for n in _DATA],
        }

    def run(self, shard: Shard) -> list[AnyRecord]:
        out = list(shard)
        at = [i for i, record in enumerate(out) if self._wanted(record)]
        for low in range(0, len(at), _BATCH):
            part = at[low : low + _BATCH]
            texts = [text_of(out[i]) for i in part]
            for i, text, found in zip(part, texts, scan(texts, self.config), strict=True):
                if found:
                    out[i] = self._marked(out[i], text, found)
        return out

    def _wanted(self, record: AnyRecord) -> bool:
        if not self.config.enabled or not isinstance(record, Chunk | Sample) or record.verdict is not None:
            return False
        if isinstance(record, Chunk):
            return self.produces == "chunk" and "chunks" in self.config.where
        return self.produces == "sample" and "samples" in self.config.where and record.recipe not in UNTOUCHED

    def _marked(self, record: AnyRecord, text: str, found: Sequence[Finding]) -> AnyRecord:
        assert isinstance(record, Chunk | Sample)
        counted = [f for f in found if f.score >= (threshold(f.category, self.config) or 0.5)]
        if not counted:
            return record
        over = [f for f in counted if (limit := threshold(f.category, self.config)) is not None and f.score >= limit]
        rejects = self.config.action == "reject" and bool(over)
        audits = []
        for category in sorted({f.category for f in counted}):
            here = [f for f in counted if f.category == category]
            worst = max(here, key=lambda f: f.score)
            out = rejects and any(f.category == category for f in over)
            audits.append(
                Audit(
                    stage=STAGE,
                    kind=category,
                    action="reject" if out else "none",
                    count=len({(f.start, f.end) for f in here}),
                    example=f"{masked(text[worst.start : worst.end])} ({worst.score:.2f})",
                )
            )
        update: dict[str, Any] = {"audits": (*record.audits, *audits)}
        if rejects:
            worst = max(over, key=lambda f: f.score)
            shown = masked(text[worst.start : worst.end])
            evidence = f"{worst.category} {worst.score:.2f} at {worst.start}: “{shown}”"
            update["verdict"] = Verdict(stage=STAGE, reason="toxic", evidence=evidence)
        return record.model_copy(update=update)


def text_of(record: AnyRecord) -> str:
    """What is looked at: a chunk's text; a sample's messages, joined by blank lines."""
    if isinstance(record, Chunk):
        return record.text
    if isinstance(record, Sample):
        return "\n\n".join([m.content for m in record.messages])
    return ""


def masked(passage: str) -> str:
    """A passage with all but the first letter of each word hidden."""
    flat = " ".join(word[0] + "•" * (len(word) - 1) for word in passage[: 4 * _SHOWN].split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + "…"
