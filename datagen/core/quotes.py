"""Where a quote stands in a source: exactly, or up to white space, typography and emphasis; never cut out of a number
or a word."""

from __future__ import annotations

import re
import unicodedata
from array import array

from datagen.core.typography import TYPOGRAPHIC, is_single

MIN_LETTERS = 4
"""Letters and digits that a quote needs at least, unless it holds a digit or a character that is a word of its own
(as in Chinese): words such as "the" stand in any text and show nothing."""
_LEAST = 2  # characters other than white space of what may be quoted at all, without a digit in it
_TRIES = 1_000  # places looked at for one quote, so that a source made of one word costs no more than that
_UNSEEN = frozenset("\u200c\u200d\ufe0e\ufe0f")  # besides those of TYPOGRAPHIC: joiners, variation selectors
_IN_NUMBERS = frozenset(".,/:'’")  # between two digits, part of a number, a date or a time
_MARKS = re.compile("[*`]+")
_SPECIAL = re.compile(r"[^\x21-\x7e]")  # ASCII that is seen stays as it is
_OPENING = re.compile(r"\A(?:\.{2,}|…|[\s\"“”„«»])+")
_ENDING = re.compile(r"(?:[.…\s\"“”„«»]){1,16}\Z")


class Finder:
    """Finds quotes in one source.

    Args:
        source: the text; it is folded once, when a quote does not stand in it exactly.
        least: letters that a quote needs to show anything, see :data:`MIN_LETTERS`. With 0 a short word will do: two
            characters that are no white space, or a digit.
        emphasis: may the source have emphasis of Markdown that the quote leaves out? Not where the place found is
            used as it stands.
    """

    def __init__(self, source: str, *, least: int = MIN_LETTERS, emphasis: bool = True) -> None:
        self.source = source
        self._least = least
        self._emphasis = emphasis
        self._folded: tuple[str, array[int]] | None = None

    def find(self, quote: str) -> tuple[int, int] | None:
        """Find a quote.

        Args:
            quote: as a model gave it.

        Returns:
            ``(start, end)`` in code points of the source, the first place. None where it does not stand there, up to
            white space, compatibility forms (NFKD, Unicode Standard Annex 15; superscripts, subscripts and fractions
            stay), quotation marks, dashes, invisible characters, emphasis of Markdown, and marks around the quote
            itself. Case and every other character must agree. A place that begins or ends inside a number ("3 bar"
            in "13 bar", "1.5" in "11.5") or inside a word ("supported" in "unsupported") is none. None, too, for a
            quote that shows nothing (:data:`MIN_LETTERS`).
        """
        quote = quote.strip()
        if not self._telling(quote):
            return None
        place = _whole(self.source, quote)
        if place is not None:
            return place, place + len(quote)
        if self._folded is None:
            self._folded = _fold(self.source, emphasis=self._emphasis)
        text, places = self._folded
        for form in (quote, _bare(quote)):
            wanted = _fold(form, emphasis=self._emphasis)[0].strip()
            place = _whole(text, wanted) if self._telling(wanted) else None
            if place is not None:
                return places[place], places[place + len(wanted) - 1] + 1
        return None

    def _telling(self, quote: str) -> bool:
        letters = seen = 0
        for character in quote:
            if character.isdigit():
                return True
            seen += not character.isspace()
            if character.isalpha():
                letters += 2 if is_single(ord(character)) else 1
            if seen >= _LEAST and letters >= self._least:
                return True
        return False


def _bare(quote: str) -> str:
    """A quote without the quotation marks, ellipses and full stop that a model puts around it."""
    return _ENDING.sub("", _OPENING.sub("", quote))


def _whole(text: str, quote: str) -> int | None:
    """Where a quote stands in a text and is no part of a word or number there."""
    at = text.find(quote)
    for _ in range(_TRIES):
        if at < 0:
            return None
        if not _cuts(text, at) and not _cuts_sign(text, at) and not _cuts(text, at + len(quote)):
            return at
        at = text.find(quote, at + 1)
    return None


def _cuts(text: str, at: int) -> bool:
    """Does a boundary before ``text[at]`` cut a word, a number, or a letter from its accent?"""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if before.isdigit() and (after.isdigit() or (after in _IN_NUMBERS and text[at + 1 : at + 2].isdigit())):
        return True
    if after.isdigit() and before in _IN_NUMBERS and text[max(0, at - 2) : at - 1].isdigit():
        return True
    if after in "'’" and before.isalpha() and text[at + 1 : at + 2] in ("t", "T"):
        return True  # can't
    return (_word(before) and _word(after)) or unicodedata.category(after).startswith("M")


def _cuts_sign(text: str, at: int) -> bool:
    """Is there a minus or a decimal point before the number at ``at``, as in -5 and .5?"""
    if at < 1 or not text[at : at + 1].isdigit() or text[at - 1] not in ".-−–":
        return False
    return at == 1 or text[at - 2].isspace() or text[at - 2] in "([{=:,;<>"


def _word(character: str) -> bool:
    return (character.isalnum() or character == "_") and not is_single(ord(character))


def _fold(text: str, *, emphasis: bool) -> tuple[str, array[int]]:
    """The text folded, and for each folded character the position it comes from."""
    left_out = _emphasis(text) if emphasis else set()
    out: list[str] = []
    places = array("q")
    blank = True  # leading white space goes
    done = 0
    for place in sorted(left_out.union(found.start() for found in _SPECIAL.finditer(text))):
        if place > done:
            out.append(text[done:place])
            places.extend(range(done, place))
            blank = False
        done = place + 1
        if place in left_out:
            continue
        form = _form(text[place])
        if form == " " and blank:
            continue
        blank = form == " " or (blank and not form)
        out.append(form)
        places.extend([place] * len(form))
    out.append(text[done:])
    places.extend(range(done, len(text)))
    return "".join(out), places


def _emphasis(text: str) -> set[int]:
    """Places of asterisks and backticks, but not of those between two letters or digits, as in 2*3."""
    return {
        place
        for found in _MARKS.finditer(text)
        if not (
            text[max(0, found.start() - 1) : found.start()].isalnum() and text[found.end() : found.end() + 1].isalnum()
        )
        for place in range(*found.span())
    }


def _form(character: str) -> str:
    """What a character is compared as: a space for any white space, its compatibility form for others. That of 10⁶
    stays as it is, because 106 is another number."""
    if character.isspace():
        return " "
    if character in _UNSEEN:
        return ""
    if unicodedata.decomposition(character).startswith(("<super>", "<sub>", "<fraction>")):
        return character
    return "".join(unicodedata.normalize("NFKD", character).translate(TYPOGRAPHIC).split())
