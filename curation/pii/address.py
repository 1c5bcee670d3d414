"""Street addresses by their grammar: street and number, unit, post box, postcode, and the town that follows them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.pii.page import Found, Page

_W = r"[^\W\d_][\w'’.-]{0,30}"  # a word of a street's name
_CAPITAL = r"[^\W\d_a-z][\w'’.-]{0,30}"
_NAME = rf"{_W}(?: {_W}){{0,3}}"
_CLOSE = (
    r"(?:street|st|road|rd|avenue|ave|av|lane|ln|drive|dr|boulevard|blvd|court|ct|place|pl|square|sq|terrace|"
    r"way|parkway|pkwy|"
    r"highway|hwy|crescent|cres|close|circle|cir|trail|trl|walk|mews|grove|gardens|row|alley|quay|crossing|"
    r"esplanade|loop|"
    r"plaza|turnpike|heights|hill|ridge|view|park|green|rise)"
)
_SUFFIXED = (
    r"[^\W\d_][\w'’-]{2,30}(?:straße|strasse|str\.|gasse|weg|platz|allee|damm|ufer|brücke|gata|gatan|gate|"
    r"gaten|vej|veien|vegen|"
    r"vägen|stigen|gade|plads|straat|laan|plein|gracht|kade|katu|tie|polku|utca|utcája|stræti|braut|sundet|"
    r"haugen|bakken|"
    r"ulica|ulice|kuja|väg|stien|alléen|långa|gränd|torget|toppen)"
)
_OPEN = (
    r"(?:rua|avenida|av\.|avda\.?|calle|c/|carrer|via|viale|corso|piazza|rue|boulevard|chemin|allée|quai|place|impasse|"
    r"ul\.|ulica|ulice|ul|ulitsa|praça|travessa|largo|estrada|camino|paseo|plaza|colonia|ronda|carretera|strada|vicolo|"
    r"rúa|cours|route|jalan|jl\.|am|im|zum|zur|an der|auf der|unter den|van|utca|kerkstraat|cesta|οδός|ул\.|улица)"
)
_NUMBER = r"\d{1,5}(?:[-/]\d{1,4})?[A-Za-z]?"
_UNIT = (
    r"(?:(?:apt|apartment|suite|ste|unit|flat|floor|room|rm|bldg|building|dept|piso|appartement|wohnung|"
    r"lägenhet)\.?\s?#?\s?(?:\d{1,5}\w?|[A-Z](?=[\s,.])|[A-Z]-?\d{1,4})|#\s?\d{1,5}\w?)"
)
_BOX = (
    r"(?:(?:p\.?\s?o\.?\s?box|post office box|postfach|apartado|boîte postale|psc|cmr|"
    r"unit)\s\d{1,6}(?:,? box \d{1,6})?)"
)
_STREET = re.compile(
    rf"(?<![\w.$€£#/-])(?:(?P<numbered>{_NUMBER},? (?:{_NUMBER} )?{_NAME}? ?\b{_CLOSE}\b\.?(?! of\b)(?: {_NUMBER})?)|"
    rf"(?P<suffixed>(?:{_NUMBER} )?(?:(?-i:{_CAPITAL}) ){{0,2}}{_SUFFIXED},? \d{{1,4}}\w?\b)|"
    rf"(?P<opened>(?:{_NUMBER},? )?\b{_OPEN}\s{_NAME},? {_NUMBER}\b|{_NUMBER},? {_OPEN}\s{_NAME})|"
    rf"(?P<bare>{_NUMBER} {_NAME} {_NUMBER})|"
    rf"(?P<unit>{_UNIT})|(?P<box>{_BOX}))(?!\w)",
    re.I,
)
_ZIP = re.compile(
    r"(?<![\w.-])(?:(?P<us>(?:AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|"
    r"NE|NV|NH|NJ|NM|NY|"
    r"NC|ND|OH|OK|OR|PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC|APO|FPO|DPO|AP|AE|AA) \d{5}(?:-\d{4})?)|"
    r"(?P<uk>(?:GIR 0AA|[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}))|"
    r"(?P<ca>[ABCEGHJ-NPRSTVXY]\d[A-Z] \d[A-Z]\d))(?![\w-])"
)
_ZIP_WORD = re.compile(
    r"\b(?:zip|post(?:al)?)[ -]?code[\"']?(?:\s(?:is|was|"
    r"number))?\s?[:=#]?\s?(?:is )?[\"']?(?P<value>[A-Z]{0,2}[ -]?\d{3,6}(?:-\d{3,4})?(?: ?[A-Z]{2})?)(?!\w)|"
    r"\b(?P<code>\d{5}) (?:zip|postal) code",
    re.I,
)
_CUE = re.compile(
    r"\b(?:address|addresses|live[sd]?|living|located|reside[sd]?|residing|deliver(?:ed|y)?|ship(?:ped|ping)?|"
    r"send|sent|mail(?:ed)?|"
    r"taxi|meet|move[ds]?|moved|arrived|house|home|office|street|visit|pick|drop|destination|property|"
    r"apartment|going)\b"
    r"(?:[^.?!\n\d]{0,40})$",
    re.I,
)
_MORE = re.compile(
    rf"(?P<gap>[ \t>]*[,\n][\s>,?|*]{{0,8}}| )(?P<part>{_UNIT}|{_BOX}|"
    rf"(?:{_W}[ ,]{{1,2}}){{0,4}}(?:[A-Z]{{2}},? )?\d{{4,6}}(?:-\d{{3,4}})?(?!\w)|"
    r"[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b|\d{4,5} [^\W\d_][\w'’-]{1,30}|"
    r"(?-i:[^\W\d_a-z][\w'’-]{1,30}(?:[ ](?:[^\W\d_a-z][\w'’-]{0,30}|de|la|do|da|del|of|and|am|an|der|v|u|"
    r"nad)){0,4}))",
    re.I,
)
_LIKE_STREET = re.compile(r"[^\W\d_]{3}")
_NOT_NAME = re.compile(
    r"\b(?:and|or|the|of|to|for|is|are|was|with|from|in|on|at|by|than|as|that|this|times|years?|days?|hours?|"
    r"minutes?|percent|pages?|lines?|million|people|items?|version|if|not|it|has|have|per|each|more|less|a|an|"
    r"be|can|will|which|i|you|we|us|chapter|section|step|type|level|figure|table)\b",
    re.I,
)
_LONGEST = 200


def addresses(page: Page) -> Iterator[Found]:
    """Street addresses with what belongs to them; none of a bare number and a word in a text about software."""
    if not page.digits:
        return
    text = page.text
    done = 0
    streets = (match for start, end in page.plain_parts() for match in _STREET.finditer(text, start, end))
    for match in streets:
        if match.start() < done:
            continue
        kind = match.lastgroup or ""
        technical = page.technical(match.start())
        cued = _CUE.search(text[max(0, match.start() - 60) : match.start()]) is not None
        value = match[0]
        score = _form(kind, value, cued, technical)
        end = match.end()
        parts = 0
        if score > 0:
            while end - match.start() < _LONGEST and parts < 6 and (more := _MORE.match(text, end)):
                if (
                    more["gap"] == " "
                    and not (
                        more["part"][0].isdigit() or re.match(_UNIT, more["part"], re.I) or more["part"][-1].isdigit()
                    )
                    and (parts or not cued)
                ):
                    break
                if ("\n\n" in more["gap"] and not more["part"][-1].isdigit()) or _NOT_NAME.match(more["part"]):
                    break
                end = more.end()
                parts += 1 + bool(re.match(_UNIT, more["part"], re.I) or more["part"][-1].isdigit())
        if kind in ("bare", "unit") and parts >= 2:
            score = max(score, 0.55)
        if kind == "numbered" and parts:
            score += 0.1
        if score > 0:
            done = end
            yield Found(match.start(), end, "ADDRESS", min(score, 0.9))
    for match in page.matches(_ZIP):
        technical = page.technical(match.start())
        yield Found(match.start(), match.end(), "ADDRESS", 0.2 if technical else 0.55 if match["us"] else 0.6)
    for match in page.matches(_ZIP_WORD):
        group = "value" if match["value"] else "code"
        yield Found(match.start(group), match.end(group), "ADDRESS", 0.6)


def _form(kind: str, value: str, cued: bool, technical: bool) -> float:
    """How much the beginning of an address looks like one."""
    capital = sum(word[0].isupper() for word in re.findall(r"[^\W\d_]+", value))
    spoilt = _NOT_NAME.search(value) is not None
    if kind == "box":
        return 0.2 if value.lower().startswith("unit") or technical else 0.8
    if kind == "unit":
        return (
            0.15
            if technical or value[0] == "#"
            else 0.45
            if re.match(r"(?:apt|apartment|suite|flat)\.? ?\d", value, re.I)
            else 0.2
        )
    if kind == "numbered":
        if spoilt or not (capital or cued):
            return 0.0
        return 0.3 if technical and not cued else 0.7
    if kind == "suffixed":
        return 0.0 if spoilt else 0.3 if technical else 0.7 if capital or cued else 0.3
    if kind == "opened":
        return 0.0 if spoilt or technical or not (capital or cued) else 0.6 if cued or capital > 1 else 0.35
    if spoilt or technical or not _LIKE_STREET.search(value):
        return 0.0
    return 0.6 if cued else 0.2 if capital else 0.0
