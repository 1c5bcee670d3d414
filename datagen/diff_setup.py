"""What differs in how two sides were made: configuration, prompts, versions, segments; and what they cost."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from datagen.diff_side import Side
from datagen.llm.problems import redacted

MAX_LINES = 5_000
"""Lines of a configuration that are compared. YAML can name one mapping many times over."""
SHOWN = 200
ABSENT = "(not there)"
HIDDEN = "(not shown)"
NO_EFFECT = ("client", "engine")
"""Sections that say how work is spread and shape nothing that is made."""
_SECRET = re.compile(
    r"(?:^|_|-)(?:api_?key|key|token|secret|password|passwd|credentials?|authorization|cookie)(?:$|_|-)"
)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,60}\Z")
_TOKEN = re.compile(
    r"(?:sk|pk|rk)[-_]\w|hf_\w|gh[opsu]_\w|github_pat_|glpat-|xox[abps]-|AKIA[0-9A-Z]|AIza|ya29\.|eyJ\w|[Bb]earer "
)
_HASH = 12


def configuration(a: Side, b: Side) -> list[dict[str, Any]]:
    """Lines that differ: ``{"key", "values": [of A, of B], "shapes": bool}``, values as JSON text without secrets.

    ``shapes`` is False where a line only says how work is spread.
    """
    name = "config" if a.kind == "run" else "settings"
    one, two = (_flat(side.facts.get(name)) for side in (a, b))
    steps = [side.facts.get("steps") for side in (a, b)]
    rows = []
    if a.kind == "curation" and steps[0] != steps[1]:
        rows.append({"key": "steps", "values": [_shown("steps", s) for s in steps], "shapes": True})
    for key in dict.fromkeys([*one, *two]):
        held = [side.get(key, _Absent) for side in (one, two)]
        if held[0] != held[1] or type(held[0]) is not type(held[1]):
            values = [ABSENT if value is _Absent else _shown(key, value) for value in held]
            rows.append({"key": key, "values": values, "shapes": key.split(".")[0] not in NO_EFFECT})
    return rows


class _Absent:
    """Stands for a key that is not there."""


def _flat(tree: Any) -> dict[str, Any]:
    """Dotted keys and their values; lists are values."""
    found: dict[str, Any] = {}
    waiting = [("", tree)]
    for _ in range(4 * MAX_LINES):
        if not waiting or len(found) >= MAX_LINES or len(waiting) > MAX_LINES:
            break
        before, node = waiting.pop()
        if isinstance(node, Mapping) and node:
            waiting += [(f"{before}.{key}" if before else str(key), part) for key, part in reversed(list(node.items()))]
        elif before:
            found[before[:SHOWN]] = node
    return found


def _shown(key: str, value: Any) -> str:
    """A value as JSON text that may be shown."""
    if isinstance(value, str):
        value = _safe(key, value)
    elif isinstance(value, list | tuple):
        value = [_safe(key, part) if isinstance(part, str) else part for part in value[:100]]
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _safe(key: str, text: str) -> str:
    """A text without what opens a door: addresses without user and query, no key, and of its name only a variable's."""
    if "://" in text:
        text = redacted(text) or HIDDEN
    named = _SECRET.search(key.lower())
    if text and (_TOKEN.search(text) or (named and not _VARIABLE.match(text))):
        return HIDDEN
    return text


def prompts(a: Side, b: Side) -> list[dict[str, Any]]:
    """Prompt files that differ, with the first digits of their hashes: ``{"name", "hashes": [of A, of B]}``."""
    one, two = (dict(side.facts.get("prompts") or {}) for side in (a, b))
    return [
        {"name": name, "hashes": [side[name][:_HASH] if name in side else None for side in (one, two)]}
        for name in sorted({*one, *two})
        if one.get(name) != two.get(name)
    ]


def versions(a: Side, b: Side) -> list[dict[str, Any]]:
    """Versions, models, and what was missing, where they differ: ``{"name", "values": [of A, of B]}``."""
    held = []
    missing = [set(map(str, side.facts.get("missing") or [])) for side in (a, b)]
    for facts, lacks in zip((a.facts, b.facts), (missing[0] - missing[1], missing[1] - missing[0]), strict=True):
        named = {name: facts.get(name) for name in ("model", "judge", "datagen", "rounds", "gave_up")}
        held.append({**named, "missing": "; ".join(sorted(lacks)), **dict(facts.get("libraries") or {})})
    one, two = held
    return [
        {"name": name, "values": [None if x in (None, "") else str(x)[:SHOWN] for x in (one.get(name), two.get(name))]}
        for name in dict.fromkeys([*one, *two])
        if one.get(name) != two.get(name)
    ]


def segments(a: Side, b: Side) -> dict[str, Any] | None:
    """How far two runs share their work. A folder's name is a hash of its settings and of the folder before it.

    Returns:
        ``same``: folders from the first on that are the same; ``total``: of each; ``first``: the first that differ,
        None where there is none; ``redone``: the stages from there on; ``shards``: in the same folders, of each and
        in both. None for what is no run.
    """
    if not a.nodes or not b.nodes:
        return None
    same = 0
    for one, two in zip(a.nodes, b.nodes, strict=False):
        if one["folder"] != two["folder"]:
            break
        same += 1
    rest = [side.nodes[same:] for side in (a, b)]
    shards = [{(n["folder"], s) for n in side.nodes[:same] for s in n["shards"]} for side in (a, b)]
    return {
        "same": same,
        "total": [len(a.nodes), len(b.nodes)],
        "first": [nodes[0]["folder"] if nodes else None for nodes in rest],
        "redone": [[stage for node in nodes for stage in node["stages"]] for nodes in rest],
        "shards": {"total": [len(shards[0]), len(shards[1])], "both": len(shards[0] & shards[1])},
    }


def usage(a: Side, b: Side) -> dict[str, list[Any]]:
    """What both cost so far, all sessions together: calls, tokens, US dollars (None: unknown), seconds of work."""
    one, two = (dict(side.facts.get("usage") or {}) for side in (a, b))
    nothing = {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost_usd": 0.0}  # where no model was used
    times = [dict(side.facts.get("timing") or {}) for side in (a, b)]
    table = {name: [(one or nothing).get(name), (two or nothing).get(name)] for name in nothing} if one or two else {}
    return {**table, **{name: [side.get(name) for side in times] for name in ("seconds", "sessions") if any(times)}}


def purposes(a: Side, b: Side) -> list[dict[str, Any]]:
    """Calls and tokens for each model and purpose, side by side."""
    held: dict[tuple[str, str], list[list[int]]] = {}
    for i, side in enumerate((a, b)):
        rows: Sequence[Any] = (side.facts.get("usage") or {}).get("by") or []
        for row in rows[:MAX_LINES]:
            place = held.setdefault((str(row.get("model", "")), str(row.get("purpose", ""))), [[0, 0], [0, 0]])
            for j, names in enumerate((("calls",), ("prompt_tokens", "completion_tokens"))):
                place[j][i] += sum(row[name] for name in names if isinstance(row.get(name), int))
    return [
        {"model": model, "purpose": purpose, "calls": calls, "tokens": tokens}
        for (model, purpose), (calls, tokens) in sorted(held.items())
    ]
