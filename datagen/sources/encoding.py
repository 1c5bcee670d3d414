"""From bytes to text when nobody says which encoding they are in."""

from __future__ import annotations

import codecs

from datagen.sources.parsed import Unreadable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 65_536  # bytes shown to the detector: more costs time and tells nothing new


def looks_binary(data: bytes) -> bool:
    """NUL or many other control bytes, and no byte-order mark: no text in any 8-bit encoding looks so."""
    if data.startswith(tuple(bom for bom, _ in _BOMS)):
        return False
    sample = data[:_SAMPLE]
    if not sample:
        return False
    if b"\0" in sample:
        return _utf16_without_bom(sample) is None
    control = len(sample) - len(sample.translate(None, bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})))
    return control > len(sample) // 50


def _utf16_without_bom(sample: bytes) -> str | None:
    """UTF-16 of mostly Latin text has its zeros in every second byte."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half and odd > half * 0.7 and even < half * 0.05:
        return "utf-16-le"
    if half and even > half * 0.7 and odd < half * 0.05:
        return "utf-16-be"
    return None


def decode(data: bytes, declared: str = "") -> str:
    """Text of ``data``: byte-order mark, then UTF-8, then ``declared``, then detection (charset-normalizer).

    UTF-8 with a few damaged bytes stays UTF-8, the damage shown as U+FFFD.

    Raises:
        Unreadable: ``binary``, or ``unknown_encoding`` where nothing fits.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            return data.decode(name, "replace").removeprefix("\ufeff")
    if looks_binary(data):
        raise Unreadable("binary", "The bytes are not text.")
    wide = _utf16_without_bom(data[:_SAMPLE]) if b"\0" in data[:_SAMPLE] else None
    if wide:
        return data.decode(wide, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    lossy = data.decode("utf-8", "replace")
    bad = lossy.count("\ufffd")
    good = sum(1 for c in lossy[:_SAMPLE] if c > "\x7f") - lossy[:_SAMPLE].count("\ufffd")
    if good > 10 * bad:
        return lossy
    if declared:
        try:
            return data.decode(declared)
        except (LookupError, UnicodeError):
            pass
    return _detected(data)


def _detected(data: bytes) -> str:
    import charset_normalizer

    sample = data[:_SAMPLE]
    matches = charset_normalizer.from_bytes(sample)
    best = matches.best()
    if best is not None:
        # Short Western texts fit several code pages alike: the most common one wins a tie.
        ties = [m for m in matches if m.chaos <= best.chaos and m.coherence >= best.coherence]
        best = next((m for m in ties if m.encoding == "cp1252"), best)
        # A sample may end within a character, a file may hold a stray byte: neither makes it unreadable.
        text = data.decode(best.encoding, "replace")
        if text.count("\ufffd") <= len(text) // 200:
            return text
    raise Unreadable("unknown_encoding", "The text is in no encoding that could be recognised.")
