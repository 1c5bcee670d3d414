"""The user's gold samples: examples for prompts, and rows of the export as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from datagen.config import Config
from datagen.core.errors import UsageError
from datagen.core.hashing import digest
from datagen.core.record import Sample
from datagen.engine.store import Store
from datagen.generate.examples import samples_of
from datagen.output import imports
from datagen.results import Facts, NodeFacts

STAGE = "gold"


def read(config: Config) -> tuple[Sample, ...]:
    """The samples of ``generator.examples``, in the order of the file; none where none is named.

    Raises:
        UsageError: the file cannot be read, or a row of it is no sample.
    """
    if not config.generator.examples:
        if config.generator.gold:
            raise UsageError(
                "Gold samples are to go into the export, but no file of them is named.",
                "generator.gold is set and generator.examples is empty.",
                "Name the file with --set generator.examples=FILE.",
            )
        return ()
    path = Path(config.generator.examples).expanduser()
    found = tuple(imports.read(path, fallback=samples_of))
    if not found:
        raise UsageError(
            f"{path.name} holds no example.", "It has no row.", "Add lines, or leave generator.examples out."
        )
    return found


def added(facts: Facts, store: Store, gold: tuple[Sample, ...]) -> Facts:
    """The facts of a run with gold samples put into its folder, so that the export can be made from it alone."""
    name = digest([sample.model_dump(mode="json") for sample in gold])
    folder = f"00-{STAGE}-{name[:12]}"
    if not store.has(folder, name):
        store.write(folder, name, gold)
    return replace(facts, nodes=[NodeFacts((STAGE,), folder, "sample", [name]), *facts.nodes])
