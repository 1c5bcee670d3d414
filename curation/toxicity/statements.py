"""Finds hateful and profane statements in plain texts, by the rules of :mod:`curation.toxicity.grammar`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from curation.toxicity.grammar import Category, Rule, rules
from curation.toxicity.lexicon import Tags, load
from curation.toxicity.sentence import Sentence, Word, compile_tags, row_of, sentences
from curation.toxicity.spell import tokens

_NONE: Tags = frozenset()
_PROFANE = frozenset({"intens", "profane"})
_HATE = frozenset({"group", "those", "slur", "loose"})
_REFERENCE: Tags = frozenset({"group", "ref"})
_UNRESOLVED: Tags = frozenset({"group", "those"})
_LINKED = 2  # sentences for which "they" may mean a group
_REPORTED, _DENIED, _COUNTERED, _OTHERS, _UNCERTAIN = 0.4, 0.1, 0.15, 0.3, 0.5
_EXCLAIMED, _NEAR = 0.6, 0.5
_CALMING = frozenset({"report", "good", "stop", "mistreat", "neg"})
_HOSTILE = frozenset(
    "attitude attnoun repel repelsme bad badnoun dehum menace begone implied ruins profane fverb intens loose "
    "apposed".split()
)
_VIOLENT = frozenset({"harm", "harmed", "expel", "die"})
_BACK = frozenset({"back", "again"})
_PROFANITY, _MILD = 0.8, 0.4
_ANYONE = frozenset({"someone", "somebody", "everyone", "everybody"})
_RELATIVE = frozenset({"to", "who", "that", "if", "when", "by", "for", "of", "about"})

_DONE = frozenset({"attitude", "harm", "expel", "mistreat"})
_LATER = compile_tags("<cond><back><be><skip>{0,3}<group>")  # "they are …, because they are GROUP"


@dataclass(frozen=True, slots=True)
class Finding:
    """A hateful or profane passage.

    Attributes:
        category: ``derogation``, ``dehumanisation``, ``threat``, ``slur`` or ``profanity``.
        start, end: code points of the text.
        score: 0..1, how sure and how grave.
        rule: which pattern it was, or ``model``.
    """

    category: Category
    start: int
    end: int
    score: float
    rule: str


def find(text: str) -> list[Finding]:
    """The hateful and the profane passages of a text, in its order, also those that score low because they are denied,
    quoted or opposed."""
    found: list[Finding] = []
    distance = _LINKED + 1
    held = list(sentences(tokens(text)))
    outside = [w for s in held if s.quotes for w in s.words if not w.quoted and "comma" not in w.tags]
    for sentence in held:
        found += _profanities(sentence)
        if any(word.tags & _HATE or word.tags & _BACK for word in sentence.words):
            distance = _resolve(sentence, distance)
            found += _statements(sentence, outside)
        else:
            if distance <= 1:
                found += _exclamation(sentence)
            distance += 1
    return sorted(found, key=lambda f: (f.start, f.end, f.category, f.rule))


def _profanities(sentence: Sentence) -> list[Finding]:
    return [
        Finding("profanity", word.start, word.end, _MILD if "mild" in word.tags else _PROFANITY, "profanity")
        for word in sentence.words
        if word.tags & _PROFANE or any(load().tags.get(part, _NONE) & _PROFANE for part in word.text.split())
    ]


def _exclamation(sentence: Sentence) -> list[Finding]:
    """ "What scum." said right after a sentence about a group."""
    words = sentence.words
    bad = [word for word in words if word.tags & {"dehum", "badnoun", "apposed"}]
    others = [word for word in words if not word.tags & {"dehum", "badnoun", "apposed", "bad", "skip", "intens", "brk"}]
    if len(words) > 5 or not bad or others:
        return []
    return [Finding("dehumanisation", words[0].start, words[-1].end, _EXCLAIMED, "exclamation")]


def _resolve(sentence: Sentence, distance: int) -> int:
    """Makes mentions of what points back to a group; returns how many sentences ago a group was named."""
    named = 0 if _LATER.search(sentence.row) else distance
    previous = _NONE
    for word in sentence.words:
        if "group" in word.tags or "slur" in word.tags:
            named = 0
        elif ("back" in word.tags and named <= _LINKED) or ("again" in word.tags and named <= 1 and previous & _DONE):
            word.tags = _REFERENCE
        elif "those" in word.tags:
            word.tags = _REFERENCE if named <= _LINKED else _UNRESOLVED
        elif "person" in word.tags and named > 0:
            named = _LINKED + 1  # somebody else was named in between
        previous = word.tags
    sentence.row = row_of(sentence.words)
    return named + 1


def _statements(sentence: Sentence, outside: Sequence[Word]) -> list[Finding]:
    found = []
    for rule in rules():
        for match in rule.pattern.finditer(sentence.row):
            first, last = match.span()
            score = rule.score * _weight(rule, match, sentence, outside)
            words = sentence.words
            found.append(Finding(rule.category, words[first].start, words[last - 1].end, round(score, 3), rule.name))
    return found or _nearness(sentence, outside)


def _nearness(sentence: Sentence, outside: Sequence[Word]) -> list[Finding]:
    """A group and a hostile word in one sentence that no rule ties together, where nothing speaks against it."""
    words = sentence.words
    if any(w.tags & _CALMING for w in words) or (outside and any(w.quoted for w in words)):
        return []
    targets = [w for w in words if w.tags & {"group", "slur"} and w.tags != _UNRESOLVED]
    spoken = any(w.tags & {"self", "you"} for w in words)
    wanted = _HOSTILE | _VIOLENT if spoken else _HOSTILE  # violence is in the news as often; then somebody else speaks
    hostile = [w for w in words if w.tags & wanted and not w.tags & {"group", "skip", "eval"}]
    if not targets or not hostile:
        return []
    low, high = min(w.start for w in targets + hostile), max(w.end for w in targets + hostile)
    return [Finding("derogation", low, high, _NEAR, "nearness")]


def _weight(rule: Rule, match: re.Match[str], sentence: Sentence, outside: Sequence[Word]) -> float:
    """What is left of a statement's score by where it stands: denied, quoted, reported, opposed."""
    words = sentence.words
    first, last = match.span()
    predicate = next((i for i in range(first, last) if words[i].tags & rule.predicate), first)
    weight = 1.0
    if any(word.tags == _UNRESOLVED for word in words[first:last]):
        weight *= _UNCERTAIN
    if any(word.quoted for word in words[first:last]) and len(outside) >= 2:
        agreed = any("endorse" in w.tags for w in outside) and not any(w.tags & {"neg"} for w in outside)
        return weight * (
            1.0 if agreed and not any("eval" in w.tags and "endorse" not in w.tags for w in outside) else _COUNTERED
        )
    if rule.category == "slur" and _reclaimed(words, first, last):
        return weight * _OTHERS
    clause = _clause(words, first)
    if not rule.denies and _negated(words, clause, predicate, sentence.asks):
        return weight * _DENIED
    if rule.denies and _negated(words, clause, first, sentence.asks):
        return weight * _DENIED
    opposed = any("eval" in w.tags for w in [*words[:first], *words[last:]])
    if sentence.asks and any(w.text in ("else", "only", "doesn't", "wouldn't") for w in words[:first]):
        return weight  # "Who else hates …?"
    if (
        "group" in words[first].tags
        and first >= 2
        and words[first - 1].tags & _DONE
        and words[first - 2].tags & {"brk"}
    ):
        return weight * _OTHERS  # "those who hate women should …" is about the haters
    follows = words[last].tags if last < len(words) else frozenset()
    if rule.name == "do_harm" and words[predicate].text.endswith("ing") and "be" in follows:
        return weight * _OTHERS
    reported = _reporter(words, first)
    if reported:
        return weight * (_COUNTERED if opposed else _REPORTED)
    before = words[first - 1].text if first else ""
    if words[0].text.endswith("ing") and first <= 1 and any(w.tags & {"neg", "eval"} for w in words[last:]):
        return weight * _COUNTERED  # "Wishing them death is no opinion"
    if opposed and (words[predicate].text.endswith("ing") or before in _RELATIVE) and not _speaker(words, first):
        return weight * _COUNTERED
    if rule.subject == "speaker" and not _speaker(words, first):
        leading = sentence.asks and any("neg" in w.tags for w in words[:4])  # "Don't you just hate …?"
        return weight * (1.0 if leading and _subject(words, first) == "you" else _OTHERS)
    if rule.name == "will_harm" and (_subject(words, first) == "other" or words[first].text == "wants"):
        return weight * _OTHERS
    if rule.name.startswith("attitude"):
        following = words[predicate + 1].tags if predicate + 1 < len(words) else _NONE
        of_nobody = not any("self" in w.tags for w in words[:predicate])
        if of_nobody and ("prep" in following or (before == "to" and first <= 1)) and " " not in words[predicate].text:
            return weight * _OTHERS  # "Hatred of …", "To hate …"
    return weight


def _clause(words: Sequence[Word], at: int) -> int:
    """Where the clause before a word begins, at most six words back."""
    low = max(0, at - 6)
    for i in range(at - 1, low - 1, -1):
        if "comma" in words[i].tags or words[i].text in ("but", "because", "so"):
            return i + 1
    return low


def _negated(words: Sequence[Word], start: int, predicate: int, asks: bool) -> bool:
    count = 0
    for i in range(start, predicate):
        tags = words[i].tags
        if "neg" in tags:
            if asks and i < 4 and any(w.tags & {"rhet"} for w in words[: i + 1]):
                continue  # "Isn't it true that …?" asks for a yes
            count += 1
        elif "stop" in tags:
            count += 1
    return count % 2 == 1


def _subject(words: Sequence[Word], at: int) -> str:
    """Who does it: the nearest of ``self``, ``you``, ``other``, ``group`` before a word; "" for nobody."""
    for i in range(at - 1, max(-1, at - 6), -1):
        word = words[i]
        if "comma" in word.tags:
            return ""
        for tag in ("self", "you", "group"):
            if tag in word.tags:
                return tag
        if word.text in _ANYONE:
            return "self"
        if word.tags & {"other", "person"}:
            return "other"
    return ""


def _speaker(words: Sequence[Word], at: int) -> bool:
    return _subject(words, at) in ("self", "")


def _reporter(words: Sequence[Word], at: int) -> bool:
    """Is what follows said by somebody else?"""
    for i in range(at - 1, max(-1, at - 10), -1):
        if "report" in words[i].tags and "skip" not in words[i].tags:
            return _subject(words, i) != "self"
    return False


def _reclaimed(words: Sequence[Word], first: int, last: int) -> bool:
    """Said by people of themselves or as a friend's name."""
    near = words[max(0, first - 4) : last]
    return any(w.text in ("i", "i'm", "im", "we", "my", "our", "us", "'m", "am") for w in near) and not any(
        w.tags & {"attitude", "fverb", "harm", "oblige", "neg"} for w in near
    )
