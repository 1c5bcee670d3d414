"""English verbs of technical prose, and the forms by which a heading or a definition shows one."""

from __future__ import annotations

import re

from datagen.generate.extract.lexicon import wordset

_BASE = """
accept access activate add adjust align allow analyse analyze annotate append apply approve archive arrange
assemble assert assign attach audit authenticate authorize automate avoid bind block bootstrap branch browse build
bundle cache calculate calibrate call cancel capture catch change check choose clean clear clone close collect
combine commit compare compile compose compress compute configure confirm connect construct contain continue
contribute control convert copy count cover create customise customize cut deactivate debug decide declare decode
decorate define delete deploy describe design detect determine develop diagnose disable discard display distribute
document download draw drop dump edit embed emit enable encode encrypt ensure enter estimate evaluate examine
exclude execute exit expand explain export expose extend extract fetch fill filter find finish fix flag format forward
freeze gather generate get give group guard handle hide hold identify ignore implement import improve include
increase indicate inherit initialise initialize inject insert inspect install integrate interpret invoke isolate join
judge keep label launch limit link list load locate lock log maintain make manage map mark match measure merge
migrate mix modify monitor mount move name navigate normalise normalize obtain open optimise optimize order
organise organize override pack package parse partition pass patch pause perform pick pin place plan plot plug
prepare present preserve prevent preview print process produce profile prove provide publish pull push put query
quote raise rank read rebuild receive recover reduce refactor reference refer register reject release reload remove
rename
render repair replace reply report represent request require reset resolve restart restore restrict resume retrieve
retry return
reuse revert review revoke rotate run sample save scale scan schedule score screen search secure select send
separate serialise serialize serve set share ship show shorten shrink sign simplify skip solve sort specify split
stand start stop store stream submit subscribe summarise summarize suppress swap switch synchronise synchronize
tag take test throw tie time toggle track train transfer transform translate trigger trim troubleshoot try tune turn
type undo uninstall unpack update upgrade upload use validate verify view visualise visualize wait walk watch wrap
write yield
"""
_DOUBLED = wordset(
    "begin cancel commit control cut debug drop format get label log map pin plan plot plug put refer reset run "
    "scan set "
    "ship skip split stop submit swap tag transfer trim wrap"
)
_ONCE_TOO = frozenset({"cancel", "label", "format"})  # spelt with one consonant in American English

BASES = wordset(_BASE)


def _gerund(base: str) -> str:
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base.endswith("e") and not base.endswith(("ee", "oe", "ye")):
        return base[:-1] + "ing"
    if base in _DOUBLED:
        return base + base[-1] + "ing"
    return base + "ing"


def _third(base: str) -> str:
    if base.endswith(("s", "x", "z", "ch", "sh", "o")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


GERUNDS = {_gerund(base): base for base in sorted(BASES)} | {f"{base}ing": base for base in sorted(_ONCE_TOO)}
"""``"installing"`` → ``"install"``."""

THIRDS = {_third(base): base for base in sorted(BASES)}
"""``"returns"`` → ``"return"``."""

# Verbs that are as often nouns at the start of a heading: "Test results", "Report format", "Process model".
NOUN_LIKE = wordset(
    "capture build commit merge edit access audit block branch cache call change check cover count control "
    "document design display draw exit export "
    "filter flag format group guard import label limit link list load lock log map mark match measure mix monitor "
    "mount name "
    "order pack package pass patch plan plot plug present preview print process produce profile query quote rank "
    "reference release repair reply report request return review sample scale schedule score screen search share "
    "show sign "
    "sort split stand start stream switch tag test time track train transfer transform trigger type update upgrade "
    "use view wait walk watch wrap yield place increase patch pin point release"
)
IMPERATIVES = BASES - NOUN_LIKE
"""Verbs that open an instruction and are hardly ever nouns there."""

NOUN_PHRASE = re.compile(r"\w+ (?:that|which|who|of|for|are|is|and|or|in)\b")
"""What follows a noun that looks like a verb: "Releases that …", "Requests in flight"."""
