"""A scripted judge for tests/test_recipes.py: names the planted flaw of a rejected reply, and scores it low.

The fake server asks ``reply`` before it makes an answer of its own.
"""

from __future__ import annotations

import json
import re
from typing import Any

_REPLY = re.compile(r"<(reply[\w-]*)>\n(.*?)\n</\1>", re.DOTALL)
_FLAW = re.compile(r"^The flaw: (\w+)\.", re.MULTILINE)
_MARK = "Flawed on purpose"


def reply(payload: dict[str, Any], key: str) -> str | None:
    """Answers to the questions about pairs; None for all others."""
    user = "\n".join(m["content"] for m in payload["messages"] if m["role"] == "user")  # also where it is asked again
    sent = (payload.get("response_format") or {}).get("json_schema") or {}
    name = sent.get("name")
    if name == "preference" and (planted := _FLAW.search(user)):
        chosen = _REPLY.findall(user)[-1][1]
        return json.dumps({"plan": "said", "reply": f"{_MARK} ({planted[1]}): {chosen}"})
    if name == "preference":  # a candidate
        return json.dumps({"reply": f"{_MARK} (wrong_fact) {key[:4]}: {user[:80]}"})
    if name is None and len(payload["messages"]) < 3 and "<passage" not in user and "JSON" not in user:
        return f"{_MARK} (unsupported_claim): {user[:120]}"
    if name == "flaws":
        shown = _REPLY.findall(user)[-1][1]
        found = re.match(rf"{_MARK} \((\w+)\)", shown)
        return json.dumps({"explanation": "seen", "flaw": found[1] if found else "none", "further": []})
    if _MARK in user:
        criteria = [key for key in sent["schema"]["properties"] if key != "justification"]
        return json.dumps({"justification": "flawed", **dict.fromkeys(criteria, 1)})
    return None
