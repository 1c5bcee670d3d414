"""Gives chunks and samples the sketch that finding their near-duplicates needs."""

from __future__ import annotations

from typing import Any, Literal

from curation.minhash import sketch_all
from curation.profiles import UNTOUCHED, profile_of
from datagen.core.record import AnyRecord, Chunk, Sample
from datagen.core.stage import Map, Shard

Compare = Literal["instruction", "answer", "all"]


class Sketch(Map):
    """Sets ``sketch`` on each chunk and sample that has no verdict.

    A chunk is compared by its text, a sample by :func:`compared_text`; gold samples are not compared.

    Args:
        ngram: words in a shingle.
        num_perm: MinHash permutations.
        produces: the kind of record at this place in the line.
        compare: what of a sample is compared.
    """

    name = "sketch"
    version = 4

    def __init__(
        self,
        ngram: int,
        num_perm: int,
        produces: Literal["chunk", "sample"] = "sample",
        compare: Compare = "instruction",
    ) -> None:
        self.ngram = ngram
        self.num_perm = num_perm
        self.produces = produces  # the same work at two places in a run
        self.compare: Compare = compare

    def fingerprint(self) -> dict[str, Any]:
        """Both numbers, and what is compared."""
        return {"ngram": self.ngram, "num_perm": self.num_perm, "compare": self.compare}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with sketches."""
        texts = {i: text for i, record in enumerate(shard) if (text := _text(record, self.compare)) is not None}
        sketches = dict(zip(texts, sketch_all(list(texts.values()), self.ngram, self.num_perm), strict=True))
        return [r.model_copy(update={"sketch": sketches[i]}) if i in sketches else r for i, r in enumerate(shard)]


def compared_text(sample: Sample, compare: Compare = "instruction") -> str:
    """What a sample is compared by.

    ``instruction``: the user's messages, so a conversation by its turns and a preference by its prompt. Where one
    input rightly carries several samples (questions about a passage, extractions) it is left out and the answer
    added: else they would all be alike, or all that ask the same of different passages. ``answer``: the assistant's
    messages. ``all``: both, in order. Where that is no text (nobody asks, or nobody answers), everything said: samples
    that lack something are not alike for it.
    """
    text = _compared(sample, compare)
    return text if text.strip() else "\n".join(m.content for m in sample.messages)


def _compared(sample: Sample, compare: Compare) -> str:
    if compare != "instruction":
        return "\n".join(
            m.content for m in sample.messages if m.role == "assistant" or (compare == "all" and m.role == "user")
        )
    asked = "\n".join(m.content for m in sample.messages if m.role == "user")
    if not profile_of(sample).many:
        return asked
    held = set(_lines(sample.source))
    own = [line for line in _lines(asked) if line not in held]
    return "\n".join([*own, *(m.content for m in sample.messages if m.role == "assistant")])


def text_of(record: AnyRecord, compare: Compare = "instruction") -> str:
    """What a chunk or a sample is compared by."""
    return (
        record.text
        if isinstance(record, Chunk)
        else compared_text(record, compare)
        if isinstance(record, Sample)
        else ""
    )


def _lines(text: str) -> list[str]:
    """The lines, each with plain single spaces: what tidying a text up leaves as it is."""
    return [" ".join(line.split()) for line in text.split("\n")]


def _text(record: AnyRecord, compare: Compare) -> str | None:
    """What a record is compared by; None for one that is not."""
    if isinstance(record, Chunk) and record.verdict is None:
        return record.text
    if isinstance(record, Sample) and record.verdict is None and record.recipe not in UNTOUCHED:
        return compared_text(record, compare)
    return None
