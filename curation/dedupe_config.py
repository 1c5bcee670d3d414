"""The configuration of finding duplicates."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.core.section import Section


class CopiesConfig(Section):
    """Exact and near-duplicates among the samples of a run or the rows of a file."""

    threshold: float = Field(0.8, gt=0, le=1, description="Word n-gram Jaccard from which two are duplicates.")
    ngram: int = Field(3, ge=1, le=32, description="Words in a shingle.")
    num_perm: int = Field(128, ge=16, le=1024, description="MinHash permutations.")
    clusters: Literal["chained", "greedy"] = Field(
        "greedy",
        description="greedy drops only what is like a kept text; chained what is like any member, and waits for all.",
    )
    keep: Literal["first", "longest", "score"] = Field(
        "first", description="Which of a cluster is kept; ties go to the first."
    )
    compare: Literal["instruction", "answer", "all"] = Field("instruction", description="What of a sample is compared.")
    guard: bool = Field(True, description="Texts that differ in a fact (a number, a name, a negation) are both kept.")


class DedupeConfig(CopiesConfig):
    """Exact and near-duplicates among texts, all at hand at once."""

    clusters: Literal["chained", "greedy"] = Field(
        "chained", description="chained joins what is like any member; greedy drops only what is like a kept text."
    )
    method: Literal["minhash", "exact", "datasketch"] = Field(
        "minhash", description="minhash; exact compares all pairs and misses none; datasketch is that library."
    )
