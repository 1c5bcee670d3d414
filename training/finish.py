"""After the last step: one model of base and adapters, what other programs need, the comparison, page and card."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training import base
from training.config import TINY, TrainConfig
from training.record import Record
from training.train import TrainResult

Say = Callable[[str], None]


def finish(result: TrainResult, export: Path, config: TrainConfig, say: Say, *, compare: bool = True) -> Record:
    """Merge the last adapter, hand it over, compare, and write page and card; in the main process alone.

    The page is written even where something before it failed, for it tells what happened.

    Args:
        result: of :func:`training.train.train`.
        export: that it was called with.
        config: that it was called with.
        say: told what a user should know.
        compare: whether base and trained models answer the held-out prompts side by side.

    Returns:
        What ``training.json`` says now; unchanged where this is not the main process.

    Raises:
        ProofFailed: the merged model does not say what the trained one says; it is not kept.
        StoppedTraining: the disk or the memory is full.
        TrainingError: a file cannot be written, or there is nothing to compare on.
    """
    record = Record.open(result.out, result.main)
    if not result.main or (result.sft is None and result.dpo is None):
        return record
    from training import card, handover, page

    try:
        merge(result, config, record, say)
        with base.quiet():
            length = int(result.max_length)
            handover.hand_over(result.out, export, config, max_length=length, say=say)
            if compare and not _compared(result, record):
                _compare(result, export, config, record, say)
    finally:
        page.write(result.out)
    card.write(result.out)
    return record


def merge(result: TrainResult, config: TrainConfig, record: Record, say: Say) -> None:
    """Write ``merged/`` from the base and the adapter of the last stage; nothing where that is done already."""
    from training.merge import merge as merging

    folder = result.out / "merged"
    last = result.dpo or result.sft
    if last is None:
        return
    adapter = str(last.record["adapter_sha256"])
    done = record.values.get("merge") or {}
    if done.get("adapter_sha256") == adapter and (folder / "config.json").is_file():
        return
    gc.collect()
    source = str(result.out / "base") if config.base == TINY else config.base
    with base.quiet():
        found = merging(source, last.adapter, folder, method=config.method, prompts=result.prompts, say=say)
    record.put(merge={**_plain(asdict(found)), "adapter_sha256": adapter})


def _compared(result: TrainResult, record: Record) -> bool:
    """Whether the comparison in the folder is of these very adapters."""
    return bool(record.values.get("compared") == _adapters(result)) and (result.out / "compare.json").is_file()


def _compare(result: TrainResult, export: Path, config: TrainConfig, record: Record, say: Say) -> None:
    from training.compare import compare
    from training.rows import read_sft

    rows = read_sft(export)
    if not (rows.test or rows.valid):
        say("There are no held-out rows: base and trained models are not compared.")
        return
    compare(result.out, export, config, say=say)
    record.put(compared=_adapters(result))


def _adapters(result: TrainResult) -> list[str]:
    return [str(stage.record["adapter_sha256"]) for stage in (result.sft, result.dpo) if stage is not None]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """For JSON: a folder by its name, as all paths in the record are within the output."""
    return {name: value.name if isinstance(value, Path) else value for name, value in values.items()}
