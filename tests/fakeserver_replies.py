"""What the fake endpoint says: deterministic by the request, and in the shape that was asked for."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

_PASSAGE = re.compile(r"<(passage[\w-]*)>\n(.*?)\n</\1>", re.DOTALL)
_WANTED = re.compile(r"\b(\d{1,2})\b[^\n]{0,40}\bpairs?\b")
_SENTENCE = re.compile(r"[^\n.!?]+(?:[.!?]|(?=\n)|$)")
_WORD = re.compile(r"\w+")
_FILLER = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")


def draw(*parts: Any) -> int:
    """A number that depends on nothing but its arguments."""
    data = json.dumps(parts, sort_keys=True, default=str).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def content(payload: dict[str, Any], key: str, schema: dict[str, Any] | None = None) -> str:
    """The assistant's text for a request: an instance of its schema, else a sentence."""
    sent = payload.get("response_format") or {}
    schema = schema or (sent.get("json_schema") or {}).get("schema")
    if schema is None and sent.get("type") != "json_object" and "JSON" not in _user_text(payload):
        return "A plain reply."
    if schema is None:
        return json.dumps(_guess(payload, key))
    return json.dumps(_instance(schema, schema.get("$defs", {}), _Source(payload, key), ()), ensure_ascii=False)


def _guess(payload: dict[str, Any], key: str) -> dict[str, Any]:
    """Where no schema was sent, the form is read off the prompt, as a model would do."""
    text = "\n".join(str(m.get("content")) for m in payload["messages"])
    if '"pairs"' in text:
        return {"pairs": _Source(payload, key).pairs()}
    if '"justification"' in text:
        names = ("relevance", "clarity", "completeness", "accuracy")
        return {"justification": "It is supported.", **{n: 3 + draw(key, n) % 3 for n in names}}
    return {"ready": True}


class _Source:
    """The passage of a request, cut into sentences that are copied verbatim."""

    def __init__(self, payload: dict[str, Any], key: str) -> None:
        self.key = key
        text = _user_text(payload)
        found = _PASSAGE.findall(text)
        self.passage = found[-1][1] if found else text[-400:]
        wanted = _WANTED.findall(text)
        self.wanted = int(wanted[-1]) if wanted else 3

    def pairs(self) -> list[dict[str, Any]]:
        """As many pairs as were asked for, fewer where the passage has fewer sentences."""
        sentences = [s.strip() for s in _SENTENCE.findall(self.passage)]
        sentences = list(dict.fromkeys(s for s in sentences if len(_WORD.findall(s)) >= 5))
        if not sentences:
            sentences = [self.passage.strip() or "Nothing"]
        start = draw(self.key, "start") % len(sentences)
        chosen = (sentences[start:] + sentences[:start])[: self.wanted]
        return [
            {"question": f"What is stated about {_beginning(sentence)}?", "answer": sentence, "evidence": [sentence]}
            for sentence in chosen
        ]


def _beginning(sentence: str) -> str:
    """Half of the words, at most seven: enough to tell questions apart, too little to give the answer away."""
    words = _WORD.findall(sentence)
    return " ".join(words[: min(7, (len(words) + 1) // 2)])


def _user_text(payload: dict[str, Any]) -> str:
    return "\n".join(str(m.get("content")) for m in payload["messages"] if m.get("role") == "user")


def _instance(schema: dict[str, Any], defs: dict[str, Any], source: _Source, path: tuple[str, ...]) -> Any:
    if "$ref" in schema:
        return _instance(defs[schema["$ref"].rsplit("/", 1)[-1]], defs, source, path)
    if "const" in schema:
        return schema["const"]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _instance(options[0], defs, source, path)
    number = draw(source.key, *path)
    if "enum" in schema:
        high = [v for v in schema["enum"] if not isinstance(v, int) or v >= 3] or schema["enum"]
        return high[number % len(high)]
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, defs, source, path)
    if kind == "array":
        items = schema.get("items", {})
        return [_instance(items, defs, source, (*path, str(i))) for i in range(max(1, schema.get("minItems", 1)))]
    if kind == "integer":
        low, high = max(3, schema.get("minimum", 3)), min(5, schema.get("maximum", 5))
        return low + number % max(1, high - low + 1)
    if kind == "number":
        return 0.5
    if kind == "boolean":
        return True
    return " ".join(_FILLER[(number >> shift) % len(_FILLER)] for shift in (0, 3, 6, 9))


def _object(schema: dict[str, Any], defs: dict[str, Any], source: _Source, path: tuple[str, ...]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    made: dict[str, Any] = {}
    for name, part in properties.items():
        items = part.get("items", {})
        target = defs.get(str(items.get("$ref", "")).rsplit("/", 1)[-1], items)
        if {"question", "answer", "evidence"} <= set(target.get("properties", {})):
            made[name] = source.pairs()
        else:
            made[name] = _instance(part, defs, source, (*path, name))
    return made
