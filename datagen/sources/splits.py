"""Which documents are for training, validation and test: a seeded draw by path that needs no state."""

from __future__ import annotations

from collections.abc import Sequence

from datagen.core.hashing import fraction
from datagen.core.record import SourceFile, Split
from datagen.sources.config import SplitConfig

_SMALLEST = 3  # with fewer files no split can be forced without emptying another


def assign(files: Sequence[SourceFile], config: SplitConfig, seed: int) -> list[SourceFile]:
    """Give each file its split.

    The draw depends on seed and path alone, so a document stays where it is when others come or go. Where
    there are three files or more and a wanted split got none, the files with the least draws go to it: test
    first, then validation; a train split left empty takes the one with the greatest.
    """
    draws = [fraction([seed, "split", file.path]) for file in files]
    splits: list[Split] = [_drawn(u, config) for u in draws]
    if len(files) >= _SMALLEST:
        ascending = sorted(range(len(files)), key=lambda i: (draws[i], files[i].path))
        if config.test > 0 and "test" not in splits:
            splits[ascending[0]] = "test"
        if config.valid > 0 and "valid" not in splits:
            splits[next(i for i in ascending if splits[i] != "test" or splits.count("test") > 1)] = "valid"
        if "train" not in splits:
            splits[next(i for i in reversed(ascending) if splits.count(splits[i]) > 1)] = "train"
    return [file.model_copy(update={"split": split}) for file, split in zip(files, splits, strict=True)]


def _drawn(u: float, config: SplitConfig) -> Split:
    if u < config.test:
        return "test"
    return "valid" if u < config.test + config.valid else "train"
