"""The expected score: the five scores weighted by the probability that the judge gave each.

Liu et al. 2023, "G-Eval", section 2 ("scoring function"): Σ k·p(k). The probabilities are those of the tokens that
could have stood in the place of the score that was written, divided by what fell on scores at all (the mass), because
an endpoint reports the likeliest tokens alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from datagen.llm.backend import Token

ALTERNATIVES = 5
"""Tokens asked for in the place of each: as many as there are scores, and as every endpoint allows."""
MAX_TAIL = 3  # tokens after the text, such as one that ends the turn

_SCORE = re.compile(r'[\s":,{}\[\]]*([1-5])[\s",{}\[\]]*\Z')


class Expected(NamedTuple):
    """A score from probabilities.

    Attributes:
        score: Σ k·p(k) / Σ p(k), from 1 to 5.
        variance: of the score, around it.
        mass: Σ p(k), from 0 to 1: the probability that fell on the five scores.
    """

    score: float
    variance: float
    mass: float


def token_at(text: str, tokens: Sequence[Token], at: int) -> tuple[Token, int] | None:
    """The token that holds a character of a reply.

    Tokens are laid over the text from its begin and from its end, because some in between may not be as they were
    written: a character that is spread over several tokens is told as something else in each.

    Args:
        text: of the reply.
        tokens: of the reply.
        at: position of the character.

    Returns:
        The token and where in it the character is; None where the tokens cannot be laid over the text there.
    """
    place = 0
    for token in tokens:
        if not token.token or not text.startswith(token.token, place):
            break
        if place <= at < place + len(token.token):
            return token, at - place
        place += len(token.token)
    for tail in range(min(MAX_TAIL, len(tokens)) + 1):
        found = _from_end(text, tokens[: len(tokens) - tail], at)
        if found is not None:
            return found
    return None


def _from_end(text: str, tokens: Sequence[Token], at: int) -> tuple[Token, int] | None:
    place = len(text)
    for token in reversed(tokens):
        if not token.token or not text.endswith(token.token, 0, place):
            return None
        place -= len(token.token)
        if place <= at:
            return token, at - place
    return None


def expected(text: str, tokens: Sequence[Token], at: int) -> Expected | None:
    """The expected score at a digit of a reply.

    Args:
        text: of the reply.
        tokens: of the reply, with their alternatives.
        at: position of the digit.

    Returns:
        None where there are no probabilities for it.
    """
    found = token_at(text, tokens, at)
    if found is None:
        return None
    token, inside = found
    written = _SCORE.match(token.token)
    if written is None or written.start(1) != inside:
        return None
    chances = {token.token: token.logprob, **dict(token.top)}
    by_score: dict[int, float] = {}
    for said, logprob in chances.items():
        means = _SCORE.match(said)
        if means is not None and not math.isnan(logprob):
            by_score[int(means[1])] = by_score.get(int(means[1]), 0.0) + math.exp(min(logprob, 0.0))
    total = math.fsum(by_score.values())
    if total <= 0:
        return None
    score = math.fsum(k * p for k, p in by_score.items()) / total
    variance = math.fsum(p * (k - score) ** 2 for k, p in by_score.items()) / total
    return Expected(score, variance, min(total, 1.0))
