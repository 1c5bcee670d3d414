"""Reads training rows: conversations to learn from and pairs of replies to prefer between, by split.

Lines are streamed and capped, so a hostile or half-written file costs one sentence, not the memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from training import rows_pairs
from training.errors import TrainingError
from training.rows_files import DataFile, Part, data_files, no_pair_rows, no_train_rows, raw_rows
from training.rows_formats import BadRow, Messages, Tools, conversation, text_or_empty

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation whose replies are to be learned.

    Attributes:
        id: the row's own, else its place.
        messages: ``{"role", "content"}``; system first where there is one, a reply of the assistant last.
        family: the task family, else the recipe that made it; empty where the row names neither.
        metric: the task family's metric, empty where the row names none.
        place: file and line, as in ``sft.train.jsonl:7``.
    """

    id: str
    messages: Messages
    family: str
    metric: str
    place: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replies to one prompt.

    Attributes:
        prompt: the conversation before the reply, a turn of the user last.
        chosen: the better reply.
        rejected: the worse reply.
        id, family, place: as of :class:`Row`.
    """

    id: str
    prompt: Messages
    chosen: str
    rejected: str
    family: str
    place: str


@dataclass(frozen=True, slots=True)
class Splits(Generic[T]):
    """Rows by split, each in the order of the files.

    Attributes:
        train, valid, test: the rows; only ``train`` is never empty for conversations.
        files: what was read, in order.
        notes: what was left out and why, a sentence each (rows with calls of tools, replies without a counterpart).
    """

    train: tuple[T, ...] = ()
    valid: tuple[T, ...] = ()
    test: tuple[T, ...] = ()
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Rows of all splits."""
        return len(self.train) + len(self.valid) + len(self.test)


def read_sft(export: Path) -> Splits[Row]:
    """Conversations of an export: messages, prompt and completion, Alpaca or ShareGPT rows, JSONL or Parquet.

    Args:
        export: a run, its ``export`` folder, any folder of data files, or one file. In a folder without our
            names, ``train``, ``valid``, ``validation``, ``val``, ``dev`` and ``test`` in a file's name say the
            split, and files of pairs are told from files of conversations by their first row.

    Raises:
        TrainingError: nothing to read, no train rows, or a row that cannot be used, with its file and line.
    """
    files = data_files(export, "sft")
    found: dict[str, list[Row]] = {"train": [], "valid": [], "test": []}
    notes: list[str] = []
    for file in files:
        found[file.split].extend(_rows(file, notes))
    if not found["train"]:
        raise no_train_rows(export, files, notes)
    return _splits(found, files, notes)


def read_pairs(export: Path) -> Splits[Pair]:
    """Pairs of an export: TRL's preference rows (messages or plain), unpaired rows of one prompt, ranked replies.

    Ranked replies give one pair, the best against the worst. Unpaired rows (``label``) give one pair a prompt;
    what has no counterpart is left out and said in ``notes``.

    Args:
        export: as for :func:`read_sft`; a folder without pairs gives empty splits.

    Raises:
        TrainingError: nothing to read, or a row that cannot be used, with its file and line.
    """
    files = data_files(export, "preference")
    found: dict[str, list[Pair]] = {"train": [], "valid": [], "test": []}
    notes: list[str] = []
    for file in files:
        unpaired = rows_pairs.Unpaired()
        tools = 0
        for number, raw in raw_rows(file.path):
            try:
                found[file.split].extend(_pairs(file, number, raw, unpaired))
            except Tools:
                tools += 1
        if tools:
            notes.append(f"{file.name}: {tools:,} pairs with calls of tools are left out, for only texts are trained.")
        if unpaired.left:
            notes.append(f"{file.name}: {unpaired.left:,} replies without a counterpart to compare are left out.")
        if unpaired.equal:
            notes.append(f"{file.name}: {unpaired.equal:,} rows whose replies all have the same score are left out.")
    if files and not any(found.values()):
        raise no_pair_rows(export, files, notes)
    return _splits(found, files, notes)


def _splits(found: dict[str, list[T]], files: list[DataFile], notes: list[str]) -> Splits[T]:
    train, valid, test = (tuple(found[name]) for name in ("train", "valid", "test"))
    return Splits(train, valid, test, tuple(file.path for file in files), tuple(notes))


def _rows(file: DataFile, notes: list[str]) -> Iterator[Row]:
    tools = 0
    for number, raw in raw_rows(file.path):
        try:
            messages = conversation(raw)
            family, metric = _family(raw), text_or_empty(raw, "metric")
            name = _name(raw, file, number)
        except Tools:
            tools += 1
            continue
        except BadRow as bad:
            raise _bad(file, number, bad, "sft") from None
        yield Row(name, messages, family, metric, f"{file.name}:{number}")
    if tools:
        notes.append(f"{file.name}: {tools:,} rows with calls of tools are left out, for only texts are trained.")


def _pairs(file: DataFile, number: int, raw: dict[str, Any], unpaired: rows_pairs.Unpaired) -> Iterator[Pair]:
    try:
        found = rows_pairs.pair(raw, unpaired)
        family = _family(raw)
        name = _name(raw, file, number)
    except Tools:
        raise
    except BadRow as bad:
        raise _bad(file, number, bad, "preference") from None
    if found is not None:
        prompt, chosen, rejected = found
        yield Pair(name, prompt, chosen, rejected, family, f"{file.name}:{number}")


def _name(raw: dict[str, Any], file: DataFile, number: int) -> str:
    value = raw.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_or_empty(raw, "id") or f"{file.name}:{number}"


def _family(raw: dict[str, Any]) -> str:
    return text_or_empty(raw, "family") or text_or_empty(raw, "recipe")


def _bad(file: DataFile, number: int, bad: BadRow, part: Part) -> TrainingError:
    command = "datagen export RUN --format " + ("messages" if part == "sft" else "dpo")
    return TrainingError(
        f"{file.name} cannot be read: line {number}, {bad.what}.",
        bad.why,
        f"Correct or delete line {number} of {file.path}, or write the file anew with {command}.",
    )
