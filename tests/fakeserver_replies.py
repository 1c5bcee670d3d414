"""What the fake endpoint says: deterministic by the request, and in the shape that was asked for."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable
from typing import Any

from tests.fakeserver_schema import Source, draw, instance

__all__ = ["Script", "completion", "content", "draw", "rendered"]

Script = Callable[[dict[str, Any], str], dict[str, Any] | str | None]
_TOKEN = re.compile(r"\s*\w{1,8}|\s*[^\w\s]|\s+")
_MASKED = -9999.0  # what vLLM reports for tokens that a grammar forbids


def load_script(path: str) -> Script:
    """The function ``reply`` of a Python file of a test's own."""
    script: Script = runpy.run_path(path)["reply"]
    return script


def content(payload: dict[str, Any], key: str, *, bad: bool = False) -> str:
    """The assistant's text for a request: an instance of its schema, else a sentence.

    Args:
        bad: the quotes in it are made up.
    """
    sent = payload.get("response_format") or {}
    schema = (sent.get("json_schema") or {}).get("schema")
    source = Source(_user_text(payload), key, bad=bad)
    if schema is not None:
        return json.dumps(instance(schema, source), ensure_ascii=False)
    if sent.get("type") == "json_object" or "JSON" in source.text:
        return json.dumps(_guess(payload, source))
    if source.passages[0] != source.text[-400:]:  # a passage was shown
        return f"{source.phrase(12, 'plain').capitalize()}."
    return "A plain reply."


def _guess(payload: dict[str, Any], source: Source) -> dict[str, Any]:
    """Where no schema was sent, the form is read off the prompt, as a model would do."""
    text = "\n".join(str(m.get("content")) for m in payload["messages"])
    if '"pairs"' in text:
        return {"pairs": source.pairs(0, 100)}
    if '"justification"' in text:
        names = re.findall(r'"(\w+)": 1\b', text)
        return {"justification": "It is supported.", **{n: 3 + draw(source.key, n) % 3 for n in names}}
    return {"ready": True}


def completion(
    payload: dict[str, Any], key: str, texts: list[str], finish: str, logprobs: int | None
) -> dict[str, Any]:
    """A chat completion with a choice for each text.

    Args:
        logprobs: alternatives a token, or None for no log-probabilities.
    """
    size = sum(len(str(m.get("content"))) for m in payload["messages"])
    usage = {"prompt_tokens": size // 4 + 1, "completion_tokens": sum(len(t) // 4 + 1 for t in texts)}
    choices = []
    for index, text in enumerate(texts):
        message = {"role": "assistant", "content": text, "refusal": None}
        choice: dict[str, Any] = {"index": index, "message": message, "finish_reason": finish}
        if logprobs is not None:
            choice["logprobs"] = {"content": _logprobs(text, key, logprobs)}
        choices.append(choice)
    return {
        "id": f"chatcmpl-{key}",
        "object": "chat.completion",
        "created": 0,
        "model": payload["model"],
        "choices": choices,
        "usage": {**usage, "total_tokens": sum(usage.values())},
    }


def _logprobs(text: str, key: str, alternatives: int) -> list[dict[str, Any]]:
    """As in the API reference; a digit shares its mass with its neighbours, and one alternative is masked."""
    found = []
    for place, token in enumerate(_TOKEN.findall(text)):
        chance = draw(key, "logprob", place) % 1000 / 1000
        top = [(token, -0.05 - 0.6 * chance)]
        digit = token.strip()
        if digit.isdigit() and len(digit) == 1:
            others = [str(d) for d in (int(digit) - 1, int(digit) + 1) if 1 <= d <= 5]
            top += [(token.replace(digit, other), -1.5 - n - chance) for n, other in enumerate(others)]
        top += [("~", _MASKED)]
        top = top[: max(1, alternatives)]
        entries = [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in top]
        found.append({**entries[0], "top_logprobs": entries[:alternatives]})
    return found


def rendered(payload: dict[str, Any]) -> str:
    """The conversation as one text, as a chat template writes it."""
    return "".join(f"<|{m.get('role')}|>\n{m.get('content')}\n" for m in payload["messages"])


def _user_text(payload: dict[str, Any]) -> str:
    return "\n".join(str(m.get("content")) for m in payload["messages"] if m.get("role") == "user")
