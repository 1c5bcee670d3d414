"""Finding personal data in texts: one pass of each recogniser, then one finding where several overlap."""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from curation.pii import address, encoded, keyed, names, network, numbers, presidio
from curation.pii.config import PiiConfig
from curation.pii.lexicon import is_everyday
from curation.pii.normal import View, view
from curation.pii.page import Found, Page
from curation.pii.types import NAMED, PRIORITY, PROFILES, TYPES, Span

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
_KNOWN = 0.5  # least score of a name whose parts are looked for in the rest of the text
_TELLING = 4  # least letters of such a part
_MOST_PARTS = 2000
_HANDICAP = 0.15  # by which names and places give way to numbers and addresses
_MOST_ROUNDS = 3
_CLOSE = 3  # characters
_BLOCK = 6  # findings are looked up by stretches of 2**6 characters
_NAME_PART = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
PLACEHOLDER = re.compile(rf"<(?:{'|'.join(TYPES)})(?::[0-9a-f]{{6,64}})?>")
"""What :mod:`curation.pii.rewrite` leaves in the place of a value."""
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


def _settled(text: str, config: PiiConfig, wanted: frozenset[str], named: list[Found], depth: int = 0) -> list[Found]:
    if "<" in text:
        text = PLACEHOLDER.sub(_blank, text)
    page = Page(text, wanted)
    found = list(_all(page, config, named))
    if {"DATE_TIME", "URL"} & wanted:
        found = _in_context(found, config)
    least = config.thresholds
    if "PERSON" in wanted:
        found = _spread(page, found)
    kept = [f for f in found if f.type in wanted and f.score >= least.get(f.type, config.threshold)]
    out = resolve(kept)
    if not out or depth == _MOST_ROUNDS or not (_cut_off(kept, out) or _crowded(text, out)):
        return out
    # A number that ran into a surer one beside it: what is left of it is looked at by itself.
    parts, last = [], 0
    for f in out:
        parts += [text[last : f.start], "\x00" * (f.end - f.start)]
        last = f.end
    more = _settled("".join((*parts, text[last:])), config, wanted, [], depth + 1)
    return resolve([*out, *more])


def _crowded(text: str, out: list[Found]) -> bool:
    """Does a finding stand so close to other digits that a recogniser may have taken them for one number?"""
    return any(
        c.isdigit() for f in out for c in text[max(0, f.start - _CLOSE) : f.start] + text[f.end : f.end + _CLOSE]
    )


def _cut_off(kept: list[Found], out: list[Found]) -> bool:
    """Did a finding give way that covers more than one that stays?"""
    starts = [f.start for f in out]

    def within(f: Found) -> bool:
        place = bisect.bisect_right(starts, f.start) - 1
        return place >= 0 and f.end <= out[place].end

    return not all(within(f) for f in kept)


def _blank(placeholder: re.Match[str]) -> str:
    """As many NULs: what was masked before is neither masked again nor tells what stands beside it."""
    return "\x00" * len(placeholder[0])


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
    people = sorted(
        (f.start, f.end)
        for f in found
        if f.type not in ("DATE_TIME", "URL", "LOCATION", "ORGANIZATION") and f.score >= least
    )
    if not people:
        return found
    out = []
    for f in found:
        if f.type == "DATE_TIME" and 0.2 < f.score < 0.5 and any(s - _NEAR < f.start < e + _NEAR for s, e in people):
            f = f._replace(score=0.5)
        out.append(f)
    return out


def resolve(found: Iterable[Found]) -> list[Found]:
    """Of findings that overlap the surest stays; of equally sure ones the longer, then the more telling type."""
    order = sorted(
        found, key=lambda f: ((f.type in PRIORITY and _HANDICAP - f.score) or -f.score, f.start - f.end, f.start)
    )
    taken: dict[int, list[Found]] = {}
    out: list[Found] = []
    for f in order:
        blocks = range(f.start >> _BLOCK, (f.end >> _BLOCK) + 1)
        if all(f.end <= t.start or t.end <= f.start for block in blocks for t in taken.get(block, ())):
            out.append(f)
            for block in blocks:
                taken.setdefault(block, []).append(f)
    return sorted(out)


def _spread(page: Page, found: list[Found]) -> list[Found]:
    """With the other places where a person of the text is named by the surname or the first name alone."""
    parts = {
        part
        for f in found
        if f.type == "PERSON" and f.score >= _KNOWN
        for part in _NAME_PART.findall(page.text[f.start : f.end])
        if len(part) >= _TELLING and part[0].isupper() and not is_everyday(part.casefold())
    }
    if not parts or len(parts) > _MOST_PARTS:
        return found
    pattern = re.compile(
        rf"(?<![\w@.-])(?:{'|'.join(sorted(map(re.escape, parts), key=len, reverse=True))})(?![\w@(]|-\w|\.\w)"
    )
    return found + [Found(m.start(), m.end(), "PERSON", _KNOWN - 0.05) for m in page.matches(pattern)]
