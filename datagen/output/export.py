"""Writes what is kept as training files: rows by split, preference pairs, lineage and the dataset card.

Samples are read once, however many formats are written. Rows wait on disk by recipe and task family and
are interleaved at the end, so memory does not grow with their number; files appear together when all are
whole. The same samples give the same bytes.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from datagen.core.errors import UsageError, from_os_error
from datagen.core.files import TEMPORARY, remove_temporary
from datagen.core.record import SPLITS, Sample, Split
from datagen.core.reviewed import ReviewedSample
from datagen.output.card import Card, RowFile
from datagen.output.forest import Forest
from datagen.output.formats import CannotHold, Part, Row, named, parts_of
from datagen.output.interleave import Spool
from datagen.output.staging import Staged
from datagen.output.text import json_line

LINEAGE, CARD, NOT_WRITTEN = "lineage.jsonl", "README.md", "not_written.jsonl"
PAIR_RECIPE = "preference"
"""Samples of this recipe repeat the conversation of another one: they go to the files of pairs alone."""
_OURS = re.compile(
    r"(sft|preference)(\.(train|valid|test)(-\d{5,}-of-\d{5,})?\.(jsonl|parquet)"
    r"|/(train|validation|test)-\d{5,}-of-\d{5,}\.parquet)"
)


def write_exports(
    samples: Iterable[Sample],
    targets: Mapping[str, Path],
    *,
    shard_rows: int = 0,
    card_facts: Mapping[str, Any] | None = None,
    pairs_wanted: bool = False,
) -> dict[str, dict[str, int]]:
    """Write the samples that have no verdict, in one or more formats.

    Files of each: ``sft.{train,valid,test}`` always; ``preference.{train,valid,test}`` if any sample has
    replies to compare; ``lineage.jsonl``; ``not_written.jsonl`` (``{"id", "file", "reason"}``) if the format
    cannot hold some sample; ``README.md``, the dataset card. Files of these names that an earlier
    export left and this one does not make are removed.

    Args:
        samples: read once. Those with a verdict are passed over. In a file, samples of one recipe and family
            keep their order, and each such group is spread evenly.
        targets: a folder, made where missing, for each key of :data:`~datagen.output.formats.FORMATS`.
        shard_rows: rows a file at most, in ``sft.train-00000-of-00003.jsonl`` and so on; 0: one file a split.
        card_facts: the content of report.json, for the card; without it the card says only what is
            in the folder.
        pairs_wanted: a format for pairs is an error where there are none.

    Returns:
        For each format the rows in each file but the card, by file name, in a fixed order.

    Raises:
        UsageError: unknown format, a folder that cannot be written, or no pairs where they are wanted.
        StoppedEarly: the disk is full.
    """
    formats = {name: parts_of(named(name)) for name in targets}
    try:
        with contextlib.ExitStack() as stack:
            writers = {}
            for name, folder in targets.items():
                folder.mkdir(parents=True, exist_ok=True)
                remove_temporary(folder)
                writers[name] = _Writer(name, folder, formats[name], stack)
            for sample in samples:
                if sample.verdict is None:
                    for writer in writers.values():
                        writer.write(sample)
            for name, writer in writers.items():
                if pairs_wanted and named(name).part == "preference" and not writer.has_pairs:
                    raise no_pairs(name)
                writer.finish(shard_rows, card_facts or {})
        for writer in writers.values():
            writer.remove_stale()
    except OSError as error:
        raise from_os_error(error, "write the export") from error
    return {name: writer.counts for name, writer in writers.items()}


def no_pairs(name: str) -> UsageError:
    """What to say where a format for pairs has nothing to hold."""
    return UsageError(
        f"There are no pairs to export as {name}.",
        "No kept sample has a rejected reply beside its own.",
        "Run again with --set generator.preference.share=0.5 and a model, which makes a rejected reply for half of "
        "the samples.",
    )


def lineage_row(sample: Sample) -> dict[str, Any]:
    """A row of ``lineage.jsonl``; all spans count code points of the document's normalised text. A sample that people
    decided about has ``review`` too: who, what, and the texts before an edit."""
    made = sample.lineage
    review = {"review": sample.review.model_dump(mode="json")} if isinstance(sample, ReviewedSample) else {}
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
        **review,
    }


class _Writer:
    """One export: rows on their way into the files of a folder."""

    def __init__(self, name: str, folder: Path, formats: Mapping[Part, Any], stack: contextlib.ExitStack) -> None:
        self.format, self.folder, self.formats, self.stack = named(name), folder, formats, stack
        self.staged = stack.enter_context(Staged(folder))
        self.spools: dict[tuple[Part, Split], Spool] = {}
        self.forests: dict[tuple[Part, Split], Forest] = {}
        self.tools: set[Part] = set()
        self.recipes: Counter[str] = Counter()
        self.families: Counter[str] = Counter()
        self.flaws: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.scored_by: Counter[str] = Counter()
        self.unwritten: Counter[str] = Counter()
        self.counts: dict[str, int] = {}
        self.lineage = self._spool(LINEAGE)
        self.refused = self._spool(NOT_WRITTEN)
        self._open("sft")

    @property
    def has_pairs(self) -> bool:
        """Was there any row to compare replies?"""
        return any(len(spool) for (part, _), spool in self.spools.items() if part == "preference")

    def _spool(self, name: str, lines: int = 1) -> Spool:
        spool = Spool(self.folder, name, lines)
        self.stack.callback(spool.remove)
        return spool

    def _open(self, part: Part) -> None:
        if (part, "train") not in self.spools:
            for split in SPLITS:
                self.spools[part, split] = self._spool(f"{part}.{split}", self.formats[part].rows_a_sample)

    def write(self, sample: Sample) -> None:
        """Write one sample to every file it belongs in."""
        alone = sample.recipe == PAIR_RECIPE and not self.formats["sft"].merged  # trees hold rejected replies too
        wanted: list[Part] = [] if alone else ["sft"]
        ranked = self.format.name == "ranked" and len(sample.ranked) > 1
        if sample.rejected is not None or sample.recipe == PAIR_RECIPE or ranked:
            wanted.append("preference")
        if sum([self._row(part, sample) for part in wanted]):
            self.recipes[sample.recipe] += 1
            if sample.family:
                self.families[sample.family] += 1
            if sample.rejected is not None:
                self.flaws[sample.rejected.flaw] += 1
            self.models[sample.lineage.model] += 1
            self.scored_by[sample.scored_by] += 1
            self.lineage.put(("", ""), json_line(lineage_row(sample)))

    def _row(self, part: Part, sample: Sample) -> bool:
        form = self.formats[part]
        self._open(part)
        rows: list[Row] = []
        try:
            if form.merged:
                self._forest(part, sample.split).add(sample)
            else:
                rows = form.to_rows(sample)
        except CannotHold as error:
            self.unwritten[error.reason] += 1
            why = {"id": sample.id, "file": part, "reason": f"{form.name}: {error.reason}"}
            self.refused.put(("", ""), json_line(why))
            return False
        if sample.tools or any(m.tool_calls or m.role == "tool" for m in sample.messages):
            self.tools.add(part)
        if rows:
            group = (sample.recipe, sample.family)
            self.spools[part, sample.split].put(group, b"".join(json_line(row) for row in rows))
        return True

    def _forest(self, part: Part, split: Split) -> Forest:
        if (part, split) not in self.forests:
            forest = self.forests[part, split] = Forest(self.folder, f"{part}.{split}")
            self.stack.callback(forest.remove)
        return self.forests[part, split]

    def finish(self, shard_rows: int, facts: Mapping[str, Any]) -> None:
        """Write the files, to be renamed when all are there."""
        for place, forest in self.forests.items():
            for tree in forest.trees():
                self.spools[place].put((tree["recipe"], tree["family"]), json_line(tree))
        files = [
            file for (part, split), spool in self.spools.items() for file in self._part(part, split, spool, shard_rows)
        ]
        self.counts = {file.name: file.rows for file in files}
        for name, spool in ((LINEAGE, self.lineage), (NOT_WRITTEN, self.refused)):
            if len(spool) or name == LINEAGE:
                with self.staged.open(name) as target:
                    target.writelines(spool.merged())
                self.counts[name] = len(spool)
        card = Card(
            self.format,
            files,
            self.counts,
            self.tools,
            self.recipes,
            self.families,
            self.flaws,
            self.models,
            self.scored_by,
            self.unwritten,
            facts,
        )
        with self.staged.open(CARD) as target:
            target.write(card.render())

    def _part(self, part: Part, split: Split, spool: Spool, shard_rows: int) -> list[RowFile]:
        a_file = max(1, shard_rows // spool.lines) if shard_rows else max(1, len(spool))
        number = max(1, -(-len(spool) // a_file))
        rows = spool.merged()
        files = []
        for i in range(number):
            file = RowFile(self._name(part, split, i, number, sharded=shard_rows > 0), part, split, 0)
            units = itertools.islice(rows, a_file)
            files.append(file.with_rows(spool.lines * self._write(file, units)))
        return files

    def _write(self, file: RowFile, units: Iterable[bytes]) -> int:
        count = 0
        with contextlib.ExitStack() as stack:
            target = stack.enter_context(self.staged.open(file.name))
            out: IO[bytes] = target
            if self.format.suffix == "parquet":
                path = self.folder / f".{file.name.replace('/', '-')}.rows{TEMPORARY}"
                stack.callback(path.unlink, missing_ok=True)
                out = stack.enter_context(path.open("wb"))
            for unit in units:
                out.write(unit)
                count += 1
            if out is not target:
                from datagen.output import parquet

                out.flush()
                columns = parquet.schema(self.formats[file.part].features(file.part in self.tools))
                parquet.convert(path, target, columns)
        return count

    def _name(self, part: Part, split: Split, i: int, number: int, *, sharded: bool) -> str:
        place = f"-{i:05}-of-{number:05}"
        if self.format.folders:
            return f"{part}/{'validation' if split == 'valid' else split}{place}.{self.format.suffix}"
        return f"{part}.{split}{place if sharded else ''}.{self.format.suffix}"

    def remove_stale(self) -> None:
        """Remove what an earlier export left and this one did not make."""
        inside = [p for place in ("*", "sft/*", "preference/*") for p in self.folder.glob(place)]
        for path in inside:
            name = path.relative_to(self.folder).as_posix()
            if name not in self.counts and (_OURS.fullmatch(name) or name == NOT_WRITTEN):
                path.unlink(missing_ok=True)
        for part in ("sft", "preference"):
            with contextlib.suppress(OSError):  # missing, or not empty
                (self.folder / part).rmdir()
