"""Is the merged model the trained one? Logits beside logits, and a few tokens generated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.errors import ProofFailed, TrainingError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

TOLERANCE = 1e-4
"""Of a logit in float32. Merging in the right order is off by some 4e-7, into the wrong weights by 0.06 and more."""
MOST_KL = 0.01
"""Nats a token, where numbers are rounded to 16 bits. Rounding costs some 1e-3 and less; quantising to 8 bits is near
1e-3 and to 4 bits 0.03 (llama.cpp, tools/perplexity/README.md): above this something else than rounding happened."""
ROUNDING_KL, SHARE = 1e-3, 0.1
"""Below the first, rounding alone may be the cause; above it, the merged model must be ten times nearer to the trained
one than its base is, or the adapter is lost in the error."""
PROMPTS = (
    "What is this about, in one sentence?",
    "Explain step by step how it works, and give an example with numbers: 1, 2, 3.",
    "Écris une phrase courte. Schreibe einen kurzen Satz. 写一个短句。",
)
"""Where the caller has none: several languages and digits, so that many kinds of tokens take part."""

Logits = list["torch.Tensor"]
"""For each prompt (tokens, vocabulary), float32, on the CPU."""


@dataclass(frozen=True)
class Compared:
    """How far two models are apart.

    Attributes:
        largest: greatest absolute difference of two logits; infinite where one is not a number.
        kl: mean divergence of the second from the first, nats a token.
        same_top: share of the positions with the same likeliest token.
        tokens: positions compared.
        tolerance: of ``largest`` in float32.
    """

    largest: float
    kl: float
    same_top: float
    tokens: int
    tolerance: float = TOLERANCE


def encode(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], most: int) -> list[torch.Tensor]:
    """Each prompt as a turn of the user where there is a chat template, cut to ``most`` tokens; shape (1, tokens).

    Raises:
        TrainingError: no prompt has a token.
    """
    import torch

    found = []
    for prompt in prompts:
        text: Any = prompt
        if tokenizer.chat_template:
            turns = [{"role": "user", "content": prompt}]
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=not tokenizer.chat_template)["input_ids"][-most:]
        if ids:
            found.append(torch.tensor([ids], dtype=torch.long))
    if not found:
        raise TrainingError(
            "The merged model cannot be checked.", "No prompt has a token to compare on.", "Give other prompts."
        )
    return found


def logits_of(model: Any, ids: Sequence[torch.Tensor]) -> Logits:
    """One prompt at a time, without padding, so that nothing but the weights can differ."""
    import torch

    found = []
    with torch.no_grad():
        for one in ids:
            found.append(model(input_ids=one.to(model.device), use_cache=False).logits[0].float().cpu())
    return found


def compare(expected: Logits, found: Logits) -> Compared:
    """How far ``found`` is from ``expected``, both of :func:`logits_of` on the same prompts."""
    import torch

    largest, kl, same, tokens = 0.0, 0.0, 0, 0
    for a, b in zip(expected, found, strict=True):
        if a.shape != b.shape or not (bool(torch.isfinite(a).all()) and bool(torch.isfinite(b).all())):
            return Compared(math.inf, math.inf, 0.0, tokens + len(a))
        largest = max(largest, float((a - b).abs().max()))
        one, two = torch.log_softmax(a.double(), -1), torch.log_softmax(b.double(), -1)
        kl += float((one.exp() * (one - two)).sum())
        same += int((a.argmax(-1) == b.argmax(-1)).sum())
        tokens += len(a)
    return Compared(largest, max(kl / tokens, 0.0), same / tokens, tokens)


def allowed_kl(effect: float) -> float:
    """Nats a token by which rounded numbers may diverge, where the adapter's own effect is ``effect``."""
    return min(MOST_KL, max(ROUNDING_KL, SHARE * effect))


def refuse(found: Compared, dtype: str, effect: float) -> None:
    """Raise ProofFailed where a merged model is not the trained one, before anything is written.

    Args:
        found: the two compared.
        dtype: computed in.
        effect: divergence of the base from the trained model, nats a token; infinite where there is no base.
    """
    _judge(found, exact=dtype == "float32", allowed=allowed_kl(effect), doing=f"computed in {dtype}")


def keep_or_refuse(found: Compared, dtype: str, saved: str, effect: float) -> None:
    """The same for the model as it was read back from the disk, where its weights may have been rounded."""
    exact = dtype == "float32" and saved == "float32"
    _judge(found, exact=exact, allowed=allowed_kl(effect), doing=f"written as {saved} and read back")


def _judge(found: Compared, *, exact: bool, allowed: float, doing: str) -> None:
    if found.largest <= TOLERANCE if exact else found.kl <= allowed:
        return
    limit = f"{TOLERANCE:g} is allowed" if exact else f"{allowed:.2g} nats a token are allowed"
    measured = f"{found.largest:.3g}" if exact else f"{found.kl:.3g} nats a token (a logit by {found.largest:.3g})"
    raise ProofFailed(
        "The merged model is not the trained one.",
        f"Their outputs differ by {measured}, {doing}; {limit}.",
        "Nothing was replaced. Use the adapter as it is, and check that --base names the model it was trained on.",
    )


def generate(model: Any, tokenizer: PreTrainedTokenizerBase, ids: torch.Tensor, *, most: int = 16) -> str:
    """Some tokens, greedily.

    Raises:
        ProofFailed: nothing comes, or a token that the tokenizer does not know.
    """
    import torch

    with torch.no_grad():
        prompt = ids.to(model.device)
        whole = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=most,
            min_new_tokens=1,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
        )
    new = whole[0, ids.shape[1] :].tolist()
    if not new or tokenizer.convert_ids_to_tokens(new[0]) is None:
        raise ProofFailed(
            "The merged model generates nothing.",
            "It gave no token that its tokenizer knows.",
            "Nothing was replaced. Use the adapter as it is.",
        )
    return str(tokenizer.decode(new, skip_special_tokens=True))
