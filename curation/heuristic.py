"""Scores for runs without a model: countable signals, called heuristic everywhere and never a judgement.

Each criterion starts at 5 and loses for named signals (:data:`SIGNALS`), so that a score can be
read back from its justification. The mean is compared with the same threshold as a judge's.
What the signals cannot see: whether an answer is true, and whether the question is worth asking.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from curation.profiles import UNTOUCHED
from curation.prose import count_words, lines_of, open_fence, without_code, word_list, wordset
from datagen.core.record import AnyRecord, Sample
from datagen.core.stage import Map, Shard

CRITERIA = ("relevance", "clarity", "completeness", "accuracy")
SCORED_BY = "heuristic"
NEAR = 240  # characters before a verbatim answer in which the question's words may stand

R, C, M, A = CRITERIA

SIGNALS: dict[str, tuple[dict[str, float], str]] = {
    # name: (what it costs each criterion, what it means). Together over 4 points: alone enough to miss a mean of 4.
    "no_shared_words": ({R: 3, A: 1.5}, "none of the question's words is in or just before the answer"),
    "few_shared_words": ({R: 2}, "under half of the question's words are in or just before the answer"),
    "some_shared_words": ({R: 0.75}, "a part of the question's words is not in or just before the answer"),
    "generic_question": ({R: 2.5, C: 2}, "the question fits any text"),
    "wrong_form": ({R: 2}, "the question asks for code and the answer has none"),
    "names_nothing": ({C: 3, R: 1.5}, "the question names nothing particular"),
    "vague_subject": ({C: 1.5, R: 1}, "the question names only a common noun"),
    "pronoun_in_question": ({C: 3, R: 1.5}, "the question leans on a pronoun"),
    "odd_question": ({C: 3, R: 1.5}, "the question is not a plain English question or request"),
    "long_question": ({C: 1}, "the question is long"),
    "long_sentences": ({C: 1}, "the sentences are long"),
    "residue": ({C: 2}, "markup is left in the answer"),
    "many_links": ({C: 1}, "links take up much of the answer"),
    "very_short": ({M: 3.5, C: 0.5, R: 0.5}, "the answer has under five words"),
    "short": ({M: 1.5}, "the answer has under eight words"),
    "brief": ({M: 0.75}, "the answer has under fourteen words"),
    "one_sentence": ({M: 0.25}, "the answer is one sentence"),
    "beside_the_heading": ({R: 0.5}, "the headings above name none of the question's words"),
    "says_little": ({M: 2.5, R: 1}, "the answer adds under three words to the question"),
    "fragment": ({M: 1, C: 0.5}, "the answer is a phrase, not a sentence"),
    "no_end": ({M: 3, C: 1.5}, "the answer does not end where a sentence does"),
    "very_long": ({M: 1}, "the answer has over 220 words"),
    "no_reason": ({M: 2}, "a why-question gets no reason"),
    "no_steps": ({M: 2}, "a how-to question gets no step, command or instruction"),
    "leans_on_context": ({M: 2.5, C: 1, A: 1}, "the answer refers to something outside itself"),
    "opens_with_reference": ({C: 2, M: 1.5, A: 1}, "the answer opens with a word that refers back"),
    "ungrounded": ({A: 3.5, R: 1}, "many of the answer's words are not in the source"),
    "partly_grounded": ({A: 1.5}, "some of the answer's words are not in the source"),
    "foreign_numbers": ({A: 2}, "a number in the answer is not in the source"),
    "time_bound": ({A: 1}, "the answer speaks of now"),
    "opinion": ({A: 1.5}, "the answer is an opinion or a guess"),
}
"""Every signal: what it costs each criterion, in points, and its meaning."""

_QUESTION = re.compile(
    r"(?:In .{2,60}?, )?(?:what|why|how|when|where|which|who|whose|can|does|do|is|are|should|will|must)\b.{3,}\?$|"
    r"(?:In .{2,60}?, )?(?:show|list|name|explain|describe|write|give|define|summari[sz]e|compare|state|outline|"
    r"tell)\b.{3,}[.?]$",
    re.I | re.S,
)
_GENERIC = re.compile(
    r"\bwhat (?:does .{1,60} say about|is (?:this|it|the (?:text|document|passage|section)) about|is (?:mentioned|"
    r"discussed|described|said))\b",
    re.I,
)
_QUESTION_PRONOUN = re.compile(
    r"\b(?:this|these|those|it|its|they|them|their|he|she|his|her|here|there|above|below|following|such)\b", re.I
)
_OPENING = re.compile(
    r"(?:this|that|these|those|it|its|they|their|he|she|we|our|however|but|and|so|also|thus|then|therefore|hence|such|"
    r"another|both|otherwise|instead|for example|in this|in that|see|note that|the (?:above|following|latter|"
    r"former|same))\b",
    re.I,
)
_CONTEXT = re.compile(
    r"\b(?:(?:as|the|see|listed|shown|described|mentioned|defined|given|section|table|figure|example|list|in|than) "
    r"(?:above|below)|"
    r"aforementioned|the (?:following|preceding|previous) (?:section|table|figure|example|list|paragraph|code|chapter)|"
    r"(?:this|next|previous) (?:section|chapter|page|figure|table|example|paragraph)|see (?:also|section|below|above)|"
    r"as (?:discussed|mentioned|noted|shown) (?:earlier|before|elsewhere))\b",
    re.I,
)
_RESIDUE = re.compile(r"</?[a-z][^>\n]{0,60}>|\[\^?\d{1,3}\]_?|:[a-z]{2,10}:`|\{\{|\{%|&[a-z]{2,6};|\\[*_#]|!\[", re.I)
_LINK = re.compile(r"https?://\S{1,300}|\]\([^()\s]{1,300}\)")
_NOW = re.compile(
    r"\b(?:currently|at the moment|at (?:the )?time of writing|as of (?:today|now)|recently|nowadays|coming soon|"
    r"upcoming|soon be)\b",
    re.I,
)
_OPINION = re.compile(
    r"\b(?:I (?:think|believe|guess|hope|would|like|prefer)|in my (?:opinion|view)|personally|we (?:think|believe|"
    r"hope|feel)|arguably|"
    r"hopefully|probably|perhaps|maybe|it seems|seems to be|I'm|that's it)\b",
    re.I,
)
_STEP = re.compile(
    r"```|~~~|^\s*(?:\d{1,3}[.)]|[-*+]) |`[^`\n]+`|\b(?:run|use|using|add|set|open|create|install|call|write|"
    r"choose|click|select|put|pass|give|"
    r"copy|start|type|enter|define|change|make|you (?:can|must|need|should)|can be|is done|by \w+ing|with)\b",
    re.I | re.M,
)
_REASON = re.compile(
    r"\b(?:because|since|so that|so|as|due|reason|therefore|to avoid|in order|otherwise|would|allows?|means?|for)\b",
    re.I,
)
_ENDS = re.compile(r"(?:[.!?。！？؟।][\"'”’»)\]*_`]*|```|~~~|`|\)|\|)$")
_ITEM_LINE = re.compile(r"\s*(?:[-*+]|\d{1,4}[.)]|\|)\s?")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

_STOP = wordset(
    """what why how when where which who whose does do did is are was were be the a an of to in for on by with at
        from and
    or as it its this that these you your can should will must may not if mean means meaning refer stand used use using
    happens happen called about into than then term show example list give code command option setting key field
    parameter following explain describe between there has have please define look like"""
)
_COMMON = wordset(
    """file files value values name names function functions method methods class classes object objects module modules
    type types package program project system tool string number list item user users developer data text argument
    command table row column page test tests process result version document documents library application feature
    model run output input line word path folder error default case way thing things part point change problem idea
    version host cpu machine step steps first second new time work group team people order question answer note
    section description details overview installation usage configuration"""
)


class HeuristicScore(Map):
    """Scores samples without a verdict by :func:`assess`; all others pass unchanged.

    Chats get full marks and a justification that says why: the signals are about questions put to documents, and
    of what people wrote to each other they would say nothing true.
    """

    name = "score"
    version = 2
    produces = "sample"

    def fingerprint(self) -> dict[str, Any]:
        return {"signals": {name: costs for name, (costs, _) in SIGNALS.items()}}

    def run(self, shard: Shard) -> list[AnyRecord]:
        return [
            _scored(r) if isinstance(r, Sample) and r.verdict is None and r.recipe not in UNTOUCHED else r
            for r in shard
        ]


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the heuristic says of a pair.

    Attributes:
        scores: criterion → 1..5.
        signals: the names of the signals that counted, in the order of :data:`SIGNALS`.
    """

    scores: dict[str, float]
    signals: tuple[str, ...] = field(default=())

    @property
    def mean(self) -> float:
        """Mean of the four criteria, 1..5."""
        return sum(self.scores.values()) / len(self.scores)

    @property
    def justification(self) -> str:
        """One plain sentence for people."""
        if not self.signals:
            return "Heuristic score, no model: no signal spoke against this pair."
        found = "; ".join(f"{SIGNALS[name][1]} ({_costs(SIGNALS[name][0])})" for name in self.signals)
        return f"Heuristic score, no model: {found}."


def assess(question: str, answer: str, source: str = "", heading: str = "") -> Assessment:
    """Score a question and its answer by countable signals.

    Args:
        question, answer: plain text or Markdown.
        source: the passage they rest on; grounding is not looked at where it is "".
        heading: title and headings above the passage.
    """
    found = {
        *_relevance(question, answer, source, heading),
        *_clarity(question, answer, heading),
        *_completeness(question, answer),
        *_accuracy(answer, source),
    }
    scores = dict.fromkeys(CRITERIA, 5.0)
    for name in found:
        for criterion, cost in SIGNALS[name][0].items():
            scores[criterion] -= cost
    scores = {criterion: max(1.0, score) for criterion, score in scores.items()}
    return Assessment(scores, tuple(name for name in SIGNALS if name in found))


def _costs(costs: dict[str, float]) -> str:
    return ", ".join(f"{criterion} −{cost:g}" for criterion, cost in costs.items())


def _scored(sample: Sample) -> Sample:
    if sample.recipe == "chat":
        full = Assessment(dict.fromkeys(CRITERIA, 5.0))
        return _with(sample, full, "Not assessed: people wrote this, and the heuristic knows documents alone.")
    questions = [m.content for m in sample.messages if m.role == "user"]
    answers = [m.content for m in sample.messages if m.role == "assistant"]
    heading = " ".join((*sample.lineage.heading, sample.lineage.path))
    found = assess(questions[0] if questions else "", answers[-1] if answers else "", sample.source, heading)
    return _with(sample, found, found.justification)


def _with(sample: Sample, found: Assessment, justification: str) -> Sample:
    return sample.model_copy(
        update={
            "scores": found.scores,
            "score": found.mean,
            "scored_by": SCORED_BY,
            "justification": justification,
        }
    )


def _stem(word: str) -> str:
    """Crude: enough that "chunks" meets "chunk" and "installed" meets "install"."""
    for ending in (
        "ization",
        "isation",
        "ations",
        "ation",
        "ings",
        "ing",
        "ies",
        "ied",
        "ers",
        "ed",
        "es",
        "er",
        "s",
        "e",
        "y",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _content(text: str) -> list[str]:
    return [w for w in word_list(text.replace("_", " ")) if w not in _STOP and len(w) > 1]


def _relevance(question: str, answer: str, source: str, heading: str) -> list[str]:
    found = []
    asked = {_stem(w) for w in _content(question)}
    at = source.find(answer) if source and answer else -1
    before = source[max(0, at - NEAR) : at] if at >= 0 else ""
    said = {_stem(w) for w in _content(f"{answer} {before} {heading}")}
    if asked:
        share = len(asked & said) / len(asked)
        if share == 0:
            found.append("no_shared_words")
        elif share < 0.5:
            found.append("few_shared_words")
        elif share < 0.75:
            found.append("some_shared_words")
        if heading and not asked & {_stem(w) for w in word_list(heading)}:
            found.append("beside_the_heading")
    if _GENERIC.search(question):
        found.append("generic_question")
    if (
        re.search(r"\b(?:show|which command)\b", question, re.I)
        and "`" not in answer
        and not re.search(r"[=(){}$]", answer)
    ):
        found.append("wrong_form")
    return found


def _clarity(question: str, answer: str, heading: str) -> list[str]:
    found = []
    bare = question.strip()
    prose = without_code(bare)
    if not _QUESTION.match(bare):
        found.append("odd_question")
    if _QUESTION_PRONOUN.search(prose):
        found.append("pronoun_in_question")
    found += _particular(bare, heading)
    if count_words(bare) > 28:
        found.append("long_question")
    text = without_code(answer)
    stops = len(re.findall(r"[.!?;:](?:\s|$)", text)) + text.count("\n- ") + text.count("\n* ")
    if count_words(text) > 38 * max(1, stops):
        found.append("long_sentences")
    if _RESIDUE.search(text):
        found.append("residue")
    if sum(len(m.group()) for m in _LINK.finditer(text)) > 0.2 * max(1, len(text)):
        found.append("many_links")
    return found


def _particular(question: str, heading: str) -> list[str]:
    """Whether the question names something one could look up: code, a name, a number, several content words."""
    content = _content(question)
    particular = (
        "`" in question
        or "“" in question
        or any(c.isdigit() for c in question)
        or re.search(r"(?<=\s)[A-Z]\w+", question) is not None
    )
    if particular:
        return []
    telling = [w for w in content if w not in _COMMON]
    if not content:
        return ["names_nothing"]
    if len(telling) >= 2 or (telling and len(content) >= 3):
        return []
    known = any(_stem(w) in {_stem(h) for h in word_list(heading)} for w in telling)
    if telling and (known or len(telling[0]) >= 6):
        return []
    return ["vague_subject"] if telling or len(content) >= 2 else ["names_nothing"]


def _completeness(question: str, answer: str) -> list[str]:
    found = []
    text = answer.strip()
    count = count_words(text)
    code = text.startswith(("```", "~~~")) or text.endswith(("```", "~~~"))
    if not code:
        if count < 5:
            found.append("very_short")
        elif count < 8:
            found.append("short")
        elif count < 14:
            found.append("brief")
        elif count < 30 and "\n\n" not in text and len(re.findall(r"[.!?](?:\s|$)", text)) < 2:
            found.append("one_sentence")
        asked = {_stem(w) for w in word_list(question)}
        if count >= 5 and sum(_stem(w) not in asked for w in set(_content(text))) < 3:
            found.append("says_little")
    if count > 220:
        found.append("very_long")
    last = lines_of(text)[-1]
    if open_fence(text):
        found.append("no_end")
    elif not _ENDS.search(text) and not _ITEM_LINE.match(last):
        found.append(
            "fragment" if "\n" not in text and count <= 40 and not text.endswith((":", ",", ";", "…")) else "no_end"
        )
    low = question.lower()
    if re.search(r"\bwhy\b", low) and not _REASON.search(text):
        found.append("no_reason")
    if re.search(r"\bhow (?:do|can|should|to)\b", low) and not _STEP.search(text):
        found.append("no_steps")
    return found


def _accuracy(answer: str, source: str) -> list[str]:
    found = []
    prose = without_code(answer)
    if _CONTEXT.search(prose):
        found.append("leans_on_context")
    if _OPENING.match(prose.lstrip("*_\"“'( ")):
        found.append("opens_with_reference")
    if source and answer not in source:
        known = {_stem(w) for w in word_list(source)}
        words = [_stem(w) for w in _content(answer)]
        share = sum(w in known for w in words) / len(words) if words else 1.0
        if share < 0.6:
            found.append("ungrounded")
        elif share < 0.8:
            found.append("partly_grounded")
        if set(_NUMBER.findall(answer)) - set(_NUMBER.findall(source)):
            found.append("foreign_numbers")
    if _NOW.search(prose):
        found.append("time_bound")
    if _OPINION.search(prose):
        found.append("opinion")
    return found
