"""Greedy answers of a model to many prompts, in batches, each the same as if it were asked alone.

Prompts of unlike length are padded on the left and masked, so that every prompt ends where its answer begins; the
positions are counted from the mask. On a CPU in float32 a batch gives the tokens that a single prompt gives; in lower
precision sums may be added up in another order, and where two tokens are all but equally likely the other one wins.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from training.errors import TrainingError

Say = Callable[[str], None]
Message = dict[str, str]

MAX_NEW_TOKENS = 256
BATCH_TOKENS = 16_384
"""Tokens of a batch at most, prompts and answers with their padding."""
MAX_BATCH = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said.

    Attributes:
        text: without special tokens.
        tokens: generated, the end token among them.
        ended: did it end by itself, within the tokens it was allowed?
        refused: why nothing was asked; "" where something was.
    """

    text: str
    tokens: int
    ended: bool
    refused: str = ""


def answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[Message]],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    max_batch: int = MAX_BATCH,
    say: Say | None = None,
) -> list[Answer]:
    """The greedy answer to each prompt, in order.

    Args:
        model: in evaluation mode or not; it is left in the mode it was in.
        tokenizer: with a chat template.
        prompts: messages, the last one not the assistant's.
        max_new_tokens: of an answer; the model's context may allow fewer.
        max_batch: prompts at once, at most.
        say: told how far it is.

    A prompt that leaves no room for an answer in the model's context is not asked: ``refused`` says so.
    """
    context = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
    ends = end_ids(model, tokenizer)
    found: list[Answer | None] = [None] * len(prompts)
    asked: list[tuple[int, list[int]]] = []
    for i, ids in enumerate(prompt_ids(tokenizer, prompts)):
        if isinstance(ids, str):
            found[i] = Answer("", 0, False, ids)
        elif len(ids) >= context:
            told = f"the prompt has {len(ids):,} tokens, the model's context {context:,}"
            found[i] = Answer("", 0, False, told)
        else:
            asked.append((i, ids))
    asked.sort(key=lambda one: -len(one[1]))  # like lengths together; the longest first, so that memory runs out early
    done = 0
    while done < len(asked):
        longest = len(asked[done][1])
        room = min(max_new_tokens, context - longest)
        batch = asked[done : done + max(1, min(max_batch, BATCH_TOKENS // (longest + room)))]
        for (i, _), answer in zip(batch, _batch(model, tokenizer, [ids for _, ids in batch], room, ends), strict=True):
            found[i] = answer
        done += len(batch)
        if say is not None:
            say(f"{done} of {len(asked)} answered")
    return [answer for answer in found if answer is not None]


def prompt_ids(tokenizer: Any, prompts: Sequence[Sequence[Message]]) -> list[list[int] | str]:
    """Each prompt as tokens, up to where the assistant's answer begins, or why its template refuses it."""
    from training import template

    try:
        texts: list[str | TrainingError] = [*template.prompts([tuple(prompt) for prompt in prompts], tokenizer)]
    except TrainingError:
        texts = [_text(tokenizer, prompt) for prompt in prompts]
    return [
        text.why
        if isinstance(text, TrainingError)
        # A lone surrogate has no bytes that could be tokens.
        else tokenizer(text.encode("utf-8", "replace").decode(), add_special_tokens=False)["input_ids"]
        for text in texts
    ]


def _text(tokenizer: Any, prompt: Sequence[Message]) -> str | TrainingError:
    from training import template

    try:
        return template.prompts([tuple(prompt)], tokenizer)[0]
    except TrainingError as error:
        return error


def end_ids(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end an answer: the template's, the tokenizer's, and those the model's own settings name."""
    from training import layout

    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    own = named if isinstance(named, list) else [named]
    with contextlib.suppress(layout.NoLayout):
        own = [*own, layout.find(tokenizer).end_id]
    return sorted({int(one) for one in (*own, tokenizer.eos_token_id) if one is not None})


def _batch(model: Any, tokenizer: Any, batch: list[list[int]], room: int, ends: list[int]) -> list[Answer]:
    import torch
    from transformers import GenerationConfig

    pad = tokenizer.pad_token_id
    pad = pad if pad is not None else (ends[0] if ends else 0)
    longest = max(map(len, batch))
    ids = torch.full((len(batch), longest), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, one in enumerate(batch):
        ids[i, longest - len(one) :] = torch.tensor(one, dtype=torch.long)
        mask[i, longest - len(one) :] = 1
    # Settings of our own: those that come with a model may sample, or punish repetition, and differ between models.
    settings = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False, max_new_tokens=room, eos_token_id=ends or None, pad_token_id=pad, use_cache=True
    )
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            device = next(model.parameters()).device
            out = model.generate(input_ids=ids.to(device), attention_mask=mask.to(device), generation_config=settings)
    finally:
        model.train(was_training)
    found = []
    for row in out[:, longest:].tolist():
        end = next((k for k, token in enumerate(row) if token in ends), None)
        kept = row if end is None else row[: end + 1]
        text = tokenizer.decode(kept, skip_special_tokens=True)
        found.append(Answer(text.strip(), len(kept), end is not None))
    return found
