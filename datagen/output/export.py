"""Writes what is kept as training files: rows by split, preference pairs, lineage and the dataset card.

Everything is written beside its place first and renamed at the end, samples one by one, so memory
does not grow with their number. The same samples give the same bytes.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from datagen.core.errors import from_os_error
from datagen.core.files import TEMPORARY, atomic, remove_temporary
from datagen.core.record import SPLITS, Sample
from datagen.output.card import Card
from datagen.output.formats import FORMATS, CannotHold, Format, named, to_preference
from datagen.output.text import json_line

LINEAGE, CARD, NOT_WRITTEN = "lineage.jsonl", "README.md", "not_written.jsonl"
_SUFFIXES = sorted({f.suffix for f in FORMATS.values()})


def write_exports(
    samples: Iterable[Sample], folder: Path, format: str, *, card_facts: Mapping[str, Any] | None = None
) -> dict[str, int]:
    """Write the samples that have no verdict.

    Files: ``sft.{train,valid,test}`` always; ``preference.{train,valid,test}`` if any sample has a
    rejected reply; ``lineage.jsonl``; ``not_written.jsonl`` (``{"id", "reason"}``) if the format
    cannot hold some sample; ``README.md``, the dataset card. Files of these names that an earlier
    export left and this one does not make are removed.

    Args:
        samples: in the order of their rows; read once. Those with a verdict are passed over.
        folder: made where missing.
        format: a key of :data:`~datagen.output.formats.FORMATS`.
        card_facts: the content of report.json, for the card; without it the card says only what is
            in the folder.

    Returns:
        Rows in each file but the card, by file name, in a fixed order.

    Raises:
        UsageError: unknown format, or a folder that cannot be written.
        StoppedEarly: the disk is full.
    """
    chosen = named(format)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_temporary(folder)
        with contextlib.ExitStack() as stack:
            writer = _Writer(folder, chosen, stack)
            for sample in samples:
                if sample.verdict is None:
                    writer.write(sample)
            card = writer.card(card_facts or {})
            stack.enter_context(atomic(folder / CARD)).write(card.render())
            writer.finish()
        for name in _every_name() - {*writer.counts, CARD}:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise from_os_error(error, "write the export") from error
    return writer.counts


def lineage_row(sample: Sample) -> dict[str, Any]:
    """A row of ``lineage.jsonl``; all spans count code points of the document's normalised text."""
    made = sample.lineage
    return {
        "id": sample.id,
        "split": sample.split,
        "recipe": sample.recipe,
        "document": {"path": made.path, "sha256": made.sha256},
        "chunk": {"start": made.start, "end": made.end, "heading": list(made.heading), "page": made.page},
        "quotes": [{"text": q.text, "start": q.start, "end": q.end} for q in made.quotes],
        "prompt": made.prompt,
        "prompt_sha256": made.prompt_sha256,
        "model": made.model,
        "params": made.params,
        "call": made.call,
    }


def _every_name() -> set[str]:
    parts = {f"{part}.{split}.{suffix}" for part in ("sft", "preference") for split in SPLITS for suffix in _SUFFIXES}
    return parts | {LINEAGE, NOT_WRITTEN, CARD}


class _Writer:
    """The open files of one export. A file is opened when it is known to be wanted."""

    def __init__(self, folder: Path, format: Format, stack: contextlib.ExitStack) -> None:
        self.folder, self.format, self.stack = folder, format, stack
        self.files: dict[str, IO[bytes]] = {}
        self.rows: Counter[str] = Counter()
        self.recipes: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.scored_by: Counter[str] = Counter()
        self.unwritten: Counter[str] = Counter()
        self._open_part("sft")
        self._open(LINEAGE)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by file name."""
        return {name: self.rows[name] for name in self.files}

    def write(self, sample: Sample) -> None:
        """Write one sample to every file it belongs in."""
        written = self._row("sft", sample, self.format.to_row)
        if sample.rejected is not None:
            self._open_part("preference")
            written |= self._row("preference", sample, to_preference)
        if written:
            self.recipes[sample.recipe] += 1
            self.models[sample.lineage.model] += 1
            self.scored_by[sample.scored_by] += 1
            self._put(LINEAGE, lineage_row(sample))

    def _row(self, part: str, sample: Sample, to_row: Any) -> bool:
        try:
            row = to_row(sample)
        except CannotHold as error:
            self.unwritten[error.reason] += 1
            self._open(NOT_WRITTEN)
            self._put(NOT_WRITTEN, {"id": sample.id, "file": part, "reason": f"{self.format.name}: {error.reason}"})
            return False
        self._put(self._name(part, sample.split), row)
        return True

    def _put(self, name: str, row: Mapping[str, Any]) -> None:
        self.files[name].write(json_line(row))
        self.rows[name] += 1

    def _name(self, part: str, split: str) -> str:
        return f"{part}.{split}.{self.format.suffix}"

    def _open_part(self, part: str) -> None:
        for split in SPLITS:
            self._open(self._name(part, split))

    def _open(self, name: str) -> None:
        if name in self.files:
            return
        if name.endswith(".parquet"):  # rows wait as JSON lines in a file that is never renamed
            path = self.folder / f".{name}.rows{TEMPORARY}"
            self.stack.callback(path.unlink, missing_ok=True)
            self.files[name] = self.stack.enter_context(path.open("w+b"))
        else:
            self.files[name] = self.stack.enter_context(atomic(self.folder / name))

    def finish(self) -> None:
        """Turn waiting rows into Parquet."""
        for name, file in self.files.items():
            if name.endswith(".parquet"):
                from datagen.output.parquet import convert

                file.flush()
                with atomic(self.folder / name) as target:
                    convert(Path(file.name), target, name.startswith("preference"))

    def card(self, facts: Mapping[str, Any]) -> Card:
        """The dataset card of what was written."""
        return Card(self.format, self.counts, self.recipes, self.models, self.scored_by, self.unwritten, facts)
