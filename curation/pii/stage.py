"""The stage that takes personal data out of documents before generation and out of samples after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from curation.pii import presidio
from curation.pii.config import PiiConfig
from curation.pii.counts import STAGE, audit, evidence
from curation.pii.lexicon import available
from curation.pii.rewrite import acted_on, hash_key, name_words, normalised, rewrite
from curation.pii.search import find
from curation.pii.surrogate import Surrogates
from curation.pii.types import Span
from curation.profiles import UNTOUCHED
from datagen.core.hashing import digest, sha256
from datagen.core.record import AnyRecord, Document, Quote, Sample, Turn, Verdict
from datagen.core.stage import Map, Shard

_BETWEEN = "\n\x00\n"  # no finding crosses a NUL
_BATCH = 1_000_000  # characters searched at once


class Pii(Map):
    """Redacts, replaces or hashes personal data, or rejects what has some; counts all that was found in ``audits``.

    Args:
        config: what is looked for and done.
        produces: ``"document"`` right after loading, ``"sample"`` after generation.
        cleaned: the samples rest on documents that went through this stage with the same configuration; what their
            source still names was put there by it, and stays.

    Raises:
        UsageError: ``hash`` without a key, ``replace`` without Faker.
    """

    name = STAGE
    version = 1

    def __init__(
        self,
        config: PiiConfig = PiiConfig(),
        produces: Literal["document", "sample"] = "sample",
        *,
        cleaned: bool = False,
    ) -> None:
        if config.action == "hash":
            hash_key(config)
        if config.action == "replace":
            Surrogates(config.seed, config.locale)
        self.config = config
        self.produces = produces
        self.cleaned = cleaned

    def fingerprint(self) -> dict[str, Any]:
        """The configuration, which lists and recognisers are installed, and the key of the hashes as a digest."""
        config = self.config.model_dump(mode="json")
        key = digest(["pii", sha256(hash_key(self.config))]) if self.config.action == "hash" else ""
        installed = [_version("faker"), _version("presidio_analyzer") if self.config.presidio else ""]
        return {"config": config, "key": key, "installed": installed, "cleaned": self.cleaned}

    def run(self, shard: Shard) -> list[AnyRecord]:
        out = list(shard)
        batch: list[tuple[int, list[str]]] = []
        size = 0
        for i, record in enumerate(shard):
            texts = _texts(record)
            if texts is None:
                continue
            batch.append((i, texts))
            size += sum(map(len, texts))
            if size > _BATCH:
                self._clean(out, batch)
                batch, size = [], 0
        self._clean(out, batch)
        return out

    def _clean(self, out: list[AnyRecord], batch: Sequence[tuple[int, list[str]]]) -> None:
        found = find([_BETWEEN.join(texts) for _, texts in batch], self.config)
        for (i, texts), spans in zip(batch, found, strict=True):
            if spans:
                out[i] = self._cleaned(out[i], texts, spans)

    def _cleaned(self, record: AnyRecord, texts: list[str], spans: list[Span]) -> AnyRecord:
        parts = _apart(texts, spans)
        if isinstance(record, Sample) and self.cleaned and self.config.action != "reject":
            parts = _not_of_source(record.source, texts, parts)
        audits = audit(texts, parts, self.config)
        update: dict[str, Any] = {"audits": (*getattr(record, "audits", ()), *audits)}
        acted = [a for a in audits if a.kind in acted_on(self.config)]
        if acted and self.config.action == "reject":
            update["verdict"] = Verdict(stage=STAGE, reason="personal_data", evidence=evidence(acted))
            if isinstance(record, Document):
                update |= {"text": "", "pages": (), "turns": ()}
        elif acted:
            names = [word for text, found in zip(texts, parts, strict=True) for word in name_words(text, found)]
            new = [rewrite(text, found, self.config, names) for text, found in zip(texts, parts, strict=True)]
            if isinstance(record, Document):
                update |= _document(record, new)
            elif isinstance(record, Sample):
                update |= _sample(record, iter([text for text, _ in new]))
        return record.model_copy(update=update)


def _version(name: str) -> str:
    import importlib.metadata

    there = available() if name == "faker" else presidio.available()
    return importlib.metadata.version(name.replace("_", "-")) if there else ""


def _texts(record: AnyRecord) -> list[str] | None:
    """The texts of a record that are searched, in the order in which they are put back; None: it is left alone."""
    if isinstance(record, Document) and record.verdict is None:
        return [record.text, record.title, *(turn.speaker for turn in record.turns)]
    if isinstance(record, Sample) and record.verdict is None and record.recipe not in UNTOUCHED:
        return list(_of_sample(record))
    return None


def _of_sample(sample: Sample) -> Iterator[str]:
    for message in sample.messages:
        yield message.content
        for call in message.tool_calls:
            yield from _leaves(_parsed(call))
    if sample.rejected is not None:
        yield sample.rejected.content
    yield from (candidate.content for candidate in sample.ranked)
    yield sample.source
    yield from (quote.text for quote in sample.lineage.quotes)


def _parsed(call: dict[str, Any]) -> Any:
    """A tool call whose arguments are an object, as they often come as the JSON text of one."""
    arguments = call.get("function", {}).get("arguments") if isinstance(call.get("function"), dict) else None
    if isinstance(arguments, str):
        try:
            return {**call, "function": {**call["function"], "arguments": json.loads(arguments)}}
        except (ValueError, RecursionError):
            pass
    return call


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)


def _put(value: Any, texts: Iterator[str]) -> Any:
    """The same value with other strings, in the order of :func:`_leaves`."""
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, dict):
        return {name: _put(item, texts) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_put(item, texts) for item in value]
    return value


def _apart(texts: Sequence[str], spans: Sequence[Span]) -> list[list[Span]]:
    """Findings in joined texts, by the text they are in."""
    out: list[list[Span]] = [[] for _ in texts]
    begin, i = 0, 0
    for span in sorted(spans):
        while i < len(texts) and span.start >= begin + len(texts[i]):
            begin += len(texts[i]) + len(_BETWEEN)
            i += 1
        if i == len(texts):
            break
        if span.start >= begin:
            end = min(span.end - begin, len(texts[i]))
            out[i].append(Span(span.start - begin, end, span.type, span.score))
    return out


def _not_of_source(source: str, texts: Sequence[str], parts: list[list[Span]]) -> list[list[Span]]:
    """The findings whose value a cleaned source does not have."""
    known = " ".join(source.casefold().split())
    plain = "".join(c for c in known if c.isalnum())

    def new(text: str, span: Span) -> bool:
        value = normalised(span.type, text[span.start : span.end])
        return not value or (value not in known and value not in plain)

    return [[s for s in found if new(text, s)] for text, found in zip(texts, parts, strict=True)]


@dataclass(frozen=True)
class _Moves:
    place: Callable[[int], int]
    end: Callable[[int], int]


def _document(document: Document, new: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    text, edits = new[0]
    moves = _Moves(edits.moved, lambda place: edits.moved(place, end=True))
    turns = tuple(
        Turn(speaker=speaker, time=turn.time, start=moves.place(turn.start), end=moves.end(turn.end))
        for turn, (speaker, _) in zip(document.turns, new[2:], strict=True)
    )
    return {"text": text, "title": new[1][0], "pages": tuple(map(moves.place, document.pages)), "turns": turns}


def _sample(sample: Sample, texts: Iterator[str]) -> dict[str, Any]:
    messages = []
    for message in sample.messages:
        content = next(texts)
        calls = tuple(_called(call, texts) for call in message.tool_calls)
        messages.append(message.model_copy(update={"content": content, "tool_calls": calls}))
    update: dict[str, Any] = {"messages": tuple(messages)}
    if sample.rejected is not None:
        update["rejected"] = sample.rejected.model_copy(update={"content": next(texts)})
    update["ranked"] = tuple(c.model_copy(update={"content": next(texts)}) for c in sample.ranked)
    update["source"] = next(texts)
    quotes: tuple[Quote, ...] = tuple(q.model_copy(update={"text": next(texts)}) for q in sample.lineage.quotes)
    update["lineage"] = sample.lineage.model_copy(update={"quotes": quotes})
    return update


def _called(call: dict[str, Any], texts: Iterator[str]) -> dict[str, Any]:
    """A tool call with other strings; arguments that were JSON text are such text again where they changed."""
    parsed = _parsed(call)
    new = _put(parsed, texts)
    if new == parsed:
        return call
    if parsed is not call:
        new["function"]["arguments"] = json.dumps(new["function"]["arguments"], ensure_ascii=False)
    return dict(new)
