"""Rows as tokens: what is shown to the model, and which of it is learned.

One rule for rows that are too long: a conversation is cut after ``max_length`` tokens and then behind its last learned
token; one of which nothing learned is left is dropped. A pair is never cut: where the prompt with the longer reply
does not fit, it is dropped, for a reply without its end would be compared with one that has it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError
from training.rows import Pair, Row
from training.tokens import Pool, Tokens, layout_of, tokens

_BATCH = 512  # rows rendered and tokenised at once


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that is not trained on. ``tokens`` is its length where it was known, else 0."""

    id: str
    place: str
    reason: str
    tokens: int


@dataclass(slots=True)
class Encoded:
    """Conversations as tokens, in the order of the rows; every list has one entry a row that is kept.

    Attributes:
        input_ids: tokens of the conversation.
        assistant_masks: 1 for a token that is learned (a reply or its end), else 0; as long as the tokens.
        ids, places, families: of the rows.
        lengths: tokens a row *before* cutting, int64, of shape (rows kept,).
        dropped: the other rows, with reasons.
        cut: rows that were cut.
    """

    input_ids: list[list[int]] = field(default_factory=list)
    assistant_masks: list[list[int]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    dropped: list[Dropped] = field(default_factory=list)
    cut: int = 0


@dataclass(slots=True)
class EncodedPairs:
    """Pairs as tokens; every list has one entry a pair that is kept.

    Attributes:
        prompt_ids: the conversation up to where a reply begins.
        chosen_ids, rejected_ids: the replies, each with its end.
        ids, places: of the pairs.
        lengths: tokens of the prompt with the longer reply, int64, of shape (pairs kept,).
        dropped: the other pairs, with reasons.
    """

    prompt_ids: list[list[int]] = field(default_factory=list)
    chosen_ids: list[list[int]] = field(default_factory=list)
    rejected_ids: list[list[int]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    dropped: list[Dropped] = field(default_factory=list)


def encode_sft(rows: Iterable[Row], tokenizer: Any, max_length: int) -> Encoded:
    """Conversations as tokens, with the loss on the replies and the tokens that end them alone.

    Args:
        rows: read once, a few hundred at a time.
        tokenizer: prepared by :func:`training.template.prepare`.
        max_length: tokens a row at most; 0: any.

    Returns:
        Every row is either encoded or dropped.

    Raises:
        TrainingError: replies cannot be found in what the tokenizer's template writes.
    """
    frame, made, pool = layout_of(tokenizer), Encoded(), Pool(tokenizer)
    lengths: list[int] = []
    for batch in _batches(rows):
        for row, found in zip(batch, tokens([r.messages for r in batch], tokenizer, frame, pool), strict=True):
            if isinstance(found, str):
                made.dropped.append(Dropped(row.id, row.place, found, 0))
                continue
            ids, spans = found
            mask = [0] * len(ids)
            for start, end in spans:
                mask[start:end] = [1] * (end - start)
            _add(made, (row.id, row.place, row.family, len(ids)), ids, mask, max_length, lengths)
    made.lengths = np.array(lengths, np.int64)
    return made


def shorten(encoded: Encoded, max_length: int) -> Encoded:
    """What :func:`encode_sft` would have given for a smaller ``max_length``, without tokenising again."""
    made = Encoded(dropped=list(encoded.dropped))
    lengths: list[int] = []
    names = zip(encoded.ids, encoded.places, encoded.families, encoded.lengths.tolist(), strict=True)
    for name, ids, mask in zip(names, encoded.input_ids, encoded.assistant_masks, strict=True):
        _add(made, name, ids, mask, max_length, lengths)
    made.lengths = np.array(lengths, np.int64)
    return made


Name = tuple[str, str, str, int]
"""Id, place and family of a row, and its tokens before cutting."""


def _add(made: Encoded, name: Name, ids: list[int], mask: list[int], max_length: int, lengths: list[int]) -> None:
    """A row cut to length, or among the dropped."""
    row, place, family, whole = name
    stop = len(ids)
    if max_length and stop > max_length:
        learned = mask[max_length - 1 :: -1]
        stop = max_length - learned.index(1) if 1 in learned else 0
    if not stop:
        reason = f"Its prompt alone fills the {max_length:,} tokens of a row."
        made.dropped.append(Dropped(row, place, reason, whole))
        return
    made.cut += stop < whole
    made.input_ids.append(ids[:stop])
    made.assistant_masks.append(mask[:stop])
    made.ids.append(row)
    made.places.append(place)
    made.families.append(family)
    lengths.append(whole)


def encode_pairs(pairs: Iterable[Pair], tokenizer: Any, max_length: int) -> EncodedPairs:
    """Pairs as the tokens of a prompt and of two replies with their ends.

    Args, returns, raises: as :func:`encode_sft`; a pair that does not fit whole, or whose replies are the same
    tokens, is dropped.
    """
    frame, made, pool = layout_of(tokenizer), EncodedPairs(), Pool(tokenizer)
    for batch in _batches(pairs):
        talks = [
            (*pair.prompt, {"role": "assistant", "content": reply})
            for pair in batch
            for reply in (pair.chosen, pair.rejected)
        ]
        both = iter(tokens(talks, tokenizer, frame, pool))
        for pair, chosen, rejected in zip(batch, both, both, strict=True):
            name = (pair.id, pair.place)
            found = _pair(chosen, rejected)
            if isinstance(found, tuple):
                _add_pair(made, name, found, max_length)
            else:
                made.dropped.append(Dropped(*name, found.reason, found.tokens))
    made.lengths = _pair_lengths(made)
    return made


def shorten_pairs(encoded: EncodedPairs, max_length: int) -> EncodedPairs:
    """What :func:`encode_pairs` would have given for a smaller ``max_length``, without tokenising again."""
    made = EncodedPairs(dropped=list(encoded.dropped))
    names = zip(encoded.ids, encoded.places, strict=True)
    for name, *found in zip(names, encoded.prompt_ids, encoded.chosen_ids, encoded.rejected_ids, strict=True):
        _add_pair(made, name, (found[0], found[1], found[2]), max_length)
    made.lengths = _pair_lengths(made)
    return made


Three = tuple[list[int], list[int], list[int]]
"""Tokens of a prompt, of the better reply, and of the worse one."""


def _add_pair(made: EncodedPairs, name: tuple[str, str], found: Three, max_length: int) -> None:
    """A pair that fits, or one more among the dropped."""
    prompt, better, worse = found
    whole = len(prompt) + max(len(better), len(worse))
    if max_length and whole > max_length:
        room = len(prompt) < max_length
        reason = "A reply of it does not fit whole into" if room else "Its prompt leaves no room for a reply in"
        made.dropped.append(Dropped(*name, f"{reason} {max_length:,} tokens.", whole))
        return
    made.prompt_ids.append(prompt)
    made.chosen_ids.append(better)
    made.rejected_ids.append(worse)
    made.ids.append(name[0])
    made.places.append(name[1])


def _pair_lengths(made: EncodedPairs) -> NDArray[np.int64]:
    three = zip(made.prompt_ids, made.chosen_ids, made.rejected_ids, strict=True)
    return np.array([len(prompt) + max(len(better), len(worse)) for prompt, better, worse in three], np.int64)


def shown(encoded: Encoded, tokenizer: Any) -> str:
    """The learned tokens of the first row as text, for a person to look at.

    Raises:
        TrainingError: there is no row, or the token that ends a reply is not among them.
    """
    if not encoded.input_ids:
        reasons = sorted({dropped.reason for dropped in encoded.dropped})
        raise TrainingError(
            "No row is left to train on.",
            reasons[0] if reasons else "There was none to begin with.",
            "Give a larger --set max_length, or other rows.",
        )
    ends = layout_of(tokenizer).end_ids
    # A row that was cut may have lost its end: the first that has it, else the first, which is then at fault.
    pairs = zip(encoded.input_ids, encoded.assistant_masks, strict=True)
    learned = ([t for t, m in zip(ids, mask, strict=True) if m] for ids, mask in pairs)
    found = next((tokens for tokens in learned if not ends.isdisjoint(tokens)), None)
    if found is None:
        raise TrainingError(
            "The token that ends a reply is not learned.",
            "Every row is cut before the end of its reply.",
            "Give a larger --set max_length.",
        )
    return str(tokenizer.decode(found))


class _Familied(Protocol):
    @property
    def family(self) -> str: ...


F = TypeVar("F", bound=_Familied)


def interleave(rows: Sequence[F], seed: int) -> list[F]:
    """The rows in an order that mixes their families evenly, so that training never sees one in a block.

    Of ``f`` families, one that holds a share ``p`` of the rows holds in any first ``t`` of them ``p * t`` rows, give
    or take ``1 + p * f / 2``. The order within a family is drawn; the same seed gives the same order.
    """
    draw = random.Random(seed)
    families: dict[str, list[F]] = {}
    for row in rows:
        families.setdefault(row.family, []).append(row)
    placed: list[tuple[float, int, int]] = []
    members = list(families.values())
    for number, family in enumerate(members):
        draw.shuffle(family)
        placed.extend(((k + 0.5) / len(family), number, k) for k in range(len(family)))
    placed.sort()
    return [members[number][k] for _, number, k in placed]


R = TypeVar("R")


def _batches(rows: Iterable[R]) -> Iterator[list[R]]:
    batch: list[R] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _pair(chosen: Tokens | str, rejected: Tokens | str) -> Three | Dropped:
    if isinstance(chosen, str):
        return Dropped("", "", chosen, 0)
    if isinstance(rejected, str):
        return Dropped("", "", rejected, 0)
    (ids, spans), (other, others) = chosen, rejected
    (start, end), (other_start, other_end) = spans[-1], others[-1]
    whole = max(end, other_end)
    prompt = ids[:start]
    if prompt != other[:other_start]:
        return Dropped("", "", "The first letters of a reply melt into the prompt's last token.", whole)
    if ids[start:end] == other[other_start:other_end]:
        return Dropped("", "", "Both replies are the same.", whole)
    return prompt, ids[start:end], other[other_start:other_end]
