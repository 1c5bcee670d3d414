"""A scripted judge for the fake server: what is wrong with its reply stands in the sample, as in ``[reply six]``.

The file runs by itself in the server's process, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Scores = dict[str, Any]


def written(number: int, keys: list[str]) -> dict[str, int]:
    """The scores of a good reply about sample ``number``."""
    return {key: 1 + (number + sum(map(ord, key))) % 5 for key in keys}


def _with(**change: Any) -> Callable[[Scores, str], str]:
    """A reply with another value for one of the criteria."""
    return lambda good, key: json.dumps({**good, key: change["value"]})


GOOD: dict[str, Callable[[Scores, str], str]] = {
    "plain": lambda good, key: json.dumps(good),
    "fenced": lambda good, key: f"Here you are:\n```json\n{json.dumps(good)}\n```",
    "talkative": lambda good, key: json.dumps({**good, "justification": f'"{key}": 1? No. 5 of 5!'}),
    "surplus": lambda good, key: json.dumps({**good, "overall": 1, "notes": {key: 1}}),
}
WRONG: dict[str, Callable[[Scores, str], str]] = {
    "refusal": lambda good, key: "I'm sorry, but I can't help with that.",
    "prose": lambda good, key: f"A solid 4 out of 5 for {key}, and 5 for all the rest.",
    "six": _with(value=6),
    "zero": _with(value=0),
    "words": _with(value="four"),
    "digits_as_text": _with(value="4"),
    "fraction": _with(value=4.0),
    "half": _with(value=4.5),
    "null": _with(value=None),
    "true": _with(value=True),
    "list": _with(value=[4]),
    "out_of": lambda good, key: json.dumps(good).replace(f'"{key}": {good[key]}', f'"{key}": 4/5'),
    "missing": lambda good, key: json.dumps({k: v for k, v in good.items() if k != key}),
    "other_name": lambda good, key: json.dumps({f"{k}_" if k == key else k: v for k, v in good.items()}),
    "twice": lambda good, key: json.dumps(good)[:-1] + f', "{key}": {1 + good[key] % 5}}}',
    "truncated": lambda good, key: json.dumps(good)[:-4],
    "inside": lambda good, key: json.dumps({"result": good}),
    "empty": lambda good, key: "",
}


def reply(payload: dict[str, Any], key: str) -> str | None:
    """The reply that the judged sample names; ``mended``: six first, and the right one when asked again."""
    told = "\n".join(str(m["content"]) for m in payload["messages"][:2])
    found = re.search(r"\[reply (\w+) (\d+)\]", told)
    if found is None:
        return None
    sent = payload["response_format"]["json_schema"]["schema"]["properties"]
    keys = [name for name in sent if name != "justification"]
    good: Scores = {"justification": "So.", **written(int(found[2]), keys)}
    kind = found[1]
    if kind == "mended":
        kind = "plain" if len(payload["messages"]) > 2 else "six"
    return {**GOOD, **WRONG}[kind](good, keys[-1])
