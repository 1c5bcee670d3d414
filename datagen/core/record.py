"""The records that flow through a run. All frozen; a stage makes new ones.

``SourceFile`` → ``Document`` → ``Chunk`` → ``Task`` → ``Sample`` (and ``Failure`` for what a model owed
and did not deliver). Nothing is ever deleted: what is rejected carries a ``Verdict``.

All spans count code points of the document's normalised text, half open.
"""

from __future__ import annotations

import functools
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


class Record(BaseModel):
    """Base of all records: immutable, no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


R = TypeVar("R", bound=Record)


def trusted(kind: type[R], /, **values: Any) -> R:
    """A record of values that were validated before, or that are right by the way they are made.

    The same as pydantic's ``model_construct`` in a tenth of its time, which is what reading a million rows takes.
    """
    record = kind.__new__(kind)
    held = {name: dict(value) if type(value) is dict else value for name, value in _defaults(kind).items()}
    held.update(values)
    object.__setattr__(record, "__dict__", held)
    object.__setattr__(record, "__pydantic_fields_set__", set(values))
    object.__setattr__(record, "__pydantic_extra__", None)
    object.__setattr__(record, "__pydantic_private__", None)
    return record


@functools.cache
def _defaults(kind: type[Record]) -> dict[str, Any]:
    return {name: field.default for name, field in kind.model_fields.items() if not field.is_required()}


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


class Audit(Record):
    """What a stage found in a record, counted: for the report, never in clear.

    Attributes:
        stage: as in ``"pii"``.
        kind: what was found, as in ``"EMAIL_ADDRESS"`` or ``"prompt_injection"``.
        action: what was done about it, as in ``"redact"``, ``"reject"`` or ``"none"``.
        count: how often.
        example: one of them, masked, as in ``"j•••@e•••••.com"``.
    """

    stage: str
    kind: str
    action: str
    count: int
    example: str = ""


class SourceFile(Record):
    """A file found in the source folder.

    Attributes:
        path: POSIX path relative to the source folder, the document's name everywhere.
        location: absolute path on this machine; never leaves the run's own process.
        size: bytes.
        sha256: of the file's bytes (of the stretch that is meant).
        start, end: the stretch in bytes; 0 and 0: all of it.
        line: number of its first line, from 1; 0 where lines do not count.
        kind: the reader's name, as in ``"markdown"`` or ``"pdf"``.
        split: decided by document, before anything is generated.
    """

    path: str
    location: str
    size: int
    sha256: str
    kind: str
    split: Split = "train"
    start: int = 0
    end: int = 0
    line: int = 0


Form = Literal["markdown", "text", "code", "chat"]
"""How a text is laid out: ``markdown`` (headings, lists, tables, fences are structure), ``text`` (paragraphs
only), ``code`` (blank lines separate blocks), ``chat`` (a transcript, whose messages are ``turns``)."""


class Turn(Record):
    """One message of a chat: who said what, when.

    Attributes:
        speaker: the name as the export gives it.
        time: ISO 8601 as in ``"2024-05-01T18:03:00"``, local time of the export; "" where unknown.
        start, end: span of the message's own text in the document, without name and time.
    """

    speaker: str
    time: str = ""
    start: int
    end: int


class Document(Record):
    """A file's text, normalised, with its structure kept as Markdown.

    Attributes:
        path, sha256, kind, split: as in :class:`SourceFile`.
        text: the normalised text; empty where ``verdict`` is set.
        format: see :data:`Form`.
        pages: offset in ``text`` at which each page (slide, sheet) starts, ascending, first 0;
            empty where the format has no pages.
        title: the document's own title where it states one, else "".
        turns: the messages of a chat, ascending; empty for every other format.
        notes: how it was read, for people: what of a chat was left out, what had to be assumed.
        audits: what stages found in the text.
        verdict: set when the file could not be read.
    """

    path: str
    sha256: str
    kind: str
    split: Split = "train"
    text: str = ""
    format: Form = "markdown"
    pages: tuple[int, ...] = ()
    title: str = ""
    turns: tuple[Turn, ...] = ()
    notes: tuple[str, ...] = ()
    audits: tuple[Audit, ...] = ()
    verdict: Verdict | None = None


class Chunk(Record):
    """A passage of a document: ``document.text[start:end] == text``, always.

    Attributes:
        id: hash of document and span.
        path, sha256, split, title, format: of the document.
        heading: the heading path above the passage, outermost first.
        page: 1-based page on which the passage starts, or None.
        tokens: length in tokens (of the tokenizer at hand, or the stated estimate).
        turns: the messages of a chat that lie in it, with spans of the document.
        sketch: MinHash signature and shingle hashes while duplicates are looked for, else None.
        audits: what stages found in the text.
    """

    id: str
    path: str
    sha256: str
    split: Split = "train"
    title: str = ""
    format: Form = "markdown"
    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    text: str
    tokens: int = 0
    turns: tuple[Turn, ...] = ()
    sketch: bytes | None = None
    audits: tuple[Audit, ...] = ()
    verdict: Verdict | None = None


class Message(Record):
    """One turn of a conversation in the OpenAI chat form (API reference, "Create chat completion").

    Attributes:
        tool_calls: of an assistant: ``{"id", "type": "function", "function": {"name", "arguments"}}`` each.
        tool_call_id: of a tool's reply: the call it answers.
        name: of a tool's reply: the function.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str = ""
    name: str = ""


class Quote(Record):
    """A verbatim passage of a document that a sample rests on: ``document.text[start:end] == text``.

    Attributes:
        path: of the document, "" for the one that the sample's lineage names.
    """

    text: str
    start: int
    end: int
    path: str = ""


class Judged(Record):
    """What one judge said of a sample.

    Attributes:
        model: the judge's.
        mode: how the scores came to be: ``integer`` (as written), ``expected`` (from log-probabilities), ``mean`` (of
            several replies), or ``mixed`` (expected for the criteria that have a variance, else as written).
        scores: criterion → 1..5.
        score: their weighted mean.
        justification: in its words; ``reasons``: criterion → the same, where each was asked for by itself.
        variance: criterion → variance of the score, for ``expected`` and ``mean``.
        mass: criterion → probability that fell on the five scores, for ``expected``.
    """

    model: str
    mode: str
    scores: dict[str, float]
    score: float
    justification: str = ""
    reasons: dict[str, str] = {}
    variance: dict[str, float] = {}
    mass: dict[str, float] = {}


class Claim(Record):
    """A statement in a reply, and whether its source supports it.

    Attributes:
        text: the statement.
        supported: what the judge says, taken back where its quote does not stand in the source.
        quote: the judge's evidence; "" where there is none.
        start: of the quote in the sample's ``source``, or -1 where it does not stand there.
    """

    text: str
    supported: bool
    quote: str = ""
    start: int = -1


class Candidate(Record):
    """One of several replies to the same prompt, with its score (1..5, None: not scored) for ranking."""

    content: str
    score: float | None = None


class Rejected(Record):
    """The dispreferred reply of a preference sample.

    Attributes:
        content: the reply.
        flaw: its named flaw, a key of ``generate/flaws.yaml``; "" until one is known.
        way: how it came to be: ``planted`` (asked for with that flaw), ``on_policy`` (a model answered
            without the document), ``best_of_n`` (the lowest scored of several); "" for imported pairs.
        scores, score: as of :class:`Sample`, by the same judge.
        checks: what each check found, by its name, for people.
    """

    content: str
    flaw: str
    way: str = ""
    scores: dict[str, float] = {}
    score: float | None = None
    checks: dict[str, str] = {}


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
        earlier: keys of the replies that led to that call (drafts, plans), oldest first.
        related: further passages that the model was shown, as ``(path, chunk id, start, end)``.
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
    earlier: tuple[str, ...] = ()
    related: tuple[tuple[str, str, int, int], ...] = ()


class Sample(Record):
    """A training sample with everything that is known about it.

    Attributes:
        id: hash of content and lineage.
        recipe: the recipe that made it, as in ``"qa"``.
        split: of its document.
        messages: the conversation; the last message is the assistant's.
        source: the text it rests on (of all passages shown), for the judge and for people.
        tools: definitions of the tools that the assistant may call, in the OpenAI form.
        rejected: set on preference samples.
        ranked: all candidates of a reply, best first, where several were made.
        family, metric: of a task-family sample, as in ``"summarisation"`` and ``"rouge"``; else "".
        attributes: what was planned for it: ``type``, ``persona``, ``difficulty``, ``flaw`` …
        task: id of the :class:`Task` it answers; "" for gold and for rules.
        parent: id of the sample that a preference sample was made from.
        scores: criterion → 1..5; empty while unscored.
        score: weighted mean of ``scores``, or None while unscored.
        scored_by: ``"heuristic"`` or ``"judge:MODEL"``; "" while unscored.
        justification: the judge's, or the heuristic's.
        rubric: name of the rubric it was judged by, and the first digits of its hash, as in ``"grounded@1a2b3c4d"``.
        judgements: what each judge said, one for each of a panel; empty for heuristics.
        spread: greatest less least score among a panel, or None where one judge was asked.
        claims: statements of the reply, where faithfulness was looked at.
        faithfulness: share of them that the source supports; None while undetermined.
        sketch: as in :class:`Chunk`.
        vector: its embedding (float16, little endian, unit length) while a later stage needs it, else None.
        audits: what stages found in the messages.
        verdict: set when the sample was rejected.
    """

    id: str
    recipe: str
    split: Split = "train"
    messages: tuple[Message, ...]
    source: str = ""
    tools: tuple[dict[str, Any], ...] = ()
    rejected: Rejected | None = None
    ranked: tuple[Candidate, ...] = ()
    family: str = ""
    metric: str = ""
    attributes: dict[str, str] = {}
    task: str = ""
    parent: str = ""
    scores: dict[str, float] = {}
    score: float | None = None
    scored_by: str = ""
    justification: str = ""
    rubric: str = ""
    judgements: tuple[Judged, ...] = ()
    spread: float | None = None
    claims: tuple[Claim, ...] = ()
    faithfulness: float | None = None
    sketch: bytes | None = None
    vector: bytes | None = None
    audits: tuple[Audit, ...] = ()
    lineage: Lineage
    verdict: Verdict | None = None


class Task(Record):
    """Something that is asked for: one call to a model (or a chain of them) that owes ``samples`` samples.

    What was planned is counted here and nowhere else: ``requested`` in the ledger is the sum of ``samples``.

    Attributes:
        id: hash of the recipe, the passage, ``number`` and the slots.
        recipe: who makes it.
        split: of the passage.
        samples: owed. 0 where rules decide how many there are (``extractive``).
        chunk: the passage it rests on.
        related: further passages, for questions that need more than one.
        slots: what is planned for each sample (``type``, ``persona``, ``difficulty`` …); ``samples`` of them.
        shots: positions of the k-shot examples in the recipe's pool.
        seeds: instructions of accepted samples that are shown as examples of what is wanted.
        avoid: instructions that were made of this passage before and are not wanted again.
        number: which call of this recipe on this passage, from 0.
        sample: the sample that a preference task works on.
    """

    id: str
    recipe: str
    split: Split = "train"
    samples: int
    chunk: Chunk
    related: tuple[Chunk, ...] = ()
    slots: tuple[dict[str, str], ...] = ()
    shots: tuple[int, ...] = ()
    seeds: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    number: int = 0
    sample: Sample | None = None


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


AnyRecord = SourceFile | Document | Chunk | Task | Sample | Failure
