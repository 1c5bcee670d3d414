"""Defuse what was found, so that the rest of the text can be kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from curation.malicious.config import MaliciousConfig
from curation.malicious.finding import Finding

_ACTIVE = str.maketrans({"<": "&lt;", ">": "&gt;"})
_MARKUP = re.compile(r"<[a-zA-Z/!?%][^<>]*>?")


@dataclass(frozen=True, slots=True)
class Change:
    """``text[start:end]`` becomes ``into``."""

    start: int
    end: int
    into: str


def neutralise(text: str, findings: Sequence[Finding], config: MaliciousConfig = MaliciousConfig()) -> str:
    """The text with each finding of a kind in ``config.kinds`` defused.

    A secret becomes ``[secret: aws_access_key_id]``, with the rule that found it. The angle brackets of active
    markup are escaped where that makes it inert; all else, and markup that runs without them, becomes a marker as in
    ``[removed: prompt_injection]``. What is made holds nothing that :func:`~curation.malicious.scan` would find.
    """
    return applied(text, changes(text, findings, config))


def changes(text: str, findings: Sequence[Finding], config: MaliciousConfig = MaliciousConfig()) -> list[Change]:
    """What :func:`neutralise` does, in order, without overlaps: of findings that overlap, one for their union."""
    wanted = sorted((f for f in findings if f.kind in config.kinds), key=lambda f: (f.start, -f.end))
    groups: list[list[Finding]] = []
    reach = -1
    for finding in wanted:
        if groups and finding.start < reach:
            groups[-1].append(finding)
        else:
            groups.append([finding])
        reach = max(reach, finding.end) if len(groups[-1]) > 1 else finding.end
    out = []
    for group in groups:
        start, end = group[0].start, max(f.end for f in group)
        lead = max(group, key=lambda f: (f.kind != "secret", f.score))
        out.append(Change(start, end, _defused(text[start:end], lead, config)))
    return out


def applied(text: str, made: Sequence[Change]) -> str:
    """The text with the changes made."""
    out: list[str] = []
    last = 0
    for change in made:
        out += (text[last : change.start], change.into)
        last = change.end
    out.append(text[last:])
    return "".join(out)


def moved(offset: int, made: Sequence[Change]) -> int:
    """Where an offset of the text lies after the changes; one inside a change goes to its beginning."""
    shift = 0
    for change in made:
        if offset < change.end:
            return change.start + shift if offset > change.start else offset + shift
        shift += len(change.into) - (change.end - change.start)
    return offset + shift


def _defused(passage: str, finding: Finding, config: MaliciousConfig) -> str:
    if finding.kind == "secret":
        return f"[secret: {finding.rule.partition(':')[0] or 'unknown'}]"
    if finding.kind == "script" and _MARKUP.search(passage):
        from curation.malicious.search import scan

        escaped = passage.translate(_ACTIVE)
        if not scan([escaped], config.model_copy(update={"model": "", "kinds": ("script",)}))[0]:
            return escaped
    return f"[removed: {finding.kind}]"
