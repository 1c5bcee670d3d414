"""The curation stages that a run over documents and a curation of rows share, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from curation.config import CurationConfig, JudgeConfig
from datagen.core.stage import Fold, Map

if TYPE_CHECKING:
    from datagen.llm.connect import Endpoint

UNUSED = (
    "Selection: curation.select.strategy is {}, but nothing is left out: there is neither a target nor a limit "
    "for each document."
)
DOCUMENTS, CHUNKS, SAMPLES = "document", "chunk", "sample"


def checks(config: CurationConfig, produces: str) -> list[Map]:
    """What looks at each record by itself for what would harm: personal data, malicious content, toxicity."""
    found: list[Map] = []
    if config.pii.enabled and produces != CHUNKS:
        found += personal_data(config, produces, cleaned=produces == SAMPLES)
    if config.malicious.enabled:
        found += malicious(config, produces)
    if config.toxicity.enabled and produces != DOCUMENTS:
        found += toxicity(config, produces)
    return found


def personal_data(config: CurationConfig, produces: str = SAMPLES, *, cleaned: bool = False) -> list[Map]:
    """Personal data; ``cleaned``: the samples rest on documents that were gone through already."""
    from curation.pii import Pii

    return [Pii(config.pii, "document" if produces == DOCUMENTS else "sample", cleaned=cleaned)]


def malicious(config: CurationConfig, produces: str = SAMPLES) -> list[Map]:
    """Prompt injection, active markup, payloads, secrets."""
    from curation.malicious import Malicious

    return [
        Malicious(
            config.malicious, "document" if produces == DOCUMENTS else "chunk" if produces == CHUNKS else "sample"
        )
    ]


def toxicity(config: CurationConfig, produces: str = SAMPLES) -> list[Map]:
    """Hate and profanity."""
    from curation.toxicity import Toxicity

    return [Toxicity(config.toxicity, "chunk" if produces == CHUNKS else "sample")]


def copies(config: CurationConfig, protected: Mapping[str, str] | None = None) -> list[Map | Fold]:
    """Exact and near-duplicates among samples; ``protected`` as of :class:`curation.dedupe.DropDuplicates`."""
    from curation.dedupe import DropDuplicates
    from curation.sketch import Sketch

    dedupe = config.dedupe
    return [
        Sketch(dedupe.ngram, dedupe.num_perm, "sample", dedupe.compare),
        DropDuplicates(
            dedupe.threshold,
            dedupe.num_perm,
            dedupe.guard,
            ngram=dedupe.ngram,
            protected=protected or {},
            clusters=dedupe.clusters,
            keep=dedupe.keep,
            compare=dedupe.compare,
        ),
    ]


def meaning(config: CurationConfig, *, leave: bool = False, between: Sequence[Map | Fold] = ()) -> list[Map | Fold]:
    """Duplicates by meaning; ``leave``: the vectors are needed later on; ``between``: stages that need them too."""
    from curation.semantic import DropSemantic, Embed

    return [Embed(config.semantic.embed), *between, DropSemantic(config.semantic, leave=leave)]


def selects(config: CurationConfig, target: int) -> bool:
    """Whether samples that pass may be left out."""
    return bool(target or config.select.per_document)


def compares(config: CurationConfig, target: int) -> bool:
    """Whether the selection compares samples by vectors, and there is a model to make them."""
    if config.select.strategy != "diverse" or not selects(config, target):
        return False
    from curation import embed

    return embed.available(config.semantic.embed)


def selection(
    config: CurationConfig,
    target: int,
    threshold: float | None = None,
    *,
    embedded: bool = False,
    rounds: bool = False,
    by_rubric: Mapping[str, float] = MappingProxyType({}),
) -> list[Map | Fold]:
    """Which samples are kept where there are more than are wanted.

    Args:
        threshold, by_rubric: least score of a kept sample, and of those judged by certain rubrics; None: any.
        embedded: the samples have vectors already.
        rounds: it is asked, after each round of generation, what passed.
    """
    from curation.select import Select, SelectBest
    from curation.semantic import Embed

    if not rounds and not selects(config, target):
        return [Select(threshold, by_rubric)]
    wanted = compares(config, target) and not embedded
    best = SelectBest(threshold, target, config.select, remember=rounds, by_rubric=by_rubric)
    return [*([Embed(config.semantic.embed)] if wanted else []), best]


def contamination(
    config: CurationConfig, judge: tuple[JudgeConfig, Endpoint] | None = None, folder: str = ""
) -> list[Map]:
    """Samples that repeat an evaluation set; a judge, if there is one, is asked about the borderline.

    Args:
        folder: the user's prompt folder, or "".
    """
    from curation.decontaminate import CheckContaminated, Decontaminate

    if judge is None or not config.decontaminate.ask:
        return [Decontaminate(config.decontaminate)]
    check = CheckContaminated(config.decontaminate, *judge, folder)
    return [Decontaminate(config.decontaminate, asks=True), check]


def own_split(config: CurationConfig) -> list[Fold]:
    """Samples that repeat one of the run's own test split, or the other way round."""
    from curation.decontaminate import DecontaminateSplit

    return [DecontaminateSplit(config.decontaminate)] if config.decontaminate.split else []


def own_split_status(config: CurationConfig) -> str:
    """How that comparison is done, where vectors are not at hand, or ""."""
    from curation import embed
    from curation.decontaminate import split_status

    vectors = config.semantic.enabled and embed.available(config.semantic.embed)
    return str(split_status(config.decontaminate, vectors=vectors))


def contamination_status(config: CurationConfig) -> str:
    """What of that comparison cannot be done, or ""."""
    from curation.decontaminate import status

    return str(status(config.decontaminate))


def missing(config: CurationConfig, target: int = 0) -> list[str]:
    """What of the wanted steps cannot be done on this machine, a sentence each."""
    found = []
    if config.pii.enabled:
        found.append(personal_data_status(config))
    if config.malicious.enabled:
        found.append(malicious_status(config))
    if config.semantic.enabled:
        found.append(meaning_status(config))
    if config.decontaminate.against:
        found.append(contamination_status(config))
    if config.decontaminate.split:
        found.append(own_split_status(config))
    found.append(selection_status(config, target))
    return [note for note in found if note]


def personal_data_status(config: CurationConfig) -> str:
    """What of the search for personal data cannot be done, or ""."""
    from curation.pii import status

    return str(status(config.pii))


def malicious_status(config: CurationConfig) -> str:
    """Which layers look for malicious content, and which are not there."""
    from curation.malicious import status

    return f"Malicious content: {status(config.malicious).sentence}"


def selection_status(config: CurationConfig, target: int) -> str:
    """What of the selection cannot be done, or ""."""
    from curation.choose import status

    if not selects(config, target):
        return UNUSED.format(config.select.strategy) if config.select.strategy != "score" else ""
    return status(config.select, config.semantic.embed)


def meaning_status(config: CurationConfig) -> str:
    """What of the search by meaning cannot be done, or ""."""
    from curation.semantic import status

    note = status(config.semantic)
    return f"Duplicates by meaning: {note}." if "skipped" in note else ""
