"""E-mail addresses, web addresses of people, addresses of machines, wallets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.pii import checks
from curation.pii.lexicon import is_first_name
from curation.pii.page import Found, Page

_LOCAL_END = re.compile(r"[^\W_][\w.+%'’-]*$")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_LITERAL = re.compile(r"\[(?:\d{1,3}\.){3}\d{1,3}\]")
_LONGEST_LOCAL = 128
_FILES = frozenset(
    "png jpg jpeg gif svg webp ico py pyc js ts jsx tsx css scss html htm json yaml yml toml xml csv tsv txt "
    "md rst log "
    "zip gz tar exe dll so lib jar java cpp cc hpp rb go rs sh bat pdf doc docx xls xlsx".split()
)
_ROLES = re.compile(
    r"(?:no-?reply|do-?not-?reply|postmaster|webmaster|hostmaster|mailer-daemon|abuse|security|support|info|help|sales|"
    r"admin|administrator|root|git|noc|news|press|jobs|team|hello|contact|list|lists|user|username|foo|bar|someone|"
    r"you|your|me|name|email|devel|announce|.{1,60}[-.](?:list|lists|dev|devel|sig|users|announce|discuss|"
    r"request|owner|"
    r"help|team|committers|bugs|bounces))",
    re.I,
)
_AT = r"(?:\s?[\[({<]\s?(?:at|@)\s?[\])}>]\s?|\s(?:at|AT|@)\s)"
_DOT = r"(?:\s?[\[({<]\s?(?:dot|\.)\s?[\])}>]\s?|\s(?:dot|DOT|point)\s|\.)"
_PART = r"[A-Za-z0-9][A-Za-z0-9_+-]{0,40}"
_SPELLED = re.compile(
    rf"(?<![\w@.])(?P<local>{_PART}(?:{_DOT}{_PART}){{0,3}}){_AT}(?P<domain>{_PART}(?:{_DOT}{_PART}){{1,3}})(?![\w@])",
    re.I,
)
_SPELLED_HINTS = (
    "dot",
    "DOT",
    "Dot",
    "(at",
    "[at",
    "{at",
    "<at",
    "(AT",
    "[AT",
    "(@",
    "[@",
    " @ ",
    "( at",
    "[ at",
    " point ",
)
_NOT_LOCAL = frozenset(
    "look looking available found hosted us me it is visit see hosting served runs out away here site page "
    "work works meet".split()
)
_SUFFIX = frozenset(
    "com org net edu gov io co de uk us fr es it nl ch at eu info biz me dev app ai ca au jp in br ru se no "
    "dk fi pl".split()
)

_URL = re.compile(
    r"\b(?:https?|ftp)://[^\s<>\"'`\\^{}|\x00]{3,2000}|\bwww\.[\w-]{1,63}\.[^\s<>\"'`\\^{}|\x00]{2,500}", re.I
)
_PERSONAL_URL = re.compile(
    r"://[^/]*(?:linkedin\.com/in/|(?:facebook|instagram|tiktok|threads|vk)\.(?:com|net)/@?[\w.]+/?$|"
    r"(?:twitter|x)\.com/\w+/?$|(?:medium\.com|youtube\.com|mastodon\.\w+)/@\w|t\.me/\w|reddit\.com/u(?:ser)?/|"
    r"orcid\.org/\d|(?:github|gitlab)\.com/[\w-]+/?$)|/~\w|://[^/\s@]{1,80}:[^/\s@]{1,80}@|/(?:users?|"
    r"profiles?|people|members?)/[\w.-]+/?$",
    re.I,
)
_MY_SITE = re.compile(
    r"\b(?:my|our|his|her|their|personal|own|your)\s(?:\w+\s){0,2}(?:web\s?site|site|home\s?page|blog|"
    r"web\s?page|portfolio|profile|url|domain|link)\b",
    re.I,
)

_IPV4_HINT = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d")
_IPV6_HINT = re.compile(r":[0-9A-Fa-f]{0,4}:")
_IPV4 = re.compile(r"(?<![\w.:-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\w)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:|:){2,7}(?::|[0-9A-Fa-f]{1,4})(?![\w:]|\.\d)")
_IP_WORDS = re.compile(
    r"\bipv?[46]?\b|\bip\b|address|\bhost|client|remote|login|logged|connect(?:ed|ion)|visitor|subnet|router|\bdns\b",
    re.I,
)
_VERSION = re.compile(r"(?:\bv|version|release|build|==|>=|<=|~=|\bver\.?|firmware|section|chapter|oid)\s?$", re.I)
_MAC_HINT = re.compile(r"[:.-][0-9A-Fa-f]{2}(?:[0-9A-Fa-f]{2})?[:.-][0-9A-Fa-f]{2}")
_MAC = re.compile(
    r"(?<![\w:-])(?:[0-9A-Fa-f]{2}(?P<sep>[:-])(?:[0-9A-Fa-f]{2}(?P=sep)){4}[0-9A-Fa-f]{2}|"
    r"(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})(?![\w:-])"
)
_WALLET = re.compile(r"(?<!\w)(?:0x[0-9a-fA-F]{40}|bc1[02-9ac-hj-np-z]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34})(?!\w)")
_LONG_WORD = re.compile(r"[^\W_]{26}")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def emails(page: Page) -> Iterator[Found]:
    """E-mail addresses (RFC 5321, section 4.1.2), also spelled out; none of roles, lists and reserved domains unless
    the local part is a person's full name."""
    text = page.text
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1) or _LITERAL.match(text, at + 1)
        local = domain and _LOCAL_END.search(text[max(0, at - _LONGEST_LOCAL) : at])
        if local and domain and domain[0].rpartition(".")[2].lower() not in _FILES:
            start = at - len(local[0])
            yield Found(start, domain.end(), "EMAIL_ADDRESS", _email_score(local[0], domain[0]))
        at = text.find("@", at + 1)
    if any(hint in text for hint in _SPELLED_HINTS):
        for match in _SPELLED.finditer(text):
            domain_text = re.sub(_DOT, ".", match["domain"], flags=re.I)
            local_text = re.sub(_DOT, ".", match["local"], flags=re.I)
            bracketed = any(c in match[0] for c in "[({<@")
            if domain_text.rpartition(".")[2].lower() not in _SUFFIX or local_text.lower() in _NOT_LOCAL:
                continue
            if not bracketed and not re.search(r"\sdot\s", match[0], re.I):
                continue
            yield Found(match.start(), match.end(), "EMAIL_ADDRESS", min(0.85, _email_score(local_text, domain_text)))


def unspelled(value: str) -> str:
    """An e-mail address as it is written, not spoken."""
    plain = re.sub(_DOT, ".", re.sub(_AT, "@", value, count=1, flags=re.I), flags=re.I)
    return "".join(plain.split())


def _email_score(local: str, domain: str) -> float:
    if _ROLES.fullmatch(local) or domain.lower().startswith("lists."):
        return 0.3
    if checks.reserved_domain(domain):
        parts = [part for part in re.split(r"[.\-_+]", local) if part.isalpha()]
        return 0.7 if len(parts) > 1 and (is_first_name(parts[0]) or is_first_name(parts[-1])) else 0.2
    return 0.95


def urls(page: Page) -> Iterator[Found]:
    """Web addresses: those of people score 0.6, others 0.2."""
    if "://" not in page.text and "www." not in page.text.lower():
        return
    for match in page.matches(_URL):
        value = match[0].rstrip(".,;:!?)]}'\"*_")
        host = re.sub(r"^\w+://", "", value).partition("/")[0].rpartition("@")[2].partition(":")[0]
        personal = _PERSONAL_URL.search(value) or _MY_SITE.search(page.text[max(0, match.start() - 60) : match.start()])
        score = 0.2 if not personal or checks.reserved_domain(host) else 0.35 if page.technical(match.start()) else 0.6
        yield Found(match.start(), match.start() + len(value), "URL", score)


def addresses(page: Page) -> Iterator[Found]:
    """IP addresses that a person may have: no documentation, no loopback, no version numbers."""
    text = page.text
    if page.digits and _IPV4_HINT.search(text):
        for match in page.matches(_IPV4):
            if checks.ip(match[0]):
                named = _IP_WORDS.search(page.around(match.start(), match.end(), 40, 20)) is not None
                version = _VERSION.search(text[max(0, match.start() - 12) : match.start()]) is not None
                small = all(int(part) < 30 for part in match[0].split("."))
                unsure = small or page.technical(match.start())
                score = 0.1 if version else 0.3 if unsure and not named else 0.75 if named else 0.6
                yield Found(match.start(), match.end(), "IP_ADDRESS", score)
    if _IPV6_HINT.search(text):
        for match in page.matches(_IPV6):
            groups = [part for part in match[0].split(":") if part]
            if len(groups) >= 3 and any(c.isdigit() for c in match[0]) and checks.ip(match[0]):
                sure = len(groups) >= 5 or _IP_WORDS.search(page.around(match.start(), match.end(), 40, 20))
                yield Found(match.start(), match.end(), "IP_ADDRESS", 0.7 if sure else 0.35)


def hardware(page: Page) -> Iterator[Found]:
    """MAC addresses (IEEE 802), none of one repeated byte."""
    if not page.digits or max(map(page.text.count, ":-.")) < 2 or _MAC_HINT.search(page.text) is None:
        return
    for match in page.matches(_MAC):
        if len(set(re.split(r"[:.-]", match[0]))) > 2:
            yield Found(match.start(), match.end(), "MAC_ADDRESS", 0.7)


def wallets(page: Page) -> Iterator[Found]:
    """Bitcoin addresses with their checksum (base58check; bech32 by its alphabet), Ethereum's by their form."""
    if not page.digits or _LONG_WORD.search(page.text) is None:
        return
    for match in page.matches(_WALLET):
        value = match[0]
        if value[:2] == "0x":
            named = re.search(r"wallet|eth|crypto|token|address", page.around(match.start(), match.end(), 40, 20), re.I)
            score = 0.6 if named else 0.3
        elif value[:3] == "bc1":
            score = 0.7
        else:
            score = 0.9 if base58(value) else 0.0
        if score:
            yield Found(match.start(), match.end(), "CRYPTO", score)


def base58(value: str) -> bool:
    """Does a base58check value of 25 bytes carry its double SHA-256 checksum?"""
    import hashlib

    number = 0
    for c in value:
        number = number * 58 + _BASE58.index(c)
    if number >= 1 << 200:
        return False
    data = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]
