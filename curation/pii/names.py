"""Names of people, places and organisations without a model: lists of names, capitals, and the words around them.

A rule of thumb, not a reader: a name that is in no list and has no telling words around it is not found.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

from curation.pii.lexicon import Lexicon, is_everyday, lexicon, words
from curation.pii.page import Found, Page


def _ranges(category: str, until: int = 0x2C00) -> str:
    """A character class of the letters of a Unicode category."""
    found = [chr(c) for c in range(until) if unicodedata.category(chr(c)) == category]
    out: list[str] = []
    for c in found:
        if out and ord(c) == ord(out[-1][-1]) + 1:
            out[-1] = out[-1][0] + "-" + c
        else:
            out.append(c)
    return "".join(out)


_UP = _ranges("Lu")
_PART = rf"[{_UP}][^\W\d_]*(?:['’\-][^\W\d_]+)*"
_INITIAL = rf"[{_UP}]\."
_LINK = r"(?:van|von|der|den|de|da|di|do|dos|das|del|della|la|le|el|al|bin|ibn|ben|zu|zur|ter|ten|af|av|y|e|du|des|af)"
_RUN = re.compile(
    rf"(?<![\w.@/\\#$])(?<!\d-)(?:{_INITIAL} ?){{0,4}}{_PART}(?: {{1,2}}(?:{_LINK} ){{0,3}}(?:{_INITIAL}|"
    rf"{_PART})){{0,6}}(?!\()"
)
_TOKEN = re.compile(rf"{_INITIAL}|{_PART}|[^\W\d_]+")
_LOWER_RUN = re.compile(r"(?<![\w.@/\\#$])[^\W\d_]{2,}(?:['’-][^\W\d_]+)?(?![\w@(]|\.\w)")
_CJK = re.compile(
    r"[\u3005\u3400-\u9fff]{1,4}(?: [\u3005\u3400-\u9fff]{1,4})?(?![\u3005\u3400-\u9fff])|[\uac00-\ud7af]{2,4}|"
    r"[\u30a0-\u30ff]{2,6} [\u30a0-\u30ff]{2,6}"
)
_MASKED = re.compile(rf"(?<!\w)[{_UP}]\*{{2,20}}(?: [{_UP}]\*{{2,20}}){{1,3}}(?![\w*])")

_TITLE = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Mx|Miss|Mister|Dr|Prof|Professor|Doctor|Sir|Madam|Lady|Lord|Rev|Fr|Herr|Frau|Señora?|"
    r"Sra?|Monsieur|Madame|Mme|M|Hon|Capt|Captain|Lt|Sgt|Judge|Senator|President|Officer|Detective|Nurse|"
    r"Uncle|Aunt|Cousin|Brother|Sister|Saint)\b\.? ?)$",
    re.I,
)
_BEFORE = re.compile(
    r"(?:\b(?:my|his|her|their|your|the|partner['’]?s|maiden|full|first|last|sur|given|user) ?name(?:['’]?s|"
    r" is| was|:)? ?[:=\"']{0,3} ?|"
    r"\b(?:name|patient|customer|client|employee|author|authors|contact|from|cc|bcc|to|attn|attention|"
    r"recipient|sender|owner|tenant|"
    r"signed|user|by|reported by|prepared by|written by|manager|doctor|nurse|teacher|student|driver|applicant|"
    r"beneficiary|insured|"
    r"employer|spouse|wife|husband|son|daughter|father|mother|brother|sister|friend|colleague|boss|neighbou?r|"
    r"producer|singer|actor|actress|"
    r"director|president|captain|witness|suspect|defendant|plaintiff|resident|payee)(?: name| is|"
    r" was)?[:=]? ?[\"'(\[<>|]{0,2}|"
    r"\b(?:called|named(?: (?:him|her|them))?|calls? (?:me|him|her)|call me|meet|met|ask for|speak (?:to|"
    r"with)|spoke (?:to|with)|talk(?:ed)? (?:to|with)|"
    r"thanks(?: to)?|thank you|follow up with|married|dated|says|said|asked|told|directed by|starring|"
    r"i['’ ]a?m|this is|it['’]s|"
    r"regards|sincerely|cheers|yours(?: truly| faithfully)?|love|best|dear|hi|hello|hey|goodbye|add|contact|"
    r"message from|letter from|for request for|request for|not|if|fan of|"
    r"better than)[,:]? {0,2}\n{0,2}[\"'>]{0,2})$",
    re.I,
)
_AFTER = re.compile(
    r"['’]s? (?:daughter|son|wife|husband|mother|father|friend|house|birthday|account|name|phone|email|"
    r"address|concert|version|card|brother|sister)\b|"
    r",? (?:said|says|told|asked|replied|shouted|wrote|thinks?|thought|smiled|laughed|called|lives?|lived|"
    r"works?|worked|moved|born|died|married|loves?|likes?|has had|had given|had told|"
    r"is (?:a|an|my|our|his|her|from|very|not|the|in)|was (?:a|an|born|seen|my|removed|not|very)|were to|"
    r"will be (?:talking|speaking|there|joining)|arrived|went|came|can i|could you|please|concert|practices|"
    r"filed)\b|"
    r" (?:\(|<|at )?[\w.+-]{1,40}@|:\s?\\?\"| ?<[\w.]+@|,? (?:jr|sr|phd|md|esq|dds|dvm)\b",
    re.I,
)
_IN = re.compile(
    r"\b(?:lives?|lived|living|born|raised|grew up|grow up|moved?|moving|based|stay(?:ing|ed|s)?|arriv(?:ed|"
    r"es|ing)|travel(?:led|ling|ed|s)?|fly|flies|flying|flew|"
    r"flight|trip|went|going|go|headed|comes?|came|coming|drove|drive|resid(?:es|ed|ing|ent)|located|citizen|"
    r"native|mayor|city|town|capital|embassy|"
    r"village|visit(?:ed|ing|s)?|injured|vacation|holiday|someone|people|grown up|study|studied|died|working|"
    r"works|practices|office|"
    r"i am|i['’]m|he is|she is|we are)"
    r"(?: \w{1,12}){0,3}? (?:in|to|from|at|of|near|around|outside|through) (?:the )?$|\bvisit(?:ed|ing|"
    r"s)? (?:the )?$|\b(?:where|location|city|town|country|state|place of birth|nationality|"
    r"hometown)(?: is)?: ?[\"']?$",
    re.I,
)
_EMPLOYS = re.compile(
    r"\b(?:works?|worked|working|employed|job|interned|intern|career|hired|account|manager|ceo|cto|founder|"
    r"director|president|employee|chairman|contract|customer|partner|consultant|engineer|recorded|is|was|"
    r"comes?|i['’]m|i am|calling)"
    r"(?: \w{1,10}){0,2}? (?:at|for|by|with|of|from) (?:the )?$|\b(?:company|employer|organi[sz]ation|firm|"
    r"corporation|organization name)(?: name)?(?: is|:)? ?[\"']?$|\bthe (?:address|website|ceo|headquarters|"
    r"phone number) of (?:the )?$",
    re.I,
)
_RUNS_BUSINESS = re.compile(
    r" (?:invested|announced|acquired|hired|reported (?:earnings|revenue)|employees?\b|shares?\b|headquarters|"
    r"subsidiary|is hiring|stock\b|will acquire|bought|board\b)",
    re.I,
)
_WEAK = re.compile(
    r"\b(?:to|from|by|not|if|it['’]s|best|love|add|than|of|user|manager|director|hello|author|authors|"
    r"this is)[:=]? ?[\"'(\[<>|]{0,2}$",
    re.I,
)
_TITLES = frozenset(
    "mr mrs ms mx miss mister dr prof professor doctor sir madam lady lord rev fr herr frau señor señora sr "
    "sra monsieur "
    "madame mme m hon capt captain lt sgt judge senator president officer detective nurse uncle aunt cousin "
    "brother sister saint".split()
)
_CUES = frozenset(
    "name s is was name patient customer client employee author authors contact from cc bcc to attn "
    "attention recipient sender "
    "owner tenant signed user by manager doctor nurse teacher student driver applicant beneficiary insured "
    "employer spouse wife "
    "husband son daughter father mother brother sister friend colleague boss neighbor neighbour producer "
    "singer actor actress "
    "director president captain witness suspect defendant plaintiff resident payee called named him her them "
    "call calls me meet "
    "met for with thanks thank you up married dated says said asked told starring m am i this it regards "
    "sincerely cheers yours "
    "truly faithfully love best dear hi hello hey goodbye add if not of than".split()
)
_PLACE_CUES = frozenset(
    "in to from at of near for by with around outside through the visit visiting visited visits where "
    "location city town country state birth nationality hometown is company employer organization "
    "organisation firm corporation name".split()
)
_ARTICLES = frozenset("the a an this that each every your no any some these those".split())
_PREPOSITIONS = frozenset(
    "in from near to at of around outside across throughout via between and leaving visiting the is through "
    "for like".split()
)
_LONGEST_LOWER = 4000
_LOOK_BACK = 48
_OPENS = re.compile(r"(?:[.!?:|*#>\"”)]\s*|\n\s*|\A[\s\"]*)\Z")  # where any word has a capital
_LAST_WORD = re.compile(r"[^\W_]+(?=[\W_]*\Z)")
_CAMEL = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")


def names(page: Page) -> Iterator[Found]:
    """People, places and organisations."""
    text = page.text
    lex = lexicon()
    lowered = {"PERSON", "LOCATION"} & page.wanted and len(text) <= _LONGEST_LOWER and _is_lowered(text)
    if lowered:
        yield from _lower(page, lex)
    else:
        for match in page.matches(_RUN):
            yield from _run(page, match, lex)
    if not text.isascii():
        yield from _east_asian(page, lex)
    for match in page.matches(_MASKED):
        yield Found(match.start(), match.end(), "PERSON", 0.5)


def _is_lowered(text: str) -> bool:
    capitals = sum(c.isupper() for c in text[:_LONGEST_LOWER])
    return capitals == 0 or capitals * 80 < len(text)


def _run(page: Page, match: re.Match[str], lex: Lexicon) -> Iterator[Found]:
    """What a row of capitalised words holds."""
    start, end = match.span()
    parts = [(m.start() + start, m.end() + start, m[0]) for m in _TOKEN.finditer(match[0])]
    openers = words("openers")
    while parts and parts[0][2].casefold() in openers:
        parts.pop(0)
    while parts and (parts[-1][2][0].islower() or (parts[-1][2].casefold() in openers and len(parts) > 1)):
        parts.pop()
    if not parts:
        return
    if len(parts) == 1 and parts[0][2].isupper() and len(parts[0][2]) < 4:
        return
    company = _company(page, parts, end)
    if company is not None:
        yield company
        return
    yield from _people_and_places(page, parts, lex)


def _last_word(before: str) -> str:
    """The word that a stretch of text ends with, in lower case."""
    match = _LAST_WORD.search(before[-16:].rstrip(" \"'(<>|[:=,.\n\t"))
    return match[0].lower() if match else ""


def _cued(text: str, at: int) -> bool:
    """Do the words before a place say that a person's name follows?"""
    before = text[max(0, at - _LOOK_BACK) : at]
    return _last_word(before) in _CUES and _BEFORE.search(before) is not None


def _company(page: Page, parts: list[tuple[int, int, str]], end: int) -> Found | None:
    last = parts[-1][2].casefold()
    text = page.text
    technical = page.technical(parts[0][0])
    if len(parts) > 1:
        if last in words("company_forms"):
            return Found(parts[0][0], end + (text[end : end + 1] == "."), "ORGANIZATION", 0.75)
        if last in words("company_words") and not technical:
            return Found(parts[0][0], parts[-1][1], "ORGANIZATION", 0.6)
    tail = re.match(
        r",? (?:and sons|and \w+|(?:Inc|Ltd|LLC|Corp|GmbH|PLC|S\.A|Co)\b\.?)", text[parts[-1][1] : parts[-1][1] + 20]
    )
    if tail and re.search(r"sons|Inc|Ltd|LLC|Corp|GmbH|PLC|S\.A|Co\b", tail[0]):
        return Found(parts[0][0], parts[-1][1] + tail.end(), "ORGANIZATION", 0.7)
    return None


def _people_and_places(page: Page, parts: list[tuple[int, int, str]], lex: Lexicon) -> Iterator[Found]:
    text = page.text
    start, end = parts[0][0], parts[-1][1]
    technical = page.technical(start)
    before, after = text[max(0, start - _LOOK_BACK) : start], text[end : end + 32]
    word = _last_word(before)
    titled = word in _TITLES and _TITLE.search(before) is not None
    cued = titled or (word in _CUES and _BEFORE.search(before) is not None)
    located = word in _PLACE_CUES and _IN.search(before) is not None
    keys = [part.casefold() for _, _, part in parts]
    place = " ".join(keys)
    if not titled and place in lex.places and not (len(keys) == 1 and is_everyday(place)):
        named = place in lex.first and len(keys) == 1
        if located or (word in _PREPOSITIONS and not (named and cued)):
            yield Found(start, end, "LOCATION", 0.35 if technical and not located else 0.6)
            return
        if (place in lex.nations or (not named and place not in lex.last)) and not cued:
            yield Found(start, end, "LOCATION", 0.3 if technical else 0.5)
            return
    best = _person(parts, keys, lex, technical)
    if best is not None:
        first, last, score = best
        near = _cued(text, parts[first][0]) if first else cued
        follow = _AFTER.match(text[parts[last - 1][1] : parts[last - 1][1] + 32])
        score += 0.25 * bool(near) + 0.2 * bool(follow) + 0.2 * titled
        shouting = all(part.isupper() for _, _, part in parts[first:last]) and len(parts[first][2]) > 1
        if shouting and (last - first < 2 or technical):
            score -= 0.2
        if last - first == 1 and word in _ARTICLES and not titled:
            return
        if located and last - first == 1 and not follow:
            yield Found(start, end, "LOCATION", 0.45)
            return
        yield Found(parts[first][0], parts[last - 1][1], "PERSON", max(0.0, min(score, 0.95)))
        return
    unknown = [key for key in keys if not is_everyday(key) and len(key) > 2]
    if not unknown:
        if titled and not technical and len(keys[0]) > 2:
            yield Found(start, end, "PERSON", 0.6)
        return
    if titled:
        yield Found(start, end, "PERSON", 0.7)
    elif located and not technical:
        yield Found(start, end, "LOCATION", 0.55)
    elif technical:
        if cued and len(unknown) == len(keys) and len(keys) in (2, 3) and _AFTER.match(after):
            yield Found(start, end, "PERSON", 0.6)
    elif (word in _PLACE_CUES and _EMPLOYS.search(before)) or _RUNS_BUSINESS.match(after):
        yield Found(start, end, "ORGANIZATION", 0.55)
    elif cued and len(keys) <= 4:
        known = any(key in lex.last or key in lex.first for key in unknown)
        weak = _WEAK.search(before) or _CAMEL.search(text[start:end])
        yield Found(start, end, "PERSON", 0.6 if known and len(unknown) == len(keys) else 0.3 if weak else 0.45)
    elif _AFTER.match(after) and len(keys) <= 3:
        known = any(key in lex.last or key in lex.first for key in unknown)
        yield Found(
            start,
            end,
            "PERSON",
            0.55 if known else 0.42 if len(unknown) == len(keys) and not _OPENS.search(before) else 0.3,
        )
    elif len(unknown) == 1 == len(keys) and keys[0] in lex.last and keys[0] not in lex.places:
        yield Found(start, end, "PERSON", 0.42 if lex.last[keys[0]] > 1 or keys[0] not in lex.first else 0.35)


def _person(
    parts: list[tuple[int, int, str]], keys: list[str], lex: Lexicon, technical: bool
) -> tuple[int, int, float] | None:
    """The stretch of a row of words that is a person's name, and how sure that is."""
    enders = words("enders")
    stop = next((i for i, key in enumerate(keys) if i and key in enders), len(keys))
    if stop < len(keys):
        return None  # Martin Luther King Boulevard
    kinds = [_kind(key, part, lex) for key, (_, _, part) in zip(keys, parts, strict=True)]
    best: tuple[int, int, float] | None = None
    for i, kind in enumerate(kinds):
        if kind not in "FfLI":
            continue
        j = i + 1
        while j < len(kinds) and kinds[j] != "C":
            j += 1
        while j > i + 1 and parts[j - 1][2][0].islower():
            j -= 1
        row = "".join(k for k in kinds[i:j] if k != "-")
        score = _score("".join(row), technical)
        if score and (best is None or score > best[2]):
            best = (i, j, score)
        if kind == "F":
            break
    return best


def _kind(key: str, part: str, lex: Lexicon) -> str:
    """F first name, f one that is an everyday word too, L surname, I initial, U unknown, C common, - link."""
    if len(part) == 2 and part[1] == ".":
        return "I"
    if part[0].islower():
        return "-"
    everyday = is_everyday(key)
    if key in lex.first or ("-" in key and key.split("-")[0] in lex.first):
        return "f" if everyday else "F"
    if key in lex.last or ("-" in key and key.split("-")[-1] in lex.last):
        return "l" if everyday else "L"
    return "C" if everyday or len(key) < 2 else "U"


def _score(row: str, technical: bool) -> float:
    head, tail = row[0], row[1:]
    if not tail:
        return {"F": 0.2 if technical else 0.5}.get(head, 0.0)
    rest = tail.replace("I", "")
    strong = any(k in "LF" for k in rest)
    if head == "F":
        if strong:
            return 0.75 if not technical else 0.55
        return 0.3 if technical else 0.6
    if head == "f":
        return (0.3 if technical else 0.5) if strong else (0.0 if technical else 0.25)
    if head == "L":
        return (0.3 if technical else 0.5) if "F" in rest else (0.2 if technical else 0.35)
    return 0.35 if strong else 0.2 if "U" in rest and not technical else 0.0


def _lower(page: Page, lex: Lexicon) -> Iterator[Found]:
    """Names in a text without capitals: first names with the surname that follows, and places after a preposition."""
    text = page.text
    found = [(m.start(), m.end(), m[0].casefold()) for m in page.matches(_LOWER_RUN)]
    skip = 0
    for i, (start, end, key) in enumerate(found):
        if i < skip or len(key) < 3 or is_everyday(key):
            continue
        joined = i + 1 < len(found) and text[end : found[i + 1][0]] == " "
        before = text[max(0, start - 48) : start]
        following = found[i + 1] if joined else None
        place = f"{key} {following[2]}" if following else ""
        if place in lex.places and following:
            skip = i + 2
            yield Found(start, following[1], "LOCATION", 0.5)
        elif key in lex.first and lex.first[key] + lex.last.get(key, 0) > 1:
            last = end
            if following and not is_everyday(following[2]) and following[2] in lex.last:
                last, skip = following[1], i + 2
            cued = _BEFORE.search(before) or _AFTER.match(text[last : last + 32]) or _TITLE.search(before)
            yield Found(start, last, "PERSON", 0.6 if last > end or cued else 0.42)
        elif key in lex.places and _last_word(before) in _PREPOSITIONS:
            yield Found(start, end, "LOCATION", 0.5)
        elif key in lex.last and (_TITLE.search(before) or _BEFORE.search(before)):
            yield Found(start, end, "PERSON", 0.45)


def _east_asian(page: Page, lex: Lexicon) -> Iterator[Found]:
    """Chinese, Japanese and Korean names: a surname and a first name of the lists, in either order; with a space
    between, which such texts otherwise have not, one of the two is enough."""
    for match in page.matches(_CJK):
        value = match[0]
        a, space, b = value.partition(" ")
        pairs = [(a, b)] if space else [(value[:i], value[i:]) for i in range(1, len(value))]
        both = any((x in lex.last and y in lex.first) or (x in lex.first and y in lex.last) for x, y in pairs)
        if both or (space and (a in lex.last or b in lex.last or a in lex.first)):
            yield Found(match.start(), match.end(), "PERSON", 0.6 if both else 0.45)


@functools.cache
def full_name(text: str) -> bool:
    """Is a short text a person's full name of the lists, and nothing else?"""
    keys = text.casefold().split()
    lex = lexicon()
    return 2 <= len(keys) <= 4 and keys[0] in lex.first and keys[-1] in lex.last and text[:1].isupper()
