"""From an export to tokens: everything that is read and decided before a model is loaded."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training import base, checkpoints, encode, files, template, tiny
from training.config import TINY, TrainConfig
from training.rows import Pair, Row, Splits, read_pairs, read_sft

Say = Callable[[str], None]
WHOLE = 0.99
"""Share of the rows that fit whole into the length taken where none is given: the last hundredth of a long tail
would set the memory for all."""
_ROUND = 64  # lengths are rounded up to a multiple, as the kernels of a GPU like them


class _At(NamedTuple):
    position: int
    family: str


@dataclass(frozen=True)
class Ready:
    """What training starts from.

    Attributes:
        config: with the folder of the tiny base in place of its name, and the length decided.
        tokenizer: with a template fit for training.
        rows: the conversations, by split.
        pairs: the pairs, by split; empty splits where there are none.
        train, valid: the conversations as tokens.
        pairs_train, pairs_valid: the pairs as tokens.
        shown: the learned tokens of the first row, decoded.
        data: of each file its ``sha256`` and ``rows``.
    """

    config: TrainConfig
    tokenizer: Any
    rows: Splits[Row]
    pairs: Splits[Pair]
    train: encode.Encoded
    valid: encode.Encoded
    pairs_train: encode.EncodedPairs
    pairs_valid: encode.EncodedPairs
    shown: str
    data: dict[str, dict[str, Any]]

    def order(self, seed: int) -> list[int]:
        """Positions of the training rows with their families mixed; the same seed gives the same order."""
        rows = [_At(position, family) for position, family in enumerate(self.train.families)]
        return [row.position for row in encode.interleave(rows, seed)]

    def with_settings(self, config: TrainConfig) -> Ready:
        """The same rows for other settings; encoded anew where the length is another."""
        if config.max_length == self.config.max_length:
            return replace(self, config=config)
        limit = config.max_length
        return replace(
            self,
            config=config,
            train=encode.encode_sft(self.rows.train, self.tokenizer, limit),
            valid=encode.encode_sft(self.rows.valid, self.tokenizer, limit),
            pairs_train=encode.encode_pairs(self.pairs.train, self.tokenizer, limit),
            pairs_valid=encode.encode_pairs(self.pairs.valid, self.tokenizer, limit),
        )

    def prompts(self, most: int) -> tuple[str, ...]:
        """Up to ``most`` prompts as text, ready for a reply: held-out ones where there are any."""
        rows = self.rows.test or self.rows.valid or self.rows.train
        return tuple(template.prompts([row.messages[:-1] for row in rows[:most]], self.tokenizer))

    def dropped(self) -> dict[str, list[dict[str, Any]]]:
        """The rows and pairs that are not trained on, by stage, each with its reason."""
        return {
            "sft": [asdict(one) for one in (*self.train.dropped, *self.valid.dropped)],
            "dpo": [asdict(one) for one in (*self.pairs_train.dropped, *self.pairs_valid.dropped)],
        }


def prepare(export: Path, out: Path, config: TrainConfig, say: Say, *, write: bool = True) -> Ready:
    """Read the export, make the tiny base where it is asked for, and turn rows into tokens.

    Args:
        export: a run, its export folder, or a file of rows.
        out: where ``base/`` goes for ``--base tiny``.
        config: as the user gave it.
        say: told what a user should know.
        write: False in all but the main process.

    Raises:
        TrainingError: nothing to train on, a bad row, a base that cannot be had.
    """
    rows = read_sft(export)
    none: Splits[Pair] = Splits()
    pairs = read_pairs(export) if config.dpo.enabled else none
    for note in (*rows.notes, *pairs.notes):
        say(note)
    resolved = _base(out, config, rows, pairs, say, write)
    tokenizer = base.load_tokenizer(resolved)
    if said := template.prepare(tokenizer, config.chat_template).said:
        say(said)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    context = _context(resolved)
    limit = min(config.max_length or context, context)
    if config.max_length > context:
        say(f"{config.base} takes {context:,} tokens at most: max_length is {context:,} and not {config.max_length:,}.")
    train = encode.encode_sft(rows.train, tokenizer, limit)
    pairs_train = encode.encode_pairs(pairs.train, tokenizer, limit)
    if not config.max_length:
        decided = _length(np.concatenate([train.lengths, pairs_train.lengths]), limit)
        if int(train.lengths.max(initial=0)) > decided:
            train = encode.shorten(train, decided)
        if int(pairs_train.lengths.max(initial=0)) > decided:
            pairs_train = encode.shorten_pairs(pairs_train, decided)
        limit = decided
    shown = encode.shown(train, tokenizer)
    if train.cut:
        say(f"{train.cut:,} of {len(rows.train):,} rows are longer than {limit:,} tokens and are cut there.")
    for what, dropped in (("rows", train.dropped), ("pairs", pairs_train.dropped)):
        for reason, count in sorted(Counter(one.reason for one in dropped).items()):
            first = next(one for one in dropped if one.reason == reason)
            say(f"{count:,} {what} are left out, as {first.place}: {reason}")
    return Ready(
        config=resolved.model_copy(update={"max_length": limit}),
        tokenizer=tokenizer,
        rows=rows,
        pairs=pairs,
        train=train,
        valid=encode.encode_sft(rows.valid, tokenizer, limit),
        pairs_train=pairs_train,
        pairs_valid=encode.encode_pairs(pairs.valid, tokenizer, limit),
        shown=shown,
        data=_files(rows, pairs),
    )


def _base(out: Path, config: TrainConfig, rows: Splits[Row], pairs: Splits[Pair], say: Say, write: bool) -> TrainConfig:
    if config.base != TINY:
        return config
    folder = out / "base"
    texts = [message["content"] for row in rows.train for message in row.messages]
    texts += [text for pair in pairs.train for text in (pair.chosen, pair.rejected)]
    made = hashlib.sha256(repr((config.seed, texts)).encode("utf-8", "surrogatepass")).hexdigest()
    if write and files.read_json(folder / "made.json") != made:
        tiny.make(folder, texts, seed=config.seed)
        files.write_json(folder / "made.json", made)
    say(
        "The base is a toy: a small model with random weights, made from these rows to try the machine. "
        "It knows no language, so do not judge the data by what it says."
    )
    _wait()
    return config.model_copy(update={"base": str(folder)})


def _wait() -> None:
    from accelerate import PartialState  # type: ignore[import-untyped]

    PartialState().wait_for_everyone()


def _context(config: TrainConfig) -> int:
    """Tokens the base takes at most, by its own configuration; 1e9 where it names none."""
    from transformers import AutoConfig

    try:
        with base.quiet():
            found = AutoConfig.from_pretrained(config.base)
    except Exception as error:
        raise base.unreadable(config.base, "configuration", error) from error
    return int(getattr(found.get_text_config(), "max_position_embeddings", 0) or 10**9)


def _length(lengths: NDArray[np.int64], limit: int) -> int:
    """The length that holds 99 of 100 rows whole, or all where the longest is at most a quarter longer."""
    if not lengths.size:
        return limit
    longest = int(lengths.max())
    most = math.ceil(float(np.quantile(lengths, WHOLE, method="higher")))
    wanted = longest if longest <= 1.25 * most else most
    return min(limit, -(-wanted // _ROUND) * _ROUND)


def _files(rows: Splits[Row], pairs: Splits[Pair]) -> dict[str, dict[str, Any]]:
    every: Sequence[Row | Pair] = (*rows.train, *rows.valid, *rows.test, *pairs.train, *pairs.valid, *pairs.test)
    counts = Counter(one.place.rpartition(":")[0] for one in every)
    found: dict[str, dict[str, Any]] = {}
    for path in dict.fromkeys((*rows.files, *pairs.files)):
        name = next((n for n in counts if path.as_posix().endswith(n) and n not in found), path.name)
        found[name] = {"sha256": checkpoints.sha256(path), "rows": counts.get(name, 0)}
    return found
