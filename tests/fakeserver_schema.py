"""An instance of a JSON schema, made of the words of the passage that the prompt shows.

Quotes are verbatim, other strings are stitched together from the passage's words: no two requests get the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

_FENCED = re.compile(r"<(passage[\w-]*)>\n(.*?)\n</\1>", re.DOTALL)
_ANY_FENCE = re.compile(r"<([a-z][\w-]*)>\n(.*?)\n</\1>", re.DOTALL)
_WANTED_PAIRS = re.compile(r"\b(\d{1,2})\b[^\n]{0,40}\bpairs?\b")
_WANTED = re.compile(r"\b(?:write|give|make|plan|list|name|propose)\s+(?:exactly\s+)?(\d{1,2})\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[^\n.!?]+(?:[.!?]|(?=\n)|$)")
_WORD = re.compile(r"\w+")
_VERBATIM = ("evidence", "quote", "quotes")
_ASKING = ("question", "instruction", "query", "ask")
_NUMBERED = re.compile(r"[-_]?\d*\Z")
_FORMATS = {
    "date": "2024-05-17",
    "date-time": "2024-05-17T12:30:00Z",
    "time": "12:30:00",
    "email": "someone@example.org",
    "uri": "https://example.org/page",
}
_GUESSES = ("alpha", "Alpha beta", "17", "2024-05-17", "a_b", "A", "0", "alpha.", "x-1", "1.5")
_LARGE = 2**53
BAD = "This sentence stands in no passage at all"


def draw(*parts: Any) -> int:
    """A number that depends on nothing but its arguments."""
    data = json.dumps(parts, sort_keys=True, default=str).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


class Source:
    """The passages of a request, cut into sentences that are copied verbatim.

    Args:
        text: the user's messages.
        key: of the request; everything drawn depends on it.
        bad: quotes are then none.
    """

    def __init__(self, text: str, key: str, *, bad: bool = False) -> None:
        self.key = key
        self.bad = bad
        self.text = text
        # The last fence of each name: examples before it may use the same one.
        fences = dict(_FENCED.findall(text)) or dict(_ANY_FENCE.findall(text))
        self.passages = list(fences.values()) or [text[-400:]]
        self.passage = self.passages[0]
        self.words = _WORD.findall(" ".join(self.passages)) or ["nothing"]

    def sentences(self, passage: str) -> list[str]:
        """Sentences of five words or more; the whole passage where there are none."""
        found = list(dict.fromkeys(s.strip() for s in _SENTENCE.findall(passage)))
        return [s for s in found if len(_WORD.findall(s)) >= 5] or [passage.strip() or "Nothing"]

    def quote(self, number: int, *path: str) -> str:
        """A verbatim sentence: the ``number``-th quote is of the ``number``-th passage, in turn."""
        if self.bad:
            return f"{BAD}, number {draw(self.key, path)}."
        sentences = self.sentences(self.passages[number % len(self.passages)])
        return sentences[(draw(self.key, "quote", path[:-1]) + number) % len(sentences)]

    def pairs(self, least: int, most: int) -> list[dict[str, Any]]:
        """As many pairs as were asked for, fewer where the passage has fewer sentences."""
        sentences = self.sentences(self.passage)
        start = draw(self.key, "start") % len(sentences)
        wanted = self.wanted("pairs", 3)
        chosen = (sentences[start:] + sentences[:start])[: min(max(wanted, least), most)]
        chosen += [sentences[i % len(sentences)] for i in range(len(chosen), least)]
        return [
            {
                "question": f"What is stated about {_beginning(sentence)}?",
                "answer": sentence,
                "evidence": [self.quote(i, "evidence", str(i))] if self.bad else [sentence],
            }
            for i, sentence in enumerate(chosen)
        ]

    def wanted(self, name: str, otherwise: int) -> int:
        """How many ``name`` the prompt asks for."""
        if name == "pairs":
            found = _WANTED_PAIRS.findall(self.text)
        else:
            single = re.escape(name.removesuffix("s"))
            found = re.findall(rf"\b(\d{{1,2}})\b[^\n\d]{{0,40}}\b{single}s?\b", self.text) or _WANTED.findall(
                self.text
            )
        return int(found[-1]) if found else otherwise

    def phrase(self, count: int, *path: str) -> str:
        """Words of the passages, in runs of three to five from several places."""
        made: list[str] = []
        step = 0
        while len(made) < count:
            number = draw(self.key, "phrase", step, path)
            start = number % len(self.words)
            made += self.words[start : start + 3 + (number >> 32) % 3]
            step += 1
        return " ".join(made[:count])


def instance(schema: dict[str, Any], source: Source) -> Any:
    """A value that satisfies the schema (types, enums, constants, bounds of numbers, strings and arrays)."""
    return _made(schema, schema.get("$defs") or schema.get("definitions") or {}, source, ())


def _made(schema: dict[str, Any], defs: dict[str, Any], source: Source, path: tuple[str, ...]) -> Any:
    if "$ref" in schema:
        return _made(defs[schema["$ref"].rsplit("/", 1)[-1]], defs, source, path)
    if "const" in schema:
        return schema["const"]
    if parts := schema.get("allOf"):
        merged = {**{k: v for k, v in schema.items() if k != "allOf"}}
        for part in parts:
            merged |= defs[part["$ref"].rsplit("/", 1)[-1]] if "$ref" in part else part
        return _made(merged, defs, source, path)
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _made(next((o for o in options if o.get("type") != "null"), options[0]), defs, source, path)
    number = draw(source.key, *path)
    if "enum" in schema:
        high = [v for v in schema["enum"] if not isinstance(v, int) or v >= 3] or schema["enum"]
        return high[number % len(high)]
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if kind == "object" or (kind is None and "properties" in schema):
        return {name: _made(part, defs, source, (*path, name)) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return _array(schema, defs, source, path)
    if kind == "integer":
        return _integer(schema, number)
    if kind == "number":
        return min(max(0.5, float(schema.get("minimum", 0.5))), float(schema.get("maximum", 0.5)))
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    return _string(schema, source, path)


def _array(schema: dict[str, Any], defs: dict[str, Any], source: Source, path: tuple[str, ...]) -> list[Any]:
    least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", 100))
    fixed = schema.get("prefixItems", [])
    if fixed:
        return [_made(part, defs, source, (*path, str(i))) for i, part in enumerate(fixed)]
    items = schema.get("items", {})
    target = defs.get(str(items.get("$ref", "")).rsplit("/", 1)[-1], items)
    keys = set(target.get("properties", {}))
    if {"question", "answer", "evidence"} <= keys:
        pairs = source.pairs(least, most)
        others = {n: p for n, p in target["properties"].items() if n not in ("question", "answer")}
        return [
            {n: pair[n] for n in ("question", "answer")}
            | {
                n: pair["evidence"] if n == "evidence" and _plain(p) else _made(p, defs, source, (*path, str(i), n))
                for n, p in others.items()
            }
            for i, pair in enumerate(pairs)
        ]
    name = path[-1] if path else ""
    wanted = source.wanted(name, least) if len(path) == 1 and keys else least
    count = min(max(1, wanted, least), most)
    return [_made(items, defs, source, (*path, str(i))) for i in range(count)]


def _plain(schema: dict[str, Any]) -> bool:
    """An array of strings without bounds that one quote could miss."""
    items = schema.get("items", {})
    return schema.get("type") == "array" and items.get("type") == "string" and int(schema.get("minItems", 0)) <= 1


def _integer(schema: dict[str, Any], number: int) -> int:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -_LARGE) + 1)
    high = schema.get("maximum", schema.get("exclusiveMaximum", _LARGE) - 1)
    wanted_low, wanted_high = max(3, low), min(5, high)
    if wanted_low > wanted_high:
        wanted_low = wanted_high = min(max(3, low), high)
    return int(wanted_low + number % int(wanted_high - wanted_low + 1))


def _string(schema: dict[str, Any], source: Source, path: tuple[str, ...]) -> str:
    name = next((p for p in reversed(path) if not p.isdigit()), "")
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 10**6))
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    number = int(path[-1]) if path and path[-1].isdigit() else _place(path)
    if _NUMBERED.sub("", name) in _VERBATIM or any(name.endswith(f"_{v}") for v in _VERBATIM):
        return source.quote(number, *path)[:most].strip()
    if "pattern" in schema:
        fits = [g for g in _GUESSES if re.search(schema["pattern"], g) and least <= len(g) <= most]
        return fits[0] if fits else source.phrase(3, *path)
    asking = any(word in name for word in _ASKING)
    count = 9 + draw(source.key, "length", *path) % 6
    text = source.phrase(count, *path)
    if most < 40:
        text = source.phrase(2, *path)
    elif asking:
        text = f"What is stated about {text}?"
    else:
        text = f"{text[0].upper()}{text[1:]}."
    while len(text) < least:
        count *= 2
        text += " " + source.phrase(count, *path, "more") + "."
    if len(text) > most:
        cut = text[:most].rsplit(" ", 1)[0]
        text = cut if len(cut) >= max(least, 1) else text[:most]
    return text


def _place(path: tuple[str, ...]) -> int:
    """Position of the item that a string belongs to, for a single quote in each item of a list."""
    return next((int(p) for p in reversed(path) if p.isdigit()), 0)


def _beginning(sentence: str) -> str:
    """Half of the words, at most seven: enough to tell questions apart, too little to give the answer away."""
    words = _WORD.findall(sentence)
    return " ".join(words[: min(7, (len(words) + 1) // 2)])
