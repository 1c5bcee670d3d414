"""k-shot examples: the shipped ones or gold samples, as a pool of samples, and how prompts show them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datagen.core.errors import UsageError
from datagen.core.hashing import digest
from datagen.core.record import Lineage, Message, Quote, Sample
from datagen.generate.config import GeneratorConfig
from datagen.generate.ground import locate
from datagen.llm import prompts
from datagen.llm.fence import fence

MAX_BYTES = 10_000_000
GOLD = "gold"
SECOND = "passage_2"  # marks the second passage of an example in its lineage
_LISTS = ("pairs", "tasks")


def pool_of(name: str, config: GeneratorConfig, gold: Sequence[Sample]) -> tuple[Sample, ...]:
    """The examples that a recipe's prompts may show.

    Args:
        name: the shipped file, as in ``"generate/qa.examples.jsonl"``.
        gold: the user's; where there are any that can be shown, the shipped ones are left out.

    Raises:
        UsageError: as :func:`read`.
    """
    if not config.shots:
        return ()
    pool = tuple(s for s in gold if exchange(s) is not None)
    if not pool:
        pool = tuple(read(prompts.locate(name, config.prompts)))
    # What is never shown shapes nothing.
    return pool[: config.shots] if config.selection == "fixed" else pool


def read(path: Path) -> list[Sample]:
    """Read examples, one JSON object a line, each of a form that :func:`samples_of` knows.

    Raises:
        UsageError: unreadable file, or a line of no known form (its number is named).
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"Could not read the examples {path.name}.",
            f"{error.strerror if isinstance(error, OSError) else 'The file is not UTF-8'}.",
            "Name a JSONL file with --set generator.examples=FILE.",
        ) from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"The examples {path.name} are too large.", "Over 10 MB.", "Give the best few thousand.")
    found: list[Sample] = []
    for number, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            found += samples_of(json.loads(row))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UsageError(
                f"Line {number} of {path.name} is no example.",
                f"{type(error).__name__}: {error}.",
                'Each line needs "passage", "question" and "answer", or "messages".',
            ) from error
    if not found:
        raise UsageError(
            f"{path.name} holds no example.", "Every line is blank.", "Add lines, or leave the option out."
        )
    return found


def samples_of(row: Any) -> list[Sample]:
    """The gold samples of one row.

    Forms: ``{"passage", "pairs": [{"question", "answer", "evidence", "type"}]}``; ``{"passage", "tasks":
    [{"instruction", "input", "output", "evidence"}]}``; one such pair or task beside its passage; and OpenAI
    ``{"messages": […]}``. Passage (``context`` is another name), a second one (``passage_2``), evidence, type
    and input may be missing.

    Raises:
        KeyError, TypeError, ValueError: it is of none of these forms.
    """
    if not isinstance(row, dict):
        raise TypeError("not a JSON object")
    first = _text(row, "passage") or _text(row, "context")
    second = _text(row, "passage_2")
    if "messages" in row:
        messages = tuple(Message(role=m["role"], content=m["content"]) for m in row["messages"])
        if [m.role for m in messages if m.role != "system"][:2] != ["user", "assistant"]:
            raise ValueError("messages need a user and then an assistant")
        return [_sample(messages, first, second, _quotes(row), {})]
    items = next((row[name] for name in _LISTS if name in row), [row])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise TypeError("pairs and tasks must be lists of objects")
    found: list[Sample] = []
    for item in items:
        extra = {name: value for name in ("type", "input") if (value := _text(item, name))}
        asked = _text(item, "question") or _needed(item, "instruction")
        answer = _text(item, "answer") or _needed(item, "output")
        told = "\n\n".join([asked, extra["input"]]) if "input" in extra else asked
        messages = (Message(role="user", content=told), Message(role="assistant", content=answer))
        found.append(_sample(messages, first, second, _quotes(item), extra))
    return found


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str | None):
        raise TypeError(f"{name} must be text")
    return value or ""


def _needed(row: Mapping[str, Any], name: str) -> str:
    if not _text(row, name):
        raise KeyError(name)
    return _text(row, name)


def _quotes(row: Mapping[str, Any]) -> list[str]:
    evidence = row.get("evidence") or []
    quotes = [evidence] if isinstance(evidence, str) else list(evidence)
    if not all(isinstance(quote, str) for quote in quotes):
        raise TypeError("evidence must be text, or a list of texts")
    return quotes


def _sample(
    messages: tuple[Message, ...], first: str, second: str, evidence: Sequence[str], attributes: dict[str, str]
) -> Sample:
    source = "\n\n".join(part for part in (first, second) if part)
    spans = [(text, locate(text, source) or (0, 0)) for text in evidence]  # pasted evidence is shown as it is
    quotes = [Quote(text=text, start=start, end=end) for text, (start, end) in spans]
    lineage = Lineage(
        path="",
        sha256="",
        chunk="",
        start=0,
        end=len(first),
        quotes=tuple(quotes),
        model=GOLD,
        related=(("", SECOND, len(source) - len(second), len(source)),) if second else (),
    )
    told = [[m.role, m.content] for m in messages]
    return Sample(
        id=digest([GOLD, told, source]),
        recipe=GOLD,
        messages=messages,
        source=source,
        attributes=attributes,
        lineage=lineage,
    )


def exchange(sample: Sample) -> tuple[str, str] | None:
    """The first instruction and its answer; None where the sample does not begin with them."""
    turns = [m for m in sample.messages if m.role != "system"]
    if [m.role for m in turns[:2]] != ["user", "assistant"] or not turns[1].content:
        return None
    return turns[0].content, turns[1].content


def rendered(
    chosen: Sequence[Sample], form: str, item: Callable[[Sample, list[str]], dict[str, Any]]
) -> list[dict[str, Any]]:
    """How a prompt shows examples: those of one passage that follow each other as one reply.

    Args:
        chosen: from the pool, in the order in which they are shown.
        form: the name of the list in a reply, as in ``"pairs"``.
        item: an entry of that list, from a sample and its evidence.

    Returns:
        Of each ``passages`` (``text`` and ``fence``), ``items``, and ``reply``, the JSON text. Where a sample
        has no passage its answer stands for it.
    """
    shown: list[dict[str, Any]] = []
    for parts, group in itertools.groupby(chosen, _passages):
        samples = list(group)
        answers = [told[1] for s in samples if (told := exchange(s))]
        items = [
            item(s, [q.text for q in s.lineage.quotes] or [answer]) for s, answer in zip(samples, answers, strict=True)
        ]
        texts = parts or ("\n\n".join(answers),)
        names = [fence("passage" if i == 0 else f"passage_{i + 1}", "\n".join(texts)) for i in range(len(texts))]
        shown.append(
            {
                "passages": [{"text": text, "fence": name} for text, name in zip(texts, names, strict=True)],
                "items": items,
                "reply": json.dumps({form: items}, ensure_ascii=False),
            }
        )
    return shown


def _passages(sample: Sample) -> tuple[str, ...]:
    related = sample.lineage.related
    if related and related[0][1] == SECOND:
        return sample.source[: sample.lineage.end], sample.source[related[0][2] : related[0][3]]
    return (sample.source,) if sample.source else ()
