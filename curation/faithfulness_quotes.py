"""Where a quote stands in a source: exactly, or up to white space, typography and emphasis; never inside a number."""

from __future__ import annotations

import re
import unicodedata
from array import array

from curation.words import TYPOGRAPHIC, is_single

MIN_LETTERS = 4
"""Letters and digits that a quote needs at least, unless it holds a digit or a character that is a word of its own
(as in Chinese): words such as "the" stand in any text and show nothing."""
LONG = 24
"""Characters from which a quote may end inside a word: models break off where they like. None may begin inside one,
because "supported" of "unsupported" says the opposite."""
_TRIES = 1_000  # places looked at for one quote, so that a source made of one word costs no more than that
_UNSEEN = frozenset("\u200c\u200d\ufe0e\ufe0f")  # besides those of TYPOGRAPHIC: joiners, variation selectors
_MARKS = re.compile("[*`]+")
_SPECIAL = re.compile(r"[^\x21-\x7e]")  # ASCII that is seen stays as it is
_OPENING = re.compile(r"\A(?:\.{2,}|…|[\s\"“”„«»])+")
_ENDING = re.compile(r"(?:[.…\s\"“”„«»]){1,16}\Z")


class Finder:
    """Finds quotes in one source.

    Args:
        source: the text; it is folded once, when a quote does not stand in it exactly.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._folded: tuple[str, array[int]] | None = None

    def find(self, quote: str) -> tuple[int, int] | None:
        """Find a quote.

        Args:
            quote: as a model gave it.

        Returns:
            ``(start, end)`` in code points of the source, the first place. None where it does not stand there, up to
            white space, compatibility forms (NFKD, Unicode Standard Annex 15; superscripts, subscripts and fractions
            stay), quotation marks, dashes, invisible characters, emphasis of Markdown, and marks around the quote
            itself. Case and every other character must agree. A place inside a number ("3 bar" in "13 bar") is
            none, nor one that begins inside a word, or ends there with under :data:`LONG` characters. None, too, for a
            quote that shows nothing (:data:`MIN_LETTERS`).
        """
        quote = quote.strip()
        if not _telling(quote):
            return None
        place = _whole(self.source, quote)
        if place is not None:
            return place, place + len(quote)
        if self._folded is None:
            self._folded = _fold(self.source)
        text, places = self._folded
        for wanted in dict.fromkeys((_fold(quote)[0].strip(), _fold(_bare(quote))[0].strip())):
            place = _whole(text, wanted) if _telling(wanted) else None
            if place is not None:
                return places[place], places[place + len(wanted) - 1] + 1
        return None


def _bare(quote: str) -> str:
    """A quote without the quotation marks, ellipses and full stop that a model puts around it."""
    return _ENDING.sub("", _OPENING.sub("", quote))


def _telling(quote: str) -> bool:
    letters = 0
    for character in quote:
        if character.isdigit():
            return True
        if character.isalpha():
            letters += 2 if is_single(ord(character)) else 1
            if letters >= MIN_LETTERS:
                return True
    return False


def _whole(text: str, quote: str) -> int | None:
    """Where a quote stands in a text and is no part of a word or number there."""
    at = text.find(quote)
    for _ in range(_TRIES):
        if at < 0:
            return None
        end = at + len(quote)
        begins = not _cuts(text, at) and not _cuts_word(text, at) and not _cuts_sign(text, at)
        if begins and not _cuts(text, end) and (len(quote) >= LONG or not _cuts_word(text, end)):
            return at
        at = text.find(quote, at + 1)
    return None


def _cuts(text: str, at: int) -> bool:
    """Does a boundary before ``text[at]`` cut a number, or a letter from its accent?"""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if before.isdigit() and (after.isdigit() or (after in ".,/" and text[at + 1 : at + 2].isdigit())):
        return True
    if after.isdigit() and before in ".,/" and text[max(0, at - 2) : at - 1].isdigit():
        return True
    return unicodedata.category(after).startswith("M")


def _cuts_sign(text: str, at: int) -> bool:
    """Is there a minus or a decimal point before the number at ``at``, as in -5 and .5?"""
    if at < 1 or not text[at : at + 1].isdigit() or text[at - 1] not in ".-−–":
        return False
    return at == 1 or text[at - 2].isspace() or text[at - 2] in "([{=:,;<>"


def _cuts_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and _word(text[at - 1]) and _word(text[at])


def _word(character: str) -> bool:
    return (character.isalnum() or character == "_") and not is_single(ord(character))


def _fold(text: str) -> tuple[str, array[int]]:
    """The text folded, and for each folded character the position it comes from."""
    emphasis = _emphasis(text)
    out: list[str] = []
    places = array("q")
    blank = True  # leading white space goes
    done = 0
    for place in sorted(emphasis.union(found.start() for found in _SPECIAL.finditer(text))):
        if place > done:
            out.append(text[done:place])
            places.extend(range(done, place))
            blank = False
        done = place + 1
        if place in emphasis:
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
