"""Gives chunks and samples the sketch that finding their near-duplicates needs."""

from __future__ import annotations

from typing import Any, Literal

from curation.minhash import sketch_all
from datagen.core.record import AnyRecord, Chunk, Sample
from datagen.core.stage import Map, Shard


class Sketch(Map):
    """Sets ``sketch`` on each chunk and sample that has no verdict.

    A chunk is compared by its text, a sample by its instruction (the user's messages).

    Args:
        ngram: words in a shingle.
        num_perm: MinHash permutations.
        produces: the kind of record at this place in the line.
    """

    name = "sketch"
    version = 1

    def __init__(self, ngram: int, num_perm: int, produces: Literal["chunk", "sample"] = "sample") -> None:
        self.ngram = ngram
        self.num_perm = num_perm
        self.produces = produces  # the same work at two places in a run

    def fingerprint(self) -> dict[str, Any]:
        """Both numbers."""
        return {"ngram": self.ngram, "num_perm": self.num_perm}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with sketches."""
        texts = {i: text for i, record in enumerate(shard) if (text := _text(record)) is not None}
        sketches = dict(zip(texts, sketch_all(list(texts.values()), self.ngram, self.num_perm), strict=True))
        return [r.model_copy(update={"sketch": sketches[i]}) if i in sketches else r for i, r in enumerate(shard)]


def _text(record: AnyRecord) -> str | None:
    """What a record is compared by; None for one that is not."""
    if isinstance(record, Chunk) and record.verdict is None:
        return record.text
    if isinstance(record, Sample) and record.verdict is None:
        return "\n".join(m.content for m in record.messages if m.role == "user")
    return None
