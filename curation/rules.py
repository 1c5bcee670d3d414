"""What a sample's text alone shows: empty, cut off, repetitive, an echo, a placeholder, in another language, unwanted.

:func:`check_turn` works on a question and its answer, :func:`check` (of :mod:`curation.filters`) on plain texts by what
the user lets in and keeps out; :class:`Rules` applies both to samples, the first as far as the sample's kind is held to
it (:mod:`curation.profiles`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from curation import language, topics
from curation.embed_config import EmbedConfig
from curation.filters import check as check
from curation.filters import compiled, fingerprint_of
from curation.language import identify
from curation.profiles import DEFAULT, UNTOUCHED, Profile, profile_of, stated_language
from curation.prose import count_words, lines_of, open_fence, without_code, word_list, wordset
from curation.rules_config import RulesConfig
from datagen.core.record import AnyRecord, Sample, Verdict
from datagen.core.stage import Map, Shard

STAGE = "rules"
MAX_SAME_CHARACTER = 40
MAX_SAME_LINE = 4
_NGRAM = 5
_MIN_WORDS_FOR_NGRAMS = 20
_LANGUAGE_SURE = 0.7

_RUN = re.compile(rf"([^\s\-=_*#.~|+/\\█░─━])\1{{{MAX_SAME_CHARACTER},}}")
_BOILERPLATE = re.compile(
    r"\b(?:as an? (?:AI|artificial intelligence|large language|language)(?: language)?(?: model| assistant)?\b|"
    r"I(?:'m| am) (?:just )?an? (?:AI|language model|large language model)|"
    r"I(?:'m| am) sorry,? but I (?:can(?:'|no)t|am unable)|I cannot (?:assist|help) with (?:that|this)|"
    r"my (?:training data|knowledge cut-?off)|I do(?:n't| not) have (?:access to (?:real-time|the internet)|"
    r"personal opinions))",
    re.I,
)
_PLACEHOLDER = re.compile(
    r"\[(?:insert|your|add|enter|fill in|placeholder|todo|tbd|name|date|company name)\b[^\]\n]{0,60}\](?!\()|"
    r"<(?:insert|your answer|placeholder)\b[^>\n]{0,60}>|\blorem ipsum\b|\bdolor sit amet\b|\bTODO:|\bXXX\b|\?\?\?|"
    r"\{(?:question|answer|context|passage)\}",
    re.I,
)
_REFERS = re.compile(
    r"\b(?:according to|based on|as (?:stated|mentioned|described|explained|noted|shown|said|per)(?: in| by)?|in|"
    r"from|by|per|of) "
    r"(?:the|this|that) (?:given |provided |above |supplied |source |following |preceding |input )?"
    r"(?:passage|excerpt|snippet of text|context provided|provided (?:text|context|information|document)|text "
    r"(?:above|below|provided)|"
    r"given (?:text|context|information|document)|source (?:text|passage)|(?:document|information|context) "
    r"(?:above|provided|given))|"
    r"\bthe (?:passage|excerpt|(?:provided|given|source) (?:text|context|document)|text above|context above|author "
    r"of the (?:passage|text)) "
    r"(?:says|states|mentions|describes|explains|does|doesn't|is|provides|notes|suggests|refers|defines|gives|"
    r"lists|shows)|"
    r"\baccording to the (?:text|context|document|author|article|information|section|chunk)\b|"
    r"\b(?:mentioned|described|stated|discussed|listed|given|provided|shown) in the (?:text|passage|context|"
    r"excerpt|document|chunk)\b|"
    r"\b(?:does|do|did) (?:the|this) (?:passage|excerpt|(?:provided|given|source) text)\b",
    re.I,
)
# Later turns of a conversation may point back to earlier ones.
_REFERS_BACK = re.compile(r"\bas (?:mentioned|shown|described|noted|stated|discussed) (?:above|below|earlier)\b", re.I)
_DANGLING_WORDS = wordset(
    """and or but nor the a an of to with for because which that is are was were in on by from as if than such at into
    e.g i.e including between their its whose where when while through via be been has have can will would should must
    may not und oder der die das et ou le la les y o el de"""
)
_ENDS = re.compile(r"[.!?。！？؟।…:;][\"'”’»)\]*_`]*$")
_LAST_WORD = re.compile(r"([^\W\d_][\w.]*)$")
_STRUCTURE = re.compile(r"[ \t]*(?:[-*+] |\d{1,4}[.)] |#{1,6} |\||>|```|~~~| {4}|\t)")
_LONG_PROSE = 40  # words of prose from which an answer without a full stop is taken for cut off


class Rules(Map):
    """Rejects samples whose text alone shows that they are no use; all others pass unchanged."""

    name = STAGE
    version = 3
    produces = "sample"

    def __init__(self, config: RulesConfig, embed: EmbedConfig = EmbedConfig()) -> None:
        """Take the configuration.

        Args:
            config: of the rules.
            embed: the model that compares topics.

        Raises:
            UsageError: a pattern is wrong or cannot be matched in linear time; a tokenizer cannot be read.
        """
        compiled(config)
        self.config = config
        self.embed = embed

    def fingerprint(self) -> dict[str, Any]:
        out: dict[str, Any] = {"config": self.config.model_dump(mode="json", exclude={"quality": {"batch_size"}})}
        if self.config.include_topics or self.config.exclude_topics:
            out["topics"] = [topics.method(self.config.topics, self.embed), self.embed.model]
        if self.config.language_check:
            out["languages"] = language.method()
        if self.config.tokenizer:
            out["tokenizer"] = fingerprint_of(self.config.tokenizer)
        return out

    def run(self, shard: Shard) -> list[AnyRecord]:
        out = [self._judged(r) if isinstance(r, Sample) and r.verdict is None else r for r in shard]
        held = [(i, r) for i, r in enumerate(out) if isinstance(r, Sample) and r.verdict is None]
        held = [(i, r) for i, r in held if r.recipe not in UNTOUCHED]
        texts = ["\n\n".join(m.content for m in r.messages) for _, r in held]
        answers = ["\n\n".join(m.content for m in r.messages if m.role == "assistant") for _, r in held]
        found = check(texts, self.config, answers=answers, embed=self.embed)
        for (i, record), problems in zip(held, found, strict=True):
            if problems:
                verdict = Verdict(stage=STAGE, reason=problems[0].reason, evidence=problems[0].evidence)
                out[i] = record.model_copy(update={"verdict": verdict})
        return out

    def _judged(self, sample: Sample) -> Sample:
        if sample.recipe in UNTOUCHED:
            return sample
        turns = [(m.role, m.content, bool(m.tool_calls)) for m in sample.messages]
        profile, stated = profile_of(sample), stated_language(sample)
        verdict = check_messages(turns, sample.source, self.config, profile, stated)
        return sample if verdict is None else sample.model_copy(update={"verdict": verdict})


def check_messages(
    turns: Sequence[tuple[str, str, bool]],
    source: str,
    config: RulesConfig,
    profile: Profile = DEFAULT,
    stated: str = "",
) -> Verdict | None:
    """The first verdict over the assistant turns of a conversation, or None.

    Args:
        turns: role, content, and whether the turn calls tools (its content may then be empty).
        source: the passage the conversation is about, or "".
        profile, stated: as :func:`check_turn` takes them.
    """
    assistants = sum(role == "assistant" for role, _, _ in turns)
    if not assistants:
        return _reject("empty_answer", "no assistant turn")
    question, number = "", 0
    for role, content, calls_tools in turns:
        if role == "user":
            question = content
        elif role == "assistant":
            number += 1
            if calls_tools and not content.strip():
                continue
            verdict = check_turn(question, content, source, config, profile, stated, opening=number == 1)
            if verdict is not None:
                where = f"turn {number}: " if assistants > 1 else ""
                return verdict.model_copy(update={"evidence": where + verdict.evidence})
    return None


def check_turn(
    question: str,
    answer: str,
    source: str,
    config: RulesConfig,
    profile: Profile = DEFAULT,
    stated: str = "",
    *,
    opening: bool = True,
) -> Verdict | None:
    """Why a question and its answer are no use, or None.

    Args:
        question: the instruction; "" where a turn has none.
        answer: the reply.
        source: the passage they rest on; "" where there is none.
        profile: which rules this kind of sample is held to.
        stated: code of the language that was planned for it, or "".
        opening: does the question open a conversation? Later ones may be as short as "Why?" and point back.

    Returns:
        A verdict of stage ``rules``, with one of the reasons ``empty_answer``, ``too_short``, ``too_long``,
        ``placeholder``, ``boilerplate``, ``refers_to_prompt``, ``not_json``, ``truncated``, ``repetition``,
        ``echo``, ``wrong_language``.
    """
    if not answer.strip() or (profile.answer != "own" and not any(c.isalnum() for c in answer)):
        return _reject("empty_answer", "no letter and no digit" if answer.strip() else "no text")
    asked = question if profile.asks else ""
    prose = profile.answer == "prose"
    own = answer if profile.answer in ("prose", "short") else ""  # what a model has worded
    return (
        _length(asked if opening else "", answer, config, profile)
        or _phrases(asked, own, source, profile, opening)
        or (_json(answer) if profile.answer == "json" else None)
        or (_truncated(answer, source) if prose else None)
        or (_repetition(own, config) if own else None)
        or (_echo(question, answer, config) if profile.echo else None)
        or (_language(asked, own, source, config, profile, stated) if config.language_check else None)
    )


def _reject(reason: str, evidence: str) -> Verdict:
    return Verdict(stage=STAGE, reason=reason, evidence=evidence)


def _length(question: str, answer: str, config: RulesConfig, profile: Profile) -> Verdict | None:
    asked, said = count_words(question), count_words(answer)
    if question and asked < config.min_question_words:
        return _reject("too_short", f"question: {asked} words, at least {config.min_question_words} wanted")
    if profile.answer == "prose" and said < config.min_answer_words:
        return _reject("too_short", f"answer: {said} words, at least {config.min_answer_words} wanted")
    if profile.answer in ("prose", "short") and said > config.max_answer_words:
        return _reject("too_long", f"answer: {said} words, at most {config.max_answer_words} wanted")
    return None


def _phrases(question: str, answer: str, source: str, profile: Profile, opening: bool) -> Verdict | None:
    asked, prose = without_code(question), without_code(answer)
    # What the document itself says is no slip of a model: a verbatim answer, a page that speaks of passages.
    own = "" if answer in source and source else prose
    for name, pattern, text in (
        ("boilerplate", _BOILERPLATE, own),
        ("placeholder", _PLACEHOLDER, asked),
        ("placeholder", _PLACEHOLDER, own),
        ("refers_to_prompt", _REFERS, "" if profile.shows_input else asked),
        ("refers_to_prompt", _REFERS, prose),
        ("refers_to_prompt", _REFERS_BACK, "" if profile.shows_input or not opening else asked),
        ("refers_to_prompt", _REFERS_BACK, prose if opening else ""),
    ):
        match = pattern.search(text)
        shown = name == "refers_to_prompt" or (profile.shows_input and text is asked)
        if match and not (shown and match.group().lower() in source.lower()):
            return _reject(name, f"“{_clip(match.group())}”")
    return None


def _json(answer: str) -> Verdict | None:
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError) as error:
        return _reject("not_json", f"{str(error)[:100]}: “{_clip(answer)}”")
    return None if isinstance(value, dict) else _reject("not_json", f"no object: “{_clip(answer)}”")


def _truncated(answer: str, source: str) -> Verdict | None:
    text = answer.rstrip()
    if open_fence(text):
        return _reject("truncated", "a code block is not closed")
    lines = lines_of(text)
    last = lines[-1]
    if text.endswith("```") or text.endswith("~~~"):
        return None
    if text.endswith(("...", "…")):
        return _reject("truncated", f"ends in “{_tail(text)}”")
    verbatim = source.find(text) if source else -1
    if verbatim >= 0:
        after = source[verbatim + len(text) : verbatim + len(text) + 1]
        if text[-1].isalnum() and after.isalnum() and source.count(text) == 1:
            return _reject("truncated", f"ends within the word “{_tail(text).split()[-1]}{after}…”")
    word = _LAST_WORD.search(text)
    structural = _STRUCTURE.match(last) is not None
    if word and word[1].lower() in _DANGLING_WORDS and count_words(text) > 3:
        return _reject("truncated", f"ends in “{_tail(text)}”")
    if text[-1] in ",([{" or (text[-1] == ":" and not structural):
        return _reject("truncated", f"ends in “{_tail(text)}”")
    if not structural and verbatim < 0 and not _ENDS.search(text) and text[-1].isalnum():
        words = count_words(without_code(text))
        if words >= _LONG_PROSE and any(_ENDS.search(line.rstrip()) or ". " in line for line in lines):
            return _reject("truncated", f"{words} words of prose end without a full stop: “{_tail(text)}”")
    return None


def _repetition(answer: str, config: RulesConfig) -> Verdict | None:
    if match := _RUN.search(answer):
        return _reject(
            "repetition", f"“{match[1]}” {len(match.group())} times in a row, at most {MAX_SAME_CHARACTER} wanted"
        )
    prose = without_code(answer)
    lines = Counter(line.strip() for line in prose.split("\n") if count_words(line) >= 2)
    if lines:
        line, times = lines.most_common(1)[0]
        if times > MAX_SAME_LINE:
            return _reject("repetition", f"the line “{_clip(line)}” {times} times, at most {MAX_SAME_LINE} wanted")
    words = word_list(prose)
    if len(words) < _MIN_WORDS_FOR_NGRAMS:
        return None
    share = repeated_share(words)
    if share > config.max_repetition:
        return _reject(
            "repetition",
            f"{share:.0%} of the words in repeated {_NGRAM}-grams, at most {config.max_repetition:.0%} wanted",
        )
    return None


def repeated_share(words: list[str], n: int = _NGRAM) -> float:
    """Share of words that stand in an n-gram occurring earlier in the list, 0..1 (after Gopher's rules, Rae et
    al. 2021, arXiv:2112.11446, A1.1)."""
    seen: set[tuple[str, ...]] = set()
    covered = [False] * len(words)
    for i in range(len(words) - n + 1):
        gram = tuple(words[i : i + n])
        if gram in seen:
            covered[i : i + n] = [True] * n
        seen.add(gram)
    return sum(covered) / len(words) if words else 0.0


def _echo(question: str, answer: str, config: RulesConfig) -> Verdict | None:
    said = word_list(answer)
    if not said or not question:
        return None
    asked = Counter(word_list(question))
    shared = sum((Counter(said) & asked).values()) / len(said)
    if shared > config.max_echo:
        return _reject(
            "echo", f"{shared:.0%} of the answer's words are the question's, at most {config.max_echo:.0%} wanted"
        )
    return None


def _language(
    question: str, answer: str, source: str, config: RulesConfig, profile: Profile, stated: str
) -> Verdict | None:
    if profile.language == "any":
        return None
    wanted, by = _wanted_language(source, config, profile, stated)
    if wanted in ("", "und"):
        return None
    for name, text in (("answer", answer), ("question", question if profile.question_language else "")):
        code, sure = identify(text)
        if code not in ("und", wanted) and sure >= _LANGUAGE_SURE:
            return _reject("wrong_language", f"{name} in {code} ({sure:.0%} sure), {wanted} wanted ({by})")
    return None


def _wanted_language(source: str, config: RulesConfig, profile: Profile, stated: str) -> tuple[str, str]:
    """The language a sample is held to, "" for none, and who wants it."""
    if profile.language == "target":
        return stated, "the translation's"
    if config.language:
        return config.language, "configured"
    if stated and profile.language == "stated":
        return stated, "planned"
    code, sure = identify(source)
    return (code if sure >= _LANGUAGE_SURE else "", "the source's")


def _clip(text: str, limit: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _tail(text: str, limit: int = 40) -> str:
    flat = " ".join(text[-4 * limit :].split())
    return flat if len(flat) <= limit else flat[-limit:].partition(" ")[2] or flat[-limit:]
