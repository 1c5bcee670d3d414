"""Conversations as tokens, and which of them are replies: rendered and tokenised a batch at a time."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from training import layout
from training.errors import TrainingError
from training.layout import Layout, Rendered
from training.rows_formats import Messages

Tokens = tuple[list[int], list[tuple[int, int]]]
"""The tokens of a conversation, and of each reply the first and the one after its last."""


class Pool:
    """One object for each token number: a list of a million tokens then takes 8 MB, not 36.

    Attributes:
        control: finds a control token in a text; the tokenizer would not read it as the letters it is written in.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.numbers = list(range(len(tokenizer)))
        specials = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        longest_first = sorted(specials, key=lambda token: (-len(token), token))
        self.control = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def shared(self, ids: list[int]) -> list[int]:
        """The same numbers, as the pool's objects."""
        try:
            return [self.numbers[i] for i in ids]
        except IndexError:  # a vocabulary with holes has numbers beyond its size
            self.numbers.extend(range(len(self.numbers), max(ids) + 1))
            return [self.numbers[i] for i in ids]


def layout_of(tokenizer: Any) -> Layout:
    """The layout of a tokenizer's template.

    Raises:
        TrainingError: replies cannot be found in what it writes.
    """
    try:
        return layout.find(tokenizer)
    except layout.NoLayout as error:
        raise TrainingError(
            "The chat template cannot be used for training.",
            str(error),
            "Give one that marks replies with {% generation %} by --set chat_template=FILE.jinja.",
        ) from error


def tokens(talks: Sequence[Messages], tokenizer: Any, frame: Layout, pool: Pool) -> list[Tokens | str]:
    """Tokens of conversations and where in them the replies are, or the reason why not."""
    found: list[Tokens | str] = [""] * len(talks)
    sound: list[int] = []
    for i, messages in enumerate(talks):
        forged = next((m for message in messages if (m := pool.control.search(message["content"]))), None)
        if forged:
            found[i] = f"A text of it holds {forged[0]}, which the tokenizer reads as a control token."
        else:
            sound.append(i)
    rendered = layout.render([talks[i] for i in sound], tokenizer, frame)
    whole: list[tuple[int, Rendered]] = []
    for i, one in zip(sound, rendered, strict=True):
        if isinstance(one, str):
            found[i] = one
        else:
            whole.append((i, one))
    if not whole:
        return found
    texts = [one.text for _, one in whole]
    batch = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)
    for (i, one), encoding in zip(whole, batch.encodings, strict=True):
        found[i] = _placed(one, encoding, frame, pool)
    return found


def _placed(one: Rendered, encoding: Any, frame: Layout, pool: Pool) -> Tokens | str:
    """A token is a reply's if it begins inside it. One that begins before, for a space that starts a reply, is not."""
    ids, offsets = encoding.ids, encoding.offsets
    starts = [start for start, _ in offsets]
    if not one.spans:
        return "It has no reply."
    spans = []
    for start, end in one.spans:
        first, last = bisect_left(starts, start), bisect_left(starts, end)
        while first < last and offsets[first][1] <= start:
            first += 1  # of no width: space before the reply, where a tokenizer trims it off its tokens
        if frame.end_ids.isdisjoint(ids[first:last]):
            return "The token that ends a reply is not in the reply."
        spans.append((first, last))
    return pool.shared(ids), spans
