"""Negations in other languages than English, which :mod:`curation.changes` reads itself."""

from __future__ import annotations

import re

from curation.changes import fact_change
from curation.words import normalise, tokens, word

_NEGATIONS = frozenset(
    # German
    "nicht kein keine keinen keinem keiner keines nie niemals niemand nichts weder ohne "
    # French
    "ne pas jamais aucun aucune rien ni sans personne "
    # Spanish, Portuguese, Italian, Romanian
    "nunca jamás ningún ninguno ninguna nada nadie tampoco sin não nem nenhum nenhuma ninguém sem "
    "non mai nessun nessuno nessuna niente nulla senza né nu niciodată fără "
    # Dutch, Swedish, Danish, Norwegian, Finnish
    "niet geen nooit niemand niets zonder inte ej ingen inget inga aldrig utan ikke aldri ei eivät älä "
    # Russian, Ukrainian, Polish, Czech
    "не нет ни никогда без нельзя ні немає ніколи nie nigdy bez żaden ne není nikdy žádný "
    # Turkish, Greek, Hebrew, Arabic, Persian, Hindi
    "değil yok hiç asla δεν μην όχι χωρίς לא אין בלי אל לא لا لم لن ليس ليست غير بدون نه نیست هیچ नहीं मत न बिना "
    # Indonesian, Vietnamese
    "tidak bukan jangan tanpa không chưa chẳng chớ "
    # Chinese and Japanese, one sign each
    "不 没 沒 无 無 未 非 勿 莫 否 别 別".split()
)
_JAPANESE = re.compile("ない|なかっ|なく|ません|ずに")
_KOREAN = re.compile("않|못|없|아니|안$")


def negations(text: str) -> list[str]:
    """The negations of a text, in order; those of English left out."""
    normal = normalise(text)
    found = [w for t in tokens(normal) if (w := word(t)) in _NEGATIONS or w.startswith("n'")]
    if not normal.isascii():
        found += _JAPANESE.findall(normal)
        found += [w for w in normal.split() if "\uac00" <= w[0] <= "\ud7a3" and _KOREAN.search(w)]
    return found


def distinct(a: str, b: str) -> str:
    """What fact two texts differ in, as :func:`curation.changes.fact_change` says it; "" for none."""
    first, second = negations(a), negations(b)
    if sorted(first) != sorted(second):
        return f"negation: {' '.join(first) or 'none'} → {' '.join(second) or 'none'}"
    return fact_change(a, b)
