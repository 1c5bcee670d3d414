"""The records that flow through a run. All frozen; a stage makes new ones.

``SourceFile`` → ``Document`` → ``Chunk`` → ``Sample`` (and ``Failure`` for what a model owed and
did not deliver). Nothing is ever deleted: what is rejected carries a ``Verdict``.

All spans count code points of the document's normalised text, half open.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


class Record(BaseModel):
    """Base of all records: immutable, no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Verdict(Record):
    """Why a record was rejected.

    Attributes:
        stage: the stage that rejected it, as in ``"rules"``.
        reason: a short snake_case name, the key counted in the ledger, as in ``"too_short"``.
        evidence: what shows it, for a person to read, as in ``"3 words, at least 5 wanted"``.
    """

    stage: str
    reason: str
    evidence: str = ""


class SourceFile(Record):
    """A file found in the source folder.

    Attributes:
        path: POSIX path relative to the source folder, the document's name everywhere.
        location: absolute path on this machine; never leaves the run's own process.
        size: bytes.
        sha256: of the file's bytes.
        kind: the reader's name, as in ``"markdown"`` or ``"pdf"``.
        split: decided by document, before anything is generated.
    """

    path: str
    location: str
    size: int
    sha256: str
    kind: str
    split: Split = "train"


class Document(Record):
    """A file's text, normalised, with its structure kept as Markdown.

    Attributes:
        path, sha256, kind, split: as in :class:`SourceFile`.
        text: the normalised text; empty where ``verdict`` is set.
        format: ``markdown`` (headings, lists, tables, fences are structure), ``text`` (paragraphs
            only) or ``code`` (source code: blank lines separate blocks).
        pages: offset in ``text`` at which each page (slide, sheet) starts, ascending, first 0;
            empty where the format has no pages.
        title: the document's own title where it states one, else "".
        verdict: set when the file could not be read.
    """

    path: str
    sha256: str
    kind: str
    split: Split = "train"
    text: str = ""
    format: Literal["markdown", "text", "code"] = "markdown"
    pages: tuple[int, ...] = ()
    title: str = ""
    verdict: Verdict | None = None


class Chunk(Record):
    """A passage of a document: ``document.text[start:end] == text``, always.

    Attributes:
        id: hash of document and span.
        path, sha256, split, title, format: of the document.
        heading: the heading path above the passage, outermost first.
        page: 1-based page on which the passage starts, or None.
        tokens: length in tokens (of the tokenizer at hand, or the stated estimate).
        sketch: MinHash signature and shingle hashes while duplicates are looked for, else None.
    """

    id: str
    path: str
    sha256: str
    split: Split = "train"
    title: str = ""
    format: Literal["markdown", "text", "code"] = "markdown"
    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    text: str
    tokens: int = 0
    sketch: bytes | None = None
    verdict: Verdict | None = None


class Message(Record):
    """One turn of a conversation in the OpenAI chat form."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[dict[str, Any], ...] = ()


class Quote(Record):
    """A verbatim passage of the document that a sample rests on: ``document.text[start:end] == text``."""

    text: str
    start: int
    end: int


class Rejected(Record):
    """The dispreferred reply of a preference sample and the flaw planted in it."""

    content: str
    flaw: str


class Lineage(Record):
    """Where a sample comes from, complete enough to find the passage and to repeat the call.

    Attributes:
        path, sha256: the document.
        chunk: id of the chunk; ``start``, ``end``, ``heading``, ``page`` are the chunk's.
        quotes: the passages the sample rests on.
        prompt: name of the prompt file, relative to the prompts folder; "" where no model was used.
        prompt_sha256: of that file.
        model: the model's name, or ``"none (extractive rules)"``.
        params: sampling parameters sent.
        call: key of the reply in the call log; "" where no model was used.
        index: position of the sample in that reply, from 0.
    """

    path: str
    sha256: str
    chunk: str
    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    quotes: tuple[Quote, ...] = ()
    prompt: str = ""
    prompt_sha256: str = ""
    model: str
    params: dict[str, Any] = {}
    call: str = ""
    index: int = 0


class Sample(Record):
    """A training sample with everything that is known about it.

    Attributes:
        id: hash of content and lineage.
        recipe: the recipe that made it, as in ``"qa"``.
        split: of its document.
        messages: the conversation; the last message is the assistant's.
        source: the chunk's text, for the judge and for people.
        rejected: set on preference samples.
        scores: criterion → 1..5; empty while unscored.
        score: weighted mean of ``scores``, or None while unscored.
        scored_by: ``"heuristic"`` or ``"judge:MODEL"``; "" while unscored.
        justification: the judge's, or the heuristic's.
        sketch: as in :class:`Chunk`.
        verdict: set when the sample was rejected.
    """

    id: str
    recipe: str
    split: Split = "train"
    messages: tuple[Message, ...]
    source: str = ""
    rejected: Rejected | None = None
    scores: dict[str, float] = {}
    score: float | None = None
    scored_by: str = ""
    justification: str = ""
    sketch: bytes | None = None
    lineage: Lineage
    verdict: Verdict | None = None


class Failure(Record):
    """Samples that were asked of a model and could not be used; a line of ``failed.jsonl``.

    Attributes:
        call: key of the last reply in the call log, or of the request where none came.
        recipe: the recipe that asked (``"judge"`` with ``samples`` 0 for an unreadable judgement).
        chunk: id of the chunk asked about.
        samples: how many requested samples are missing because of it.
        reason: snake_case, the key counted in the ledger.
        attempts: requests made for it.
        raw: the raw reply, as text (bytes that are not UTF-8 as backslash escapes).
    """

    call: str
    recipe: str
    chunk: str
    samples: int
    reason: str
    attempts: int
    raw: str


AnyRecord = SourceFile | Document | Chunk | Sample | Failure
