"""How likely a model finds texts: the loss of each row's reply, and of running text, in nats, as sums and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.bootstrap import Floats, Measure, ratio_of

BATCH_TOKENS = 8_192
"""Tokens of a batch at most, with their padding."""
LOGITS_BYTES = 1 << 29
"""Of a batch's logits at most: a vocabulary of 150,000 makes them the largest thing in memory."""


@dataclass(frozen=True, slots=True)
class Losses:
    """The loss of each row.

    Attributes:
        nll: (rows,) negative log-likelihood of the tokens that count, in nats, summed.
        tokens: (rows,) how many these are.
    """

    nll: Floats
    tokens: Floats

    def per_token(self) -> Measure:
        """Nats per token over all rows."""
        return Measure(np.column_stack([self.nll, self.tokens]), ratio_of)

    def perplexity(self) -> Measure:
        """``exp`` of the loss per token."""
        return Measure(np.column_stack([self.nll, self.tokens]), lambda sums: np.exp(ratio_of(sums)))


def losses(model: Any, ids: Sequence[Sequence[int]], masks: Sequence[Sequence[int]] | None = None) -> Losses:
    """The loss of each sequence under a model.

    Args:
        model: a causal language model; it is left in the mode it was in.
        ids: tokens of each row.
        masks: 1 at the tokens that count; None: all. The first token of a row is predicted from nothing and never
            counts.
    """
    import torch

    nll, tokens = np.zeros(len(ids)), np.zeros(len(ids))
    vocabulary = int(getattr(model.config, "vocab_size", 0) or 1)
    most = max(1, min(BATCH_TOKENS, LOGITS_BYTES // (4 * vocabulary)))
    order = sorted((i for i in range(len(ids)) if len(ids[i]) > 1), key=lambda i: -len(ids[i]))
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            done = 0
            while done < len(order):
                batch = order[done : done + max(1, most // len(ids[order[done]]))]
                found = _batch(model, [ids[i] for i in batch], None if masks is None else [masks[i] for i in batch])
                nll[batch], tokens[batch] = found
                done += len(batch)
    finally:
        model.train(was_training)
    return Losses(nll, tokens)


def _batch(model: Any, ids: list[Sequence[int]], masks: list[Sequence[int]] | None) -> tuple[Floats, Floats]:
    import torch

    longest = max(map(len, ids))
    tokens = torch.zeros((len(ids), longest), dtype=torch.long)
    there = torch.zeros_like(tokens)
    wanted = torch.zeros_like(tokens)
    for i, one in enumerate(ids):
        tokens[i, : len(one)] = torch.tensor(one, dtype=torch.long)
        there[i, : len(one)] = 1
        wanted[i, : len(one)] = 1 if masks is None else torch.tensor(masks[i], dtype=torch.long)
    device = next(model.parameters()).device
    tokens, there, wanted = tokens.to(device), there.to(device), wanted.to(device)
    logits = model(input_ids=tokens, attention_mask=there, use_cache=False).logits[:, :-1].float()
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
    counted = wanted[:, 1:].to(each.dtype)
    summed = (each.double() * counted.double()).sum(dim=1).cpu().numpy()
    return summed, counted.double().sum(dim=1).cpu().numpy()


def text_losses(model: Any, tokenizer: Any, texts: Sequence[str], *, window: int = 1024, most: int = 200_000) -> Losses:
    """The loss of running text, a row a window.

    Args:
        window: tokens that are read at once, the model's context at most; a longer text is read in windows that do
            not overlap, so that the first token of each does not count.
        most: tokens of all texts; each gives its beginning, in equal shares.
    """
    context = int(getattr(model.config, "max_position_embeddings", 0) or window)
    window = max(2, min(window, context))
    share = max(window, most // max(1, len(texts)))
    windows: list[list[int]] = []
    for text in texts:
        # A token is hardly ever longer than 16 characters; a text of megabytes is not tokenised for its beginning.
        beginning = text[: share * 16].encode("utf-8", "replace").decode()
        ids = tokenizer(beginning, add_special_tokens=False)["input_ids"][:share]
        windows.extend(ids[start : start + window] for start in range(0, len(ids), window))
    return losses(model, windows)
