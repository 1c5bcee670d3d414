"""Made-up but plausible runs of any size, the same for the same seed: documents, chunks, samples, failures."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from datagen.core.hashing import digest, sha256
from datagen.core.record import (
    AnyRecord,
    Chunk,
    Document,
    Failure,
    Lineage,
    Message,
    Quote,
    Rejected,
    Sample,
    Split,
    Verdict,
)

NO_MODEL = "none (extractive rules)"
_KINDS = (("markdown", "md", 46), ("pdf", "pdf", 18), ("html", "html", 14), ("docx", "docx", 9), ("rst", "rst", 8))
_TOPICS = [
    "the connection pool", "a retry policy", "the write-ahead log", "the lock file", "a shard", "the event loop",
    "the schema registry", "a read replica", "the cache key", "the rate limiter", "a health check", "the scheduler",
    "the access token", "a dead letter queue", "the snapshot", "a migration", "the audit trail", "the load balancer",
]  # fmt: skip
_DOES = [
    "keeps a bounded number of sockets open and hands them out in the order of arrival",
    "is written before the change itself, so that a crash between the two loses nothing",
    "is renewed every thirty seconds and expires after two missed renewals",
    "is chosen by the hash of its content, which makes the same input land in the same place",
    "waits with a random share of the delay, because equal delays make clients come back together",
    "rejects what arrives above the limit and says in the reply when to try again",
    "is read by one process at a time; a second one gets a clear message and ends",
    "holds everything that is needed to continue after a restart, and nothing else",
]
_WHY = [
    "Without it, a slow client would hold up all the others.",
    "This costs one additional write and saves a full scan at start.",
    "The default suits most installations; raise it only after measuring.",
    "Older releases did this in memory, which did not survive a restart.",
    "Operators can watch it with `status --verbose`.",
    "The value is stated in seconds and must not be negative.",
]
_SECTIONS = ["Overview", "Configuration", "Operation", "Failure modes", "Limits", "Recovery", "Security", "Upgrading"]
_PRODUCTS = ["harbour", "lantern", "meridian", "quarry", "tideline"]
FOLDERS = ["guide", "reference", "how-to", "internals", "release-notes"]


def paragraph(rng: random.Random) -> tuple[str, str, str]:
    """A passage of three to seven sentences, one of its topics, and the sentence about that topic."""
    sentences, topic, core = [], "", ""
    for _ in range(rng.randint(3, 7)):
        name = rng.choice(_TOPICS)
        sentence = f"{name[0].upper()}{name[1:]} {rng.choice(_DOES)}."
        if not core or rng.random() < 0.3:
            topic, core = name, sentence
        sentences.append(sentence)
        if rng.random() < 0.7:
            sentences.append(rng.choice(_WHY))
    return " ".join(sentences), topic, core


def _split(rng: random.Random) -> Split:
    draw = rng.random()
    return "test" if draw < 0.05 else "valid" if draw < 0.1 else "train"


def a_sample(
    question: str = "What does a lock do?",
    answer: str = "It keeps others out.",
    *,
    system: str | None = None,
    messages: tuple[Message, ...] | None = None,
    **fields: Any,
) -> Sample:
    """A sample with just what a test cares about."""
    turns = messages or (
        *((Message(role="system", content=system),) if system is not None else ()),
        Message(role="user", content=question),
        Message(role="assistant", content=answer),
    )
    lineage = fields.pop("lineage", None) or Lineage(
        path="guide/locks.md",
        sha256=sha256(b"locks"),
        chunk="c0",
        start=10,
        end=10 + len(answer),
        heading=("Locks", "What they do"),
        quotes=(Quote(text=answer, start=10, end=10 + len(answer)),) if answer else (),
        model=NO_MODEL,
    )
    name = digest([[m.role, m.content] for m in turns] + [fields.get("split"), lineage.index])
    return Sample(
        **{"id": name, "recipe": "extractive", "messages": turns, "source": answer, "lineage": lineage} | fields
    )


def _scores(rng: random.Random, model: bool) -> tuple[dict[str, float], float]:
    names = ("accuracy", "clarity", "completeness", "relevance")
    if model:
        scores = {n: float(min(5, max(1, round(rng.gauss(4.35, 0.8))))) for n in names}
    else:
        scores = {n: min(5.0, max(1.0, 5 - 0.5 * int(rng.expovariate(0.9)))) for n in names}
    return scores, sum(scores.values()) / len(scores)


def run(n: int, seed: int = 0, *, model: bool = False) -> Iterator[tuple[str, str] | AnyRecord]:
    """All records of a run with about ``n`` samples: (path, reason) of skipped files, then documents, chunks,
    samples and failures, in the order the pipeline gives them."""
    rng = random.Random(seed)
    files = max(3, round(n / 28))
    skips = [
        (".git/", "version control"),
        (".env", "hidden"),
        ("assets/logo.png", "unknown kind: image/png"),
        ("guide/link-out.md", "symbolic link out of the source"),
    ]
    yield from skips
    for i in range(files // 40):
        yield f"assets/diagram-{i:03}.png", "unknown kind: image/png"
    documents = []
    for i in range(files):
        kind, suffix, _ = rng.choices(_KINDS, [k[2] for k in _KINDS])[0]
        name = rng.choice(_PRODUCTS)
        path = f"{rng.choice(FOLDERS)}/{name}-{rng.choice(_SECTIONS).lower().replace(' ', '-')}-{i:04}.{suffix}"
        known: dict[str, Any] = {"path": path, "sha256": sha256(path.encode()), "kind": kind, "split": _split(rng)}
        if rng.random() < 0.02:
            reason, evidence = rng.choice(
                [
                    ("password", "it needs a password"),
                    ("damaged", "the file ends too early"),
                    ("image_only", "6 pages of images, no text"),
                ]
            )
            yield Document(**known, verdict=Verdict(stage="load", reason=reason, evidence=evidence))
            continue
        text = "\n\n".join(paragraph(rng)[0] for _ in range(rng.randint(3, 20)))
        document = Document(**known, text=text)
        documents.append(document)
        yield document
    chunks: list[tuple[Chunk, str, str]] = []
    for i in range(max(4, round(n / 2.4))):
        document = documents[i * len(documents) // max(4, round(n / 2.4))]
        text, topic, core = paragraph(rng)
        start = rng.randrange(0, 40_000)
        verdict = None
        if rng.random() < 0.06:
            verdict = Verdict(stage="screen", reason="near_duplicate", evidence=f"0.94 like {document.path}#{start}")
        chunk = Chunk(
            id=digest([document.path, i]),
            path=document.path,
            sha256=document.sha256,
            split=document.split,
            start=start,
            end=start + len(text),
            heading=(document.path.split("/")[1].split("-")[0].title(), rng.choice(_SECTIONS)),
            page=rng.randint(1, 80) if document.kind == "pdf" else None,
            text=text,
            tokens=len(text) // 5,
            verdict=verdict,
        )
        yield chunk
        if verdict is None:
            chunks.append((chunk, topic, core))
    for i in range(n):
        yield _sample_or_failure(rng, i, *chunks[i * len(chunks) // n], model)


def _sample_or_failure(
    rng: random.Random, i: int, chunk: Chunk, topic: str, core: str, model: bool
) -> Sample | Failure:
    call = digest([chunk.id, "call"]) if model else ""
    recipe = "qa" if model else "extractive"
    if model and rng.random() < 0.015:
        reason, raw = rng.choice(
            [
                ("not_json", 'Sure! Here are the pairs you asked for:\n1. {"question": '),
                ("http_500", "upstream reset"),
                ("length", '{"pairs": [{"question": "What'),
            ]
        )
        return Failure(call=call, recipe=recipe, chunk=chunk.id, samples=3, reason=reason, attempts=6, raw=raw)
    question = rng.choice([f"What is known about {topic}?", f"How does {topic} behave?", f"Why does {topic} matter?"])
    answer = f"{core} {rng.choice(_WHY)}" if model else core
    at = chunk.text.index(core)
    verdict = None
    draw = rng.random()
    scores: dict[str, float] = {}
    score = None
    if draw < 0.05:
        verdict = (
            Verdict(stage="ground", reason="ungrounded", evidence="not in the passage: 'is kept for ninety days'")
            if model
            else None
        )
    elif draw < 0.09:
        verdict = Verdict(
            stage="rules", reason=rng.choice(["too_short", "echo", "truncated"]), evidence="2 words, at least 3 wanted"
        )
    elif draw < 0.2:
        verdict = Verdict(
            stage="dedupe",
            reason="near_duplicate",
            evidence="0.86 like the sample 3fa9 of guide/harbour-limits-0004.md",
        )
    if verdict is None:
        scores, score = _scores(rng, model)
        if score < 4:
            worst = min(scores, key=lambda c: (scores[c], c))
            verdict = Verdict(
                stage="select",
                reason="low_score",
                evidence=f"mean {score:.2f} is under 4; lowest: {worst} {scores[worst]:g}",
            )
    lineage = Lineage(
        path=chunk.path,
        sha256=chunk.sha256,
        chunk=chunk.id,
        start=chunk.start,
        end=chunk.end,
        heading=chunk.heading,
        page=chunk.page,
        quotes=(Quote(text=core, start=chunk.start + at, end=chunk.start + at + len(core)),),
        prompt="generate/qa.md.j2" if model else "",
        prompt_sha256=sha256(b"qa") if model else "",
        model="qwen2.5-7b-instruct" if model else NO_MODEL,
        params={"temperature": 0.7, "max_tokens": 1500} if model else {},
        call=call,
        index=i % 3,
    )
    flawed = model and verdict is None and rng.random() < 0.3
    return Sample(
        id=digest([i, question, answer, chunk.id]),
        recipe=recipe,
        split=chunk.split,
        messages=(Message(role="user", content=question), Message(role="assistant", content=answer)),
        source=chunk.text,
        rejected=Rejected(content=core.replace("two", "five").replace("every", "almost every"), flaw="changed_number")
        if flawed
        else None,
        scores=scores,
        score=score,
        scored_by=("judge:qwen2.5-32b-instruct" if model else "heuristic") if scores else "",
        justification=(
            "States what the passage states; a reader would want the reason too."
            if model
            else "short: the answer has under eight words"
        )
        if scores
        else "",
        lineage=lineage,
        verdict=verdict,
    )


def facts(model: bool = False) -> dict[str, Any]:
    """What the pipeline tells the report."""
    return {
        "datagen": "0.1.0",
        "model": "qwen2.5-7b-instruct" if model else NO_MODEL,
        "judge": "qwen2.5-32b-instruct" if model else None,
        "prompts": {"generate/qa.md.j2": sha256(b"qa"), "judge/score.md.j2": sha256(b"judge")} if model else {},
        "seed": 0,
        "threshold": 4.0,
        "config": {
            "seed": 0,
            "sources": {"paths": ["/home/somebody/private/docs"], "max_bytes": 50_000_000},
            "generator": {
                "backend": "auto",
                "base_url": "http://user:secret@10.0.0.7:8000/v1?key=secret",
                "prompts": "/home/somebody/prompts",
            },
            "engine": {"executor": "auto", "workers": 0},
            "judge": {"threshold": 4.0, "base_url": ""},
        },
        "usage": {
            "calls": 1412,
            "prompt_tokens": 1_204_551,
            "completion_tokens": 388_120,
            "cost_usd": 0.4121,
            "prices_as_of": "2026-01-01",
            "by": [
                {
                    "model": "qwen2.5-7b-instruct",
                    "purpose": "qa",
                    "calls": 1412,
                    "prompt_tokens": 1_204_551,
                    "completion_tokens": 388_120,
                    "cost_usd": 0.4121,
                }
            ],
        }
        if model
        else None,
        "timing": {
            "started": "2026-01-05T09:30:00+00:00",
            "finished": "2026-01-05T09:41:07+00:00",
            "sessions": 1,
            "seconds": 667.3,
        },
        "libraries": {"polars": "1.34.0", "pydantic": "2.12.0", "pypdfium2": "5.0.0"},
    }


def build(records: Iterator[Any], with_facts: dict[str, Any]) -> dict[str, Any]:
    """Feed a report builder as the pipeline does."""
    from datagen.output.report_data import ReportBuilder

    builder = ReportBuilder()
    for record in records:
        if isinstance(record, tuple):
            builder.skipped(*record)
        elif isinstance(record, Document):
            builder.document(record)
        elif isinstance(record, Chunk):
            builder.chunk(record)
        elif isinstance(record, Sample):
            builder.sample(record)
        else:
            builder.failure(record)
    return builder.finish(with_facts)
