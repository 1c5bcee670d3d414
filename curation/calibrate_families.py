"""Which family a model belongs to, by its name: a judge prefers what its own family writes.

Panickssery, Bowman and Feng, "LLM evaluators recognize and favor their own generations" (2024).
"""

from __future__ import annotations

import re

_MOST = 300  # characters of a name that are looked at
_WORDS = {
    "gpt": "gpt chatgpt davinci babbage codex",
    "claude": "claude",
    "gemini": "gemini gemma codegemma paligemma medgemma shieldgemma recurrentgemma palm bard",
    "llama": "llama codellama tinyllama vicuna alpaca",
    "qwen": "qwen qwq qvq",
    "mistral": "mistral mixtral ministral codestral mathstral devstral magistral pixtral voxtral zephyr",
    "deepseek": "deepseek",
    "phi": "phi",
    "command": "command aya",
    "yi": "yi",
    "glm": "glm chatglm codegeex",
    "granite": "granite",
    "olmo": "olmo olmoe",
    "falcon": "falcon",
    "grok": "grok",
    "nova": "nova titan",
    "nemotron": "nemotron minitron",
    "kimi": "kimi moonlight",
    "minimax": "minimax abab",
    "ernie": "ernie",
    "hunyuan": "hunyuan",
    "internlm": "internlm",
    "baichuan": "baichuan",
    "smollm": "smollm",
    "stablelm": "stablelm",
    "exaone": "exaone",
    "jamba": "jamba",
    "dbrx": "dbrx",
    "solar": "solar",
    "eurollm": "eurollm",
    "apertus": "apertus",
}
_FAMILY = {word: family for family, words in _WORDS.items() for word in words.split()}
_INSIDE = (
    "deepseek",
    "chatglm",
    "llama",
    "qwen",
    "mixtral",
    "mistral",
    "gemma",
    "gemini",
    "claude",
    "nemotron",
    "granite",
)
"""Words that tell the family also as a part of a longer one ("openllama", "biomistral")."""
_MAKERS = {
    "openai": "gpt",
    "anthropic": "claude",
    "cohere": "command",
    "cohereforai": "command",
    "coherelabs": "command",
    "xai": "grok",
    "moonshotai": "kimi",
}
"""Whose every model is of one family, for names that say nothing themselves; without "-"."""
_REASONING = re.compile(r"o[1-9](?:-(?:mini|pro|preview|deep|\d{4}).*)?")


def families_of(model: str) -> tuple[str, ...]:
    """All families that a model's name tells, in the order of the name.

    A model distilled into another has both: ``deepseek-r1-distill-qwen-7b`` gives ``("deepseek", "qwen")``.

    Args:
        model: as an endpoint gives it, with or without a maker, as in ``"openai/gpt-4o-mini"``.

    Returns:
        Empty where the name tells none.
    """
    parts = [part for part in model[:_MOST].lower().strip().split("/") if part]
    for part in reversed(parts):
        found = [family for word in re.findall(r"[a-z]+", part) if (family := _by_word(word))]
        if not found and _REASONING.fullmatch(part):
            found = ["gpt"]
        if found:
            return tuple(dict.fromkeys(found))
    makers = (re.sub(r"[^a-z]", "", part) for part in reversed(parts))
    return tuple(_MAKERS[maker] for maker in makers if maker in _MAKERS)[:1]


def family_of(model: str) -> str:
    """The family a model's name tells first, as in ``"gpt"`` for ``"openai/gpt-4o-mini"``; "" where none is known."""
    return next(iter(families_of(model)), "")


def same_family(generator: str, judge: str) -> bool | None:
    """Do both models belong to one family? None where the name of either does not tell, and they differ.

    A name that is the same is the same family, known or not.
    """
    if not generator.strip() or not judge.strip():
        return None
    if generator.strip().lower() == judge.strip().lower():
        return True
    first, second = families_of(generator), families_of(judge)
    return bool(set(first) & set(second)) if first and second else None


def _by_word(word: str) -> str:
    if word in _FAMILY:
        return _FAMILY[word]
    inside = next((part for part in _INSIDE if part in word), "")
    return _FAMILY.get(inside, "")
