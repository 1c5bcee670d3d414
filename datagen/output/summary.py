"""What a run amounts to, in plain words, and which of its settings shaped it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEURISTIC = "heuristic"
_NO_MODEL = "none"  # a run's model starts so where none was used
# What does not shape what is made, or names places outside the source folder.
_PLACES = (
    ("engine",),
    ("client",),
    ("sources", "paths"),
    ("chunk", "tokenizer"),
    ("generator", "base_url"),
    ("generator", "api_key_env"),
    ("generator", "examples"),
    ("generator", "prompts"),
    ("judge", "base_url"),
    ("judge", "api_key_env"),
)


def uses_model(model: str) -> bool:
    """Does a run's ``model`` name one?"""
    return bool(model) and not model.startswith(_NO_MODEL)


def is_heuristic(scored_by: Mapping[str, int]) -> bool:
    """Were scores given by heuristics?"""
    return HEURISTIC in scored_by


def shaping(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration that shaped the data, without any path or address."""
    kept: dict[str, Any] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in config.items()}
    for section, *key in _PLACES:
        if not key:
            kept.pop(section, None)
        elif isinstance(kept.get(section), dict):
            kept[section].pop(key[0], None)
    return kept


def headline(data: Mapping[str, Any]) -> str:
    """The outcome in one sentence."""
    ledger, documents = data["ledger"], data["totals"]["documents"]
    from_ = f"from {documents:,} document{'' if documents == 1 else 's'}"
    if not ledger["requested"]:
        return f"No sample was made {from_}."
    many = "" if ledger["kept"] == 1 else "s"
    return f"{ledger['kept']:,} sample{many} kept of {ledger['requested']:,} requested, {from_}."


def about_model(data: Mapping[str, Any]) -> str:
    """Who wrote and who scored, in a sentence or two."""
    scored = data["scored_by"]
    judges = [name.removeprefix("judge:") for name in scored if name != HEURISTIC and name]
    if uses_model(data["model"]):
        text = f"Written by {data['model']}, each sample with the passage it rests on."
    elif data["model"] and set(data["splits"]) == {"chat"}:
        text = "No language model was used: people wrote these conversations in a chat."
    elif data["model"]:
        text = "No language model was used: extractive rules made the pairs, and each answer is a verbatim quote."
    else:
        return ""
    if judges:
        text += f" Scored by {', '.join(judges)} as judge, which was shown the source."
    if is_heuristic(scored):
        text += " Scores are heuristic, not a judge's."
    if not scored:
        text += " Nothing was scored."
    return text
