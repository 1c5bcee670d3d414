"""A scripted judge for the fake server: mostly wrong replies, by the sample that is judged.

The file runs by itself in the server's process, too.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any

CRITERIA = ("relevance", "clarity", "completeness", "accuracy", "faithfulness")
WRONG: tuple[Any, ...] = (
    6,
    0,
    -1,
    4.5,
    4.0,
    "4",
    "four",
    "four out of five",
    None,
    True,
    [4],
    {"score": 4},
    10**30,
    "",
)
_PROSE = ("I'm sorry, but I can't help with that.", "A solid 4 out of 5.", "six out of five", "", " ", "{", "[1, 2]")


def mutated(rng: random.Random) -> str:
    """A judge's reply after nothing, one or several things went wrong."""
    reply: dict[str, Any] = {"justification": rng.choice(["Fine.", "It says {5}.", 'A "clarity": 3.', "Übel 🎉 \\d"])}
    reply |= {key: rng.randint(1, 5) for key in CRITERIA}
    kind = rng.randrange(12)
    key = rng.choice(CRITERIA)
    if kind == 0:
        return rng.choice(_PROSE)
    if kind == 1:
        reply[key] = rng.choice(WRONG)
    elif kind == 2:
        del reply[key]
    elif kind == 3:
        reply = {"result": reply} if rng.random() < 0.5 else {**reply, "extra": {key: 1}}
    if rng.random() < 0.3:
        reply = dict(rng.sample(list(reply.items()), len(reply)))
    text = json.dumps(reply, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 2]))
    if kind == 4:
        text = text[: rng.randrange(len(text))]
    elif kind == 5:
        text = re.sub(
            rf'("{key}": )\d', rf"\g<1>{rng.choice(['3 4', '4/5', '04', '+4', '4e0', '４', '٤', 'NaN', '0x4'])}", text
        )
    elif kind == 6:
        text = text.replace(f'"{key}"', f'"{key}": {rng.randint(1, 5)}, "{key}"', 1)
    elif kind == 7:
        text = rng.choice(["Sure!\n```json\n{}\n```", "<think>{{5}}</think>{}", "{} // done", "{}{}", "'{}'"]).replace(
            "{}", text
        )
    elif kind in (8, 9, 10):
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text) + 1)
            put = rng.choice(["", "", '"', ",", "}", "{", ":", "5", "1", "\\", "\n", "\0", "“", ".", "-", "\u202e"])
            text = text[:at] + put + text[at + rng.randint(0, 2) :]
    return text


def reply(payload: dict[str, Any], key: str) -> str | None:
    """Every fourth sample is judged well; all others go wrong somehow."""
    found = re.search(r"\[case (\d+)\]", "\n".join(str(m["content"]) for m in payload["messages"]))
    if found is None:
        return None
    number = int(found[1])
    if number % 4 == 0:
        return json.dumps({"justification": "Fine.", **dict.fromkeys(CRITERIA, 1 + number % 5)})
    return mutated(random.Random(f"{number} {key}"))
