"""The arms of `datagen prove`, made from a run: the user's gold samples, everything that was generated, what was kept.

No arm has a sample of a document that is held out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from datagen import gold as golden
from datagen.core.record import Message, Sample
from datagen.finished import Finished
from datagen.generate.examples import GOLD as GOLD_RECIPE
from datagen.output.export import PAIR_RECIPE, write_exports

GOLD, RAW, CURATED, PREFERRED = "gold", "raw", "curated", "curated + DPO"
NAMES = (GOLD, RAW, CURATED, PREFERRED)
"""All arms, in the order in which they are compared."""
FORMAT = "messages"


@dataclass(frozen=True, slots=True)
class Arms:
    """What a run can prove something with.

    Attributes:
        folders: name → folder with the rows of an arm, in the order of :data:`NAMES`.
        left_out: name → why it could not be made.
        taken_out: name → samples that were taken out because a test row says the very same.
    """

    folders: dict[str, Path]
    left_out: dict[str, str]
    taken_out: dict[str, int]


def arms(run: Path, out: Path, wanted: Iterable[str] = NAMES) -> Arms:
    """Write the rows of each arm to a folder of its own.

    Args:
        run: a finished run.
        out: gets a folder for each arm.
        wanted: names of arms.

    Raises:
        UsageError: no finished run, or its file of gold samples cannot be read.
    """
    finished = Finished(run)
    exported = bool(finished.config.generator.gold)  # gold samples go into the export, so they are in every arm
    gold = list(_training(finished.records(GOLD_RECIPE) if exported else _gold(finished)))
    beside = gold if exported else []
    test = {_said(one) for one in finished.samples() if one.split == "test"}
    found = Arms({}, {}, {})
    names = set(wanted)
    for name in NAMES:
        if name not in names:
            continue
        if name == GOLD:
            samples, why = gold, "The run has no gold samples: generator.examples names none."
        elif name == RAW:
            samples = [*beside, *_raw(finished)]
            why = "Nothing was generated from the documents for training."
        else:
            kept = [s for s in _training(finished.samples()) if s.verdict is None]
            pairs = [s for s in kept if s.recipe == PAIR_RECIPE or s.rejected is not None]
            samples = kept if name == PREFERRED else [s.model_copy(update={"rejected": None}) for s in _alone(kept)]
            why = "Curation kept no sample for training."
            if name == PREFERRED and not pairs:
                samples, why = [], "The run has no preference pairs: generator.preference.share is 0."
        whole = len(samples)
        samples = [one for one in samples if _said(one) not in test]
        if whole > len(samples):
            found.taken_out[name] = whole - len(samples)
        if any(True for _ in _alone(samples)):
            found.folders[name] = out / name.replace(" ", "-")
            write_exports(samples, {FORMAT: found.folders[name]})
        else:
            found.left_out[name] = why
    return found


def documents(run: Path, split: str = "") -> list[str]:
    """The texts of a run's documents, of one split or of all.

    Raises:
        UsageError: no finished run.
    """
    return [one.text for one in Finished(run).documents() if one.text and split in ("", one.split)]


def _gold(finished: Finished) -> tuple[Sample, ...]:
    return golden.read(finished.config) if finished.config.generator.examples else ()


def _raw(finished: Finished) -> Iterator[Sample]:
    """Everything that was generated, as the run made it, before anything was thrown out or a person decided."""
    for sample in _training(finished.made()):
        if sample.recipe not in (GOLD_RECIPE, PAIR_RECIPE):
            yield sample.model_copy(update={"verdict": None, "rejected": None, "ranked": ()})


def _training(records: Iterable[object]) -> Iterator[Sample]:
    """Samples of the training split that end with a reply."""
    for one in records:
        if isinstance(one, Sample) and one.split == "train" and _replies(one.messages):
            yield one


def _alone(samples: Iterable[Sample]) -> Iterator[Sample]:
    return (one for one in samples if one.recipe != PAIR_RECIPE)


def _said(sample: Sample) -> tuple[tuple[str, str], ...]:
    return tuple((message.role, message.content.strip()) for message in sample.messages)


def _replies(messages: tuple[Message, ...]) -> bool:
    return len(messages) > 1 and messages[-1].role == "assistant" and bool(messages[-1].content.strip())
