"""A text as a row of items: words, numbers, dates, units, negations, names of things in code, and what lies between.

Values have one form whatever they are written like: ``1,000`` and ``a thousand``, ``March 3, 2020`` and
``2020-03-03``, ``3 %`` and ``three percent``, ``don't`` and ``do not``.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from curation.changes.lexicon import (
    BARE,
    CONTRACTED,
    LINKS,
    MARKERS,
    MONTHS,
    NEGATIONS,
    ORDINALS,
    PHRASE,
    PHRASES,
    SAME,
    SCALES,
    SMALL,
    STOPS,
    UNITS,
    spelling,
)


class Item(NamedTuple):
    """A word or value.

    Attributes:
        key: what is compared: of equal meaning, equal key.
        kind: ``word``, ``stop``, ``link`` (a preposition of role), ``number``, ``date``, ``unit``, ``negation``,
            ``marker`` (a number or negation of another language), ``code``, ``sign``, ``comma`` or
            ``end`` (of a sentence).
        text: as it is written.
    """

    key: str
    kind: str
    text: str


COMMA = Item(",", "comma", ",")
_BRACKETS = {"(": Item(",", "comma", "("), ")": Item(",", "comma", ")")}
END = Item(".", "end", ".")
_SHORT = 4000  # characters
_MAX_TOKEN = 200  # characters; what is longer is no word and stands for itself
_MAX_KNOWN = 50_000  # written forms remembered

_TYPOGRAPHIC = str.maketrans(
    dict.fromkeys("’‘‛ʼ′`´", "'")
    | dict.fromkeys("“”„‟«»″", '"')
    | dict.fromkeys("‐‑‒–−", "-")
    | dict.fromkeys("—―", " - ")
    | dict.fromkeys("\xad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\x00")
    | {"…": "...", "\u202f": " ", "×": "*", "•": " "}
)
_GROUPED = re.compile(r"(?<=\d)[\u00a0\u202f\u2009](?=\d\d\d(?!\d))")
_PART = re.compile(
    r"(?P<number>\d{4}-\d\d?-\d\d?(?!\d)|\d+(?:[.,:/]\d+)*)|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)|(?P<end>[.!?;]+)"
    r"|(?P<comma>[,:()\[\]{}|]|^-+$)"
    r"|(?P<unit>[%$€£¥₹°])|(?P<sign>[<>=!]=|[<>=+^])|(?P<stop>&)|(?P<other>\S)"
)
_CODE = re.compile(r"\w_+\w|_\w|[^\W\d_]\(\)|::|[^\W\d_]{2}\.[^\W\d_]{2}|^/\w|\w/\w+/|\w@\w|://|\w=\w")
_EITHER = re.compile(r"[^\W\d_]+/[^\W\d_]+")  # "and/or"
_CAMEL = re.compile(r"[a-z][A-Z](?!c?[A-Z]*$)")
_MIXED = re.compile(r"[^\W\d_]\d|\d[^\W\d_]")
_MEASURE = re.compile(r"(\d+(?:[.,]\d+)*)([^\W\d_]+)")
_EDGES = "\"'.,;:!?()[]{}<>*-"
_BLANK = re.compile(r"\n[ \t]*\n")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_SINGLE = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u31f0-\u9fff\uf900-\ufaff]|[^\x00-\uffff]")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?")
_ABBREVIATED = frozenset("mr mrs ms dr prof st vs no jr sr etc inc ltd co corp fig approx ca".split())
_CLITICS = ("'s", "'re", "'m", "'ve", "'ll", "'d")

_known: dict[str, tuple[Item, ...]] = {}


def read(text: str) -> Sequence[Item]:
    """The items of a text, in order. Those of short texts are remembered for a while."""
    return _read_short(text) if len(text) <= _SHORT else _read(text)


@functools.lru_cache(maxsize=8192)
def _read_short(text: str) -> tuple[Item, ...]:
    return tuple(_read(text))


def _read(text: str) -> list[Item]:
    if not text.isascii():
        if "\u00a0" in text or "\u202f" in text or "\u2009" in text:
            text = _GROUPED.sub("", text)
        text = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHIC)).translate(_TYPOGRAPHIC)
    spaced = " ".join(text.lower().split())
    if any(said in spaced for said in PHRASES):
        text = PHRASE.sub(lambda found: PHRASES[" ".join(found[0].lower().split())], text)
    text = text.replace("``", '"').replace("''", '"').replace("`", "'")
    found: list[Item] = []
    for paragraph in _BLANK.split(text):
        if found and found[-1] is not END:
            found.append(END)
        for raw in paragraph.split():
            known = _known.get(raw)
            found += known if known is not None else _remember(raw)
    return _joined(found)


def _remember(raw: str) -> tuple[Item, ...]:
    items = tuple(_items(raw))
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
    if len(raw) <= _MAX_TOKEN:
        _known[raw] = items
    return items


def _items(raw: str) -> list[Item]:
    """The items of a piece without white space."""
    alone = raw.rstrip(".,;:!?")
    if alone in _CLITICS:
        return [_word(alone, alone)]
    if alone == "n't":
        return [Item("not", "negation", alone)]
    bare = raw.strip(_EDGES)
    if "." in raw and len(raw) < 20:
        if bare.casefold() in _ABBREVIATED:
            return [_word(bare.casefold(), bare)]
        if _INITIALS.fullmatch(raw.strip(_EDGES.replace(".", ""))):
            bare = bare.replace(".", "")
            return [_word(bare.casefold(), bare) if bare in ("eg", "ie") else Item(bare.casefold(), "word", bare)]
    if bare and (_is_code(bare) if len(bare) <= _MAX_TOKEN else not _SINGLE.search(bare)):
        key = bare.casefold()
        return [Item(key.removesuffix("()"), "code", bare), *_tail(raw)]
    out: list[Item] = []
    for match in _PART.finditer(raw):
        kind, text = match.lastgroup or "", match[0]
        if kind == "number":
            out.append(_number(text, raw[: match.start()]))
        elif kind == "word":
            out += _words(text)
        elif kind == "end":
            out.append(END)
        elif kind == "comma":
            out.append(_BRACKETS.get(text, COMMA))
        elif kind == "unit":
            out.append(Item(UNITS.get(text, text), "unit", text))
        elif kind == "stop":
            out.append(Item(SAME[text], "stop", text))
        elif kind == "sign":
            out.append(Item(text, "sign", text))
        elif unicodedata.category(text)[0] in "SL" and not text.isascii():
            out.append(Item(text, "word", text))  # an emoji, a symbol
    return out


def _is_code(bare: str) -> bool:
    if _CODE.search(bare) and not bare.replace("/", "").replace("-", "").isdigit():
        return not _EITHER.fullmatch(bare)
    if not _MIXED.search(bare):
        return False
    measured = _MEASURE.fullmatch(bare)
    if measured:
        after = measured[2].casefold()
        return after not in UNITS and after not in ("st", "nd", "rd", "th", "s", "am", "pm", "x")
    return "-" not in bare and bare[0] not in "$€£¥₹" and not bare.endswith(("%", "'s"))


def _tail(raw: str) -> list[Item]:
    after = raw[len(raw.rstrip(_EDGES)) :]
    if any(c in ".!?;" for c in after):
        return [END]
    return [COMMA] if any(c in ",:)" for c in after) else []


def _words(text: str) -> list[Item]:
    lower = text.casefold()
    if _SINGLE.search(lower):
        return [Item(c, "marker" if c in MARKERS else "word", c) for c in lower]
    if "'" in lower:
        if lower.endswith("n't"):
            return [_word(CONTRACTED.get(lower, lower[:-3]), text), Item("not", "negation", text)]
        for clitic in _CLITICS:
            if lower.endswith(clitic):
                held = lower[: -len(clitic)].replace("'", "")
                return [_word(held, text[: len(held)]), _word(clitic, clitic)] if held else [_word(clitic, clitic)]
        lower = lower.replace("'", "")
    if lower in BARE:
        return [_word(BARE[lower], text), Item("not", "negation", text)]
    return [_word(lower, text)]


def _word(lower: str, text: str) -> Item:
    if lower in NEGATIONS:
        return Item("not" if lower == "no" else lower, "negation", text)
    if lower in LINKS:
        return Item(SAME.get(lower, lower), "link", text)
    if lower in STOPS or lower in SAME:
        return Item(SAME.get(lower, lower), "stop", text)
    if lower in ORDINALS:
        return Item(f"#{ORDINALS[lower]}", "number", text)
    if lower in MARKERS:
        return Item(lower, "marker", text)
    return Item(spelling(lower), "code" if _CAMEL.search(text) else "word", text)


def _number(text: str, before: str) -> Item:
    if date := _ISO.fullmatch(text):
        return Item(f"{int(date[1]):04}-{int(date[2]):02}-{int(date[3]):02}", "date", text)
    if date := _DOTTED.fullmatch(text):
        return Item(f"{date[3]}-{int(date[2]):02}-{int(date[1]):02}", "date", text)
    sign = "-" if before.endswith("-") and not before.rstrip("-")[-1:].isalnum() else ""
    key = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
    return Item(sign + key, "number", text)


def _joined(items: list[Item]) -> list[Item]:
    """Numbers, dates and units of several items as one."""
    if not any(i.kind == "number" or i.kind == "unit" or i.key in SMALL or i.key in SCALES for i in items):
        return items
    out: list[Item] = []
    at = 0
    while at < len(items):
        item = items[at]
        if (item.kind == "word" and (item.key in SMALL or item.key in SCALES)) or item.kind == "number":
            value, at = _value(items, at)
            out.append(value)
            at = _after_number(items, at, out)
        elif item.kind == "unit" and at + 1 < len(items) and items[at + 1].kind == "number":
            value, at = _value(items, at + 1)
            out += [value, item]
        else:
            out.append(item)
            at += 1
    return _dates(out)


def _after_number(items: list[Item], at: int, out: list[Item]) -> int:
    """Take the unit, the ending of an ordinal or the half of a day that follows a number."""
    if at >= len(items):
        return at
    item, number = items[at], out[-1]
    lower = item.text.casefold()
    if lower in ("am", "pm") and re.fullmatch(r"\d{1,2}(:\d\d)?", number.key):
        hour, _, minute = number.key.partition(":")
        shown = int(hour) % 12 + (12 if lower == "pm" else 0)
        out[-1] = Item(f"{shown:02}:{minute or '00'}", "date", f"{number.text} {lower}")
        return at + 1
    if lower in ("st", "nd", "rd", "th") and number.text.isdigit():
        out[-1] = Item(f"#{number.key}", "number", number.text + lower)
        return at + 1
    if lower == "per" and at + 1 < len(items) and items[at + 1].key == "cent":
        out.append(Item("%", "unit", "per cent"))
        return at + 2
    if lower in UNITS and item.kind in ("word", "unit"):
        out.append(Item(UNITS[lower], "unit", item.text))
        return at + 1
    return at


def _value(items: list[Item], at: int) -> tuple[Item, int]:
    """The number that begins at a place, and the place after it: ``two hundred and five``, ``3.5 million``."""
    begun = at
    total = current = Decimal(0)
    last = 10**30
    first = items[at]
    if first.kind == "number":
        at += 1
        if not re.fullmatch(r"\d{1,15}(\.\d{1,15})?", first.key) or at >= len(items) or items[at].key not in SCALES:
            return first, at
        current = Decimal(first.key)
    while at < len(items):
        key = items[at].key
        if key in SMALL:
            value = Decimal(SMALL[key])
            if current % 100 and not (current % 100 >= 20 and current % 10 == 0 and value < 10):
                break
            current += value
        elif key in SCALES and SCALES[key] < last and (SCALES[key] > 100 or current < 100):
            scale = SCALES[key]
            current = (current or Decimal(1)) * scale
            if scale > 100:
                total, current, last = total + current, Decimal(0), scale
        elif not (
            items[at].text == "and"
            and at > begun
            and items[at - 1].key in SCALES
            and at + 1 < len(items)
            and items[at + 1].key in SMALL
        ):
            break
        at += 1
    number = f"{(total + current).normalize():f}"
    return Item(number, "number", " ".join(i.text for i in items[begun:at])), at


def _dates(items: list[Item]) -> list[Item]:
    """``March 3, 2020``, ``3rd of March 2020`` and ``March 2020`` as dates."""
    if not any(item.key in MONTHS for item in items):
        return items
    out: list[Item] = []
    at = 0
    while at < len(items):
        month = MONTHS.get(items[at].key)
        if month is None:
            out.append(items[at])
            at += 1
            continue
        year = ""
        end = at + 1
        before = out[-2] if len(out) > 1 and out[-1].key == "of" else out[-1] if out else COMMA
        day = _day(before)
        rest = [i for i in range(end, min(end + 4, len(items))) if items[i].kind not in ("comma", "end")]
        if not day and rest and rest[0] <= end + 1 and (found := _day(items[rest[0]])):
            day = found
            end = rest[0] + 1
            rest = rest[1:]
        if rest and rest[0] <= end + 1 and re.fullmatch(r"[12]\d\d\d", items[rest[0]].key):
            year = items[rest[0]].key
            end = rest[0] + 1
        if not day and not year:
            out.append(items[at])
            at += 1
            continue
        while day and out and (_day(out[-1]) == day or out[-1].key == "of"):
            if out.pop().kind == "number":
                break
        shown = " ".join(i.text for i in items[at:end])
        out.append(Item(f"{year or '-'}-{month:02}" + (f"-{int(day):02}" if day else ""), "date", shown))
        at = end
    return out


def _day(item: Item) -> str:
    key = item.key.removeprefix("#")
    return key if item.kind == "number" and key.isdigit() and len(key) < 3 and 1 <= int(key) <= 31 else ""
