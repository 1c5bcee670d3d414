"""Finding personal data in texts: one pass of each recogniser, then one finding where several overlap."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence

from curation.pii import address, encoded, keyed, names, network, numbers, presidio
from curation.pii.config import PiiConfig
from curation.pii.normal import View, view
from curation.pii.page import Found, Page
from curation.pii.types import NAMED, PRIORITY, PROFILES, Span

_FINDERS: tuple[tuple[frozenset[str], Callable[[Page], Iterable[Found]]], ...] = (
    (frozenset({"EMAIL_ADDRESS"}), network.emails),
    (frozenset({"URL"}), network.urls),
    (frozenset({"IP_ADDRESS"}), network.addresses),
    (frozenset({"MAC_ADDRESS"}), network.hardware),
    (frozenset({"CRYPTO"}), network.wallets),
    (frozenset({"CREDIT_CARD"}), numbers.cards),
    (frozenset({"IBAN_CODE"}), numbers.ibans),
    (frozenset({"US_SSN"}), numbers.social_security),
    (frozenset({"PHONE_NUMBER"}), numbers.phones),
    (keyed.TYPES, keyed.keyed),
    (frozenset({"DATE_TIME", "DATE_OF_BIRTH"}), keyed.dates),
    (frozenset({"AGE"}), keyed.ages),
    (frozenset({"ADDRESS"}), address.addresses),
)
_DIGITS = frozenset({"CREDIT_CARD", "IBAN_CODE", "US_SSN", "PHONE_NUMBER"})
_NEAR = 80  # characters within which a date stands with a person
_ALWAYS = 0.99  # least score of what a profile wants whatever its context


def find(texts: Sequence[str], config: PiiConfig = PiiConfig()) -> list[list[Span]]:
    """Find personal data.

    Args:
        texts: any strings.
        config: what is looked for.

    Returns:
        For each text its findings, ascending, none overlapping another, with offsets of the text as given.

    Raises:
        DatagenError: the model that is asked for cannot be loaded.
    """
    wanted = wanted_types(config)
    named: list[list[Found]] = [[] for _ in texts]
    views = [view(text) for text in texts]
    if config.model and wanted & NAMED:
        from curation.pii import models

        named = models.entities([v.text for v in views], config)
    return [_find(v, text, config, wanted, extra) for v, text, extra in zip(views, texts, named, strict=True)]


@functools.cache
def _types(profile: str, types: tuple[str, ...]) -> frozenset[str]:
    return PROFILES[profile] & frozenset(types) if types else PROFILES[profile]


def wanted_types(config: PiiConfig) -> frozenset[str]:
    """The types that are looked for."""
    return _types(config.profile, config.types)


def _find(seen: View, text: str, config: PiiConfig, wanted: frozenset[str], named: list[Found]) -> list[Span]:
    found = _settled(seen.text, config, wanted, named)
    ignore = {value.casefold() for value in config.ignore}
    out = []
    for f in found:
        start, end = seen.original(f.start, f.end)
        if not ignore or text[start:end].casefold() not in ignore:
            out.append(Span(start, end, f.type, round(f.score, 3)))
    return out


def _settled(text: str, config: PiiConfig, wanted: frozenset[str], named: list[Found]) -> list[Found]:
    page = Page(text, wanted)
    found = list(_all(page, config, named))
    if {"DATE_TIME", "URL"} & wanted:
        found = _in_context(found, config)
    least = config.thresholds
    kept = [f for f in found if f.type in wanted and f.score >= least.get(f.type, config.threshold)]
    return resolve(kept)


def _all(page: Page, config: PiiConfig, named: list[Found]) -> Iterator[Found]:
    wanted = page.wanted
    for types, finder in _FINDERS:
        if types & wanted and (page.digits or not types <= _DIGITS):
            yield from finder(page)
    if config.presidio:
        yield from presidio.national(page)
    if "SPECIAL_CATEGORY" in wanted:
        yield from keyed.special(page)
    if wanted & NAMED:
        yield from named
        if not config.model:
            yield from names.names(page)
    yield from encoded.encoded(page, lambda plain: _settled(plain, config, wanted - NAMED, []))


def _in_context(found: list[Found], config: PiiConfig) -> list[Found]:
    """Dates count where they stand with a person; under HIPAA every date and web address does."""
    if config.profile == "hipaa":
        return [f._replace(score=_ALWAYS) if f.type in ("DATE_TIME", "URL") else f for f in found]
    least = config.threshold
    people = sorted((f.start, f.end) for f in found if f.type not in ("DATE_TIME", "URL", "LOCATION", "ORGANIZATION") and f.score >= least)
    if not people:
        return found
    out = []
    for f in found:
        if f.type == "DATE_TIME" and 0.2 < f.score < 0.5 and any(s - _NEAR < f.start < e + _NEAR for s, e in people):
            f = f._replace(score=0.5)
        out.append(f)
    return out


def resolve(found: list[Found]) -> list[Found]:
    """Of findings that overlap the surest stays; of equally sure ones the longer, then the more telling type."""
    taken: list[Found] = []
    order = sorted(found, key=lambda f: (-(f.score - 0.15 * (f.type in PRIORITY)), -(f.end - f.start), f.start))
    starts: dict[int, Found] = {}
    covered: set[int] = set()
    for f in order:
        blocks = range(f.start >> 6, (f.end >> 6) + 1)
        if covered.isdisjoint(blocks) or all(f.end <= t.start or t.end <= f.start for t in taken if t.end > f.start and t.start < f.end):
            taken.append(f)
            covered.update(blocks)
            starts[f.start] = f
    return sorted(taken)
