"""What a user lets in and keeps out: words, patterns, topics, length, repetition, readability, quality."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curation import quality, readability, repetition, topics
from curation.automaton import Automaton
from curation.embed_config import EmbedConfig
from curation.rules_config import RulesConfig
from datagen.core.errors import UsageError
from datagen.core.text import scrub

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CHARACTERS_A_TOKEN = 4  # where no tokenizer is named
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a text is not wanted.

    Attributes:
        reason: snake_case, a key of the ledger.
        evidence: what shows it, for people.
    """

    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Filters:
    """The compiled filters of a configuration.

    Attributes:
        include, exclude: words and phrases.
        included, excluded: patterns.
    """

    include: re.Pattern[str] | None
    exclude: re.Pattern[str] | None
    included: tuple[Automaton, ...]
    excluded: tuple[Automaton, ...]


@functools.lru_cache(maxsize=8)
def compiled(config: RulesConfig) -> Filters:
    """The filters of a configuration, made once in a process.

    Raises:
        UsageError: a pattern is wrong or cannot be matched in linear time (it is named); a tokenizer cannot be read.
    """
    if config.tokenizer:
        _tokenizer(config.tokenizer)
    return Filters(
        _phrases(config.include),
        _phrases(config.exclude),
        tuple(Automaton(p) for p in config.include_patterns),
        tuple(Automaton(p) for p in config.exclude_patterns),
    )


def check(
    texts: Sequence[str],
    config: RulesConfig = RulesConfig(),
    *,
    answers: Sequence[str] | None = None,
    embed: EmbedConfig = EmbedConfig(),
) -> list[list[Problem]]:
    """What speaks against each text by the filters that are set; by default none is.

    Args:
        texts: plain texts or Markdown.
        config: the filters.
        answers: the part of each text that readability and quality are about; None: all of it.
        embed: the model that compares topics.

    Returns:
        For each text its problems, with the reasons ``not_included``, ``excluded``, ``off_topic``,
        ``excluded_topic``, ``too_few_tokens``, ``too_many_tokens``, ``repetition``, ``too_easy``, ``too_hard``,
        ``low_quality``.

    Raises:
        UsageError: a pattern, tokenizer or label is wrong.
        DatagenError: a model is named and cannot be loaded.
    """
    filters = compiled(config)
    judged = texts if answers is None else answers
    out = [_of_one(text, judged[i], filters, config) for i, text in enumerate(texts)]
    # Models are asked last, and only about what is left.
    left = [i for i, found in enumerate(out) if not found]
    for i, problem in _of_topics([texts[i] for i in left], left, config, embed):
        out[i].append(problem)
    if config.quality.model:
        left = [i for i in left if not out[i]]
        for i, value in zip(left, quality.score([judged[i] for i in left], config.quality), strict=True):
            if value < config.quality.min_score:
                out[i].append(
                    Problem("low_quality", f"quality {value:.2f}, at least {config.quality.min_score:g} wanted")
                )
    return out


def count_tokens(text: str, tokenizer: str = "") -> int:
    """Tokens of a text by a ``tokenizer.json``, else a quarter of its characters, rounded up.

    Raises:
        UsageError: the file is none.
    """
    if not tokenizer:
        return -(-len(text) // CHARACTERS_A_TOKEN)
    return len(_tokenizer(tokenizer).encode(scrub(text), add_special_tokens=False).ids)


@functools.lru_cache(maxsize=4)
def _tokenizer(path: str) -> Tokenizer:
    from tokenizers import Tokenizer

    place = Path(path).expanduser()
    place = place / "tokenizer.json" if place.is_dir() else place
    try:
        loaded: Tokenizer = Tokenizer.from_buffer(place.read_bytes())
    except Exception as error:  # the library raises bare Exception for a file that is none
        raise UsageError(
            f"The tokenizer {path!r} could not be loaded.",
            str(error)[:200],
            "Give the path of a tokenizer.json, or leave curation.rules.tokenizer empty.",
        ) from error
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


def fingerprint_of(path: str) -> str:
    """A hash of what a tokenizer does, the same wherever its file lies."""
    return hashlib.sha256(_tokenizer(path).to_str().encode()).hexdigest()[:16]


def _phrases(phrases: Sequence[str]) -> re.Pattern[str] | None:
    """Any of some words or phrases as whole words, in any case, with any white space between the words."""
    split = [phrase.split() for phrase in phrases if phrase.strip()]
    if not split:
        return None
    # The longest first, so that the evidence shows all of it.
    split.sort(key=lambda words: -sum(map(len, words)))
    joined = "|".join(r"\s{1,20}".join(map(re.escape, words)) for words in split)
    return re.compile(rf"(?<!\w)(?:{joined})(?!\w)", re.IGNORECASE)


def _of_one(text: str, judged: str, filters: Filters, config: RulesConfig) -> list[Problem]:
    out = []
    if filters.include or filters.included:
        by_word = filters.include.search(text) if filters.include else None
        if not by_word and not any(pattern.search(text) for pattern in filters.included):
            out.append(Problem("not_included", "none of the wanted words and patterns"))
    if filters.exclude and (match := filters.exclude.search(text)):
        out.append(Problem("excluded", f"“{_clip(match.group())}”"))
    for pattern in filters.excluded:
        if span := pattern.search(text):
            out.append(Problem("excluded", f"“{_clip(text[slice(*span)])}” matches {_clip(pattern.pattern)}"))
            break
    if config.min_tokens or config.max_tokens is not None:
        tokens = count_tokens(text, config.tokenizer)
        if tokens < config.min_tokens:
            out.append(Problem("too_few_tokens", f"{tokens} tokens, at least {config.min_tokens} wanted"))
        if config.max_tokens is not None and tokens > config.max_tokens:
            out.append(Problem("too_many_tokens", f"{tokens} tokens, at most {config.max_tokens} wanted"))
    if config.gopher and (over := repetition.excess(text)):
        out.append(Problem("repetition", f"{over[0]}: {over[1]:.0%}, at most {over[2]:.0%} wanted"))
    low, high = config.readability.min_grade, config.readability.max_grade
    if (low is not None or high is not None) and (grade := readability.grade(judged)) is not None:
        if low is not None and grade < low:
            out.append(Problem("too_easy", f"grade {grade:.1f}, at least {low:g} wanted"))
        if high is not None and grade > high:
            out.append(Problem("too_hard", f"grade {grade:.1f}, at most {high:g} wanted"))
    return out


def _of_topics(
    texts: Sequence[str], at: Sequence[int], config: RulesConfig, embed: EmbedConfig
) -> list[tuple[int, Problem]]:
    wanted, unwanted = config.include_topics, config.exclude_topics
    if not texts or not (wanted or unwanted):
        return []
    limit = topics.threshold(config.topics, embed)
    way = topics.method(config.topics, embed)
    out = []
    for i, row in zip(at, topics.score(texts, [*wanted, *unwanted], config.topics, embed), strict=True):
        near, far = row[: len(wanted)], row[len(wanted) :]
        if near and max(near) < limit:
            out.append((i, Problem("off_topic", f"likeness {max(near):.2f} by {way}, at least {limit:g} wanted")))
        elif far and max(far) >= limit:
            name = _clip(unwanted[far.index(max(far))])
            out.append(
                (i, Problem("excluded_topic", f"“{name}”, likeness {max(far):.2f} by {way}, under {limit:g} wanted"))
            )
    return out


def _clip(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + "…"
