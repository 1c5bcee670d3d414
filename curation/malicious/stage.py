"""The stage that defuses sources, and rejects or defuses chunks and samples."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from curation.malicious import exemplars, plugins, secrets
from curation.malicious.config import MaliciousConfig
from curation.malicious.defuse import applied, changes, moved, neutralise
from curation.malicious.finding import Finding
from curation.malicious.search import scan
from curation.profiles import UNTOUCHED
from datagen.core.record import AnyRecord, Audit, Chunk, Document, Message, Sample, Verdict
from datagen.core.stage import Map, Shard

STAGE = "malicious"
_SHOWN = 60  # characters of a passage in an example
_BATCH = 64
_DATA = ("injection.toml", "exemplars.txt", "wording.tsv")
# Runs that may hold a secret, a number that identifies somebody, or an address.
_LONG = re.compile(r"[\w+/=-]{25,200}|(?=[A-Za-z+/=_-]{0,60}\d)[\w+/=-]{9,200}|[\w.+-]{1,60}@[\w.-]{1,60}")
_ORDERS = ("prompt_injection", "jailbreak")


class Malicious(Map):
    """Looks for attacks and secrets in documents, chunks or samples; ``produces`` says in which."""

    name = STAGE
    version = 2

    def __init__(self, config: MaliciousConfig, produces: Literal["document", "chunk", "sample"] = "sample") -> None:
        self.config = config
        self.produces = produces

    def fingerprint(self) -> dict[str, Any]:
        return {
            "config": self.config.model_dump(mode="json", exclude={"batch_size"}),
            "produces": self.produces,
            "data": [hashlib.sha256(Path(__file__).with_name(n).read_bytes()).hexdigest() for n in _DATA],
            "plugins": len(plugins.plugins()) if self.config.detect_secrets else 0,
            "embedder": exemplars.model_asked(self.config.exemplars),
        }

    def run(self, shard: Shard) -> list[AnyRecord]:
        out = list(shard)
        wanted = [i for i, record in enumerate(out) if self._wanted(record)]
        for low in range(0, len(wanted), _BATCH):
            part = wanted[low : low + _BATCH]
            pieces = [_pieces(out[i]) for i in part]
            found = iter(scan([text for texts in pieces for text in texts], self._config()))
            for i, texts in zip(part, pieces, strict=True):
                here = [self._counted(next(found), out[i]) for _ in texts]
                if any(here):
                    out[i] = self._handled(out[i], texts, here)
        return out

    def _wanted(self, record: AnyRecord) -> bool:
        if not self.config.enabled or not isinstance(record, Document | Chunk | Sample) or record.verdict is not None:
            return False
        if isinstance(record, Document):
            return self.produces == "document" and self.config.documents != "off"
        if isinstance(record, Chunk):
            return self.produces == "chunk" and self.config.chunks != "off"
        return self.produces == "sample" and self.config.samples != "off" and record.recipe not in UNTOUCHED

    def _config(self) -> MaliciousConfig:
        """With the kinds that are acted on here."""
        if self.produces != "document":
            return self.config
        kinds = tuple(kind for kind in self.config.kinds if kind in self.config.document_kinds)
        model = self.config.model if set(kinds) & set(_ORDERS) else ""
        return self.config.model_copy(update={"kinds": kinds, "model": model})

    def _counted(self, found: list[Finding], record: AnyRecord) -> list[Finding]:
        """In samples, whose users may say how they want to be answered, orders count from a higher score."""
        if not isinstance(record, Sample):
            return found
        return [f for f in found if f.kind not in _ORDERS or f.score >= self.config.sample_threshold]

    def _handled(self, record: AnyRecord, texts: list[str], found: list[list[Finding]]) -> AnyRecord:
        if isinstance(record, Document):
            return self._defused_document(record, texts[0], found[0])
        assert isinstance(record, Chunk | Sample)
        action = self.config.chunks if isinstance(record, Chunk) else self.config.samples
        pairs = [(text, f) for text, here in zip(texts, found, strict=True) for f in here]
        update: dict[str, Any] = {"audits": (*record.audits, *_audits(pairs, action))}
        if action == "reject":
            text, worst = max(pairs, key=lambda pair: pair[1].score)
            evidence = f"{worst.kind} ({worst.rule}) {worst.score:.2f} at {worst.start}: “{masked(text, worst)}”"
            update["verdict"] = Verdict(stage=STAGE, reason="malicious", evidence=evidence)
        elif action == "neutralise" and isinstance(record, Sample):
            made = [neutralise(text, here, self._config()) for text, here in zip(texts, found, strict=True)]
            update |= _put_back(record, made)
        return record.model_copy(update=update)

    def _defused_document(self, record: Document, text: str, found: list[Finding]) -> Document:
        made = changes(text, found, self._config())
        turns = tuple(
            turn.model_copy(update={"start": moved(turn.start, made), "end": moved(turn.end, made)})
            for turn in record.turns
        )
        return record.model_copy(
            update={
                "text": applied(text, made),
                "pages": tuple(moved(page, made) for page in record.pages),
                "turns": turns,
                "audits": (*record.audits, *_audits([(text, f) for f in found], "neutralise")),
            }
        )


def _pieces(record: AnyRecord) -> list[str]:
    """The texts of a record that are looked at, each for itself."""
    if isinstance(record, Document | Chunk):
        return [record.text]
    if isinstance(record, Sample):
        rejected = [record.rejected.content] if record.rejected else []
        return [*(message.content for message in record.messages), *rejected]
    return []


def _put_back(record: Sample, texts: Sequence[str]) -> dict[str, Any]:
    """The fields of a sample with its texts in place of the old ones, in the order of :func:`_pieces`."""
    messages: list[Message] = [
        message.model_copy(update={"content": text}) for message, text in zip(record.messages, texts, strict=False)
    ]
    out: dict[str, Any] = {"messages": tuple(messages)}
    if record.rejected:
        out["rejected"] = record.rejected.model_copy(update={"content": texts[len(messages)]})
    return out


def _audits(pairs: Sequence[tuple[str, Finding]], action: str) -> list[Audit]:
    out = []
    for kind in sorted({f.kind for _, f in pairs}):
        here = [(text, f) for text, f in pairs if f.kind == kind]
        text, worst = max(here, key=lambda pair: pair[1].score)
        done = "none" if action == "audit" else action
        example = f"{worst.rule}: {masked(text, worst)} ({worst.score:.2f})"
        out.append(Audit(stage=STAGE, kind=kind, action=done, count=len(here), example=example))
    return out


def masked(text: str, finding: Finding) -> str:
    """A short, escaped form of what was found, for people: of a secret its length alone, of all else the beginning,
    with angle brackets and control characters made harmless."""
    if finding.kind == "secret":
        return f"{finding.end - finding.start} characters"
    passage = text[finding.start : finding.start + 4 * _SHOWN]
    for secret in sorted(secrets.found(passage), key=lambda f: -f.start):
        passage = f"{passage[: secret.start]}[secret]{passage[secret.end :]}"
    flat = " ".join(passage.encode("ascii", "backslashreplace").decode().split())
    flat = flat.replace("<", "‹").replace(">", "›")
    hidden = "".join(c if c.isprintable() else "·" for c in flat)
    hidden = _LONG.sub(lambda m: m[0][:4] + "•••", hidden)
    return hidden if len(hidden) <= _SHOWN else hidden[: _SHOWN - 1] + "…"
