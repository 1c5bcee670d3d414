"""All detectors on texts: blocks, views, signals put together, and what the context says about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import unquote

from curation.malicious import command, exemplars, forged, harm, markup, plugins, raw, secrets, sql, wording
from curation.malicious.config import Kind, MaliciousConfig
from curation.malicious.context import Context, context
from curation.malicious.decode import MARKED, hidden, readings
from curation.malicious.finding import WORDING, Finding, Signal, together, without_overlaps
from curation.malicious.fold import View, fold
from curation.malicious.grammar import grammar

BLOCK = 4_000  # characters that are looked at together
_OVERLAP = 400
_EXPLAINED = 0.3  # what is left of the score of a passage that is explained or quoted
_SEEN = 0.7  # what is left of a likeness to an attack whose code can be read
_REPORTED = 0.35  # of the strongest order in a sentence that reports, forbids or quotes orders
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_PAYLOADS: dict[str, Callable[[str], Iterator[Signal]]] = {
    "script": markup.signals,
    "sql_injection": sql.signals,
    "command": command.signals,
}
_MODEL = frozenset(("prompt_injection", "jailbreak"))


def scan(texts: Sequence[str], config: MaliciousConfig = MaliciousConfig()) -> list[list[Finding]]:
    """Find attacks and secrets.

    Args:
        texts: any strings.
        config: which kinds, from which score, and which layers.

    Returns:
        For each text its findings of ``config.threshold`` or more, by position. Spans are code points of that text.
        Secrets are found wherever they stand; the other kinds count little where they are explained or quoted.

    Raises:
        DatagenError: ``config.model`` or the embedding model cannot be loaded.
    """
    out = [_one(text, config) for text in texts]
    if config.model and _MODEL & set(config.kinds):
        from curation.malicious.model import probabilities

        kind: Kind = "prompt_injection" if "prompt_injection" in config.kinds else "jailbreak"
        read = [i for i, text in enumerate(texts) if text.strip()]
        shares = probabilities(config.model, config.labels, [texts[i] for i in read], config.batch_size)
        for i, share in zip(read, shares, strict=True):
            if share >= config.model_threshold and not any(f.kind in _MODEL for f in out[i]):
                found = Finding(kind, 0, len(texts[i]), round(max(share, config.threshold), 3), "model")
                out[i] = sorted([*out[i], found], key=lambda f: (f.start, f.end))
    return out


def _one(text: str, config: MaliciousConfig) -> list[Finding]:
    kinds = set(config.kinds)
    found: list[Finding] = []
    for start, end in _blocks(text):
        part = text[start:end]
        around = context(part)
        here: list[Finding] = []
        if kinds & _MODEL:
            here += [f for f in _injections(part, around, config) if f.kind in kinds]
        for kind in _PAYLOADS.keys() & kinds:
            here += _payloads(kind, part, around)
        found += [replace(f, start=f.start + start, end=f.end + start) for f in here if f.score >= config.threshold]
    if "secret" in kinds:
        found += [f for f in _secrets(text, config.detect_secrets) if f.score >= config.threshold]
    return without_overlaps(found)


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Stretches of bounded length that overlap, cut at blank lines, line ends or blanks where there are any."""
    start = 0
    while len(text) - start > BLOCK + _OVERLAP:
        end = start + BLOCK
        for mark in ("\n\n", "\n", " "):
            at = text.rfind(mark, start + BLOCK // 2, end)
            if at >= 0:
                end = at
                break
        yield start, min(len(text), end + _OVERLAP)
        start = end
    yield start, len(text)


def _injections(text: str, around: Context, config: MaliciousConfig) -> list[Finding]:
    view = fold(text)
    signals = _read(view, text)
    for name, other in readings(view):
        if name == "shifted":
            marks = [m.span() for m in MARKED.finditer(other.text)]
            if len({other.text[a:b] for a, b in marks}) >= 2:  # nobody shifts such words by chance
                signals.append(_moved(Signal("prompt_injection", marks[0][0], marks[-1][1], 0.55, "shifted"), other))
        signals += [replace(s, weight=min(1.0, s.weight + 0.1), rule=f"{s.rule}:{name}") for s in _words(other, view)]
    for name, start, end, said in hidden(text):
        inner = together(_words(fold(said)))
        best = max((f.score for f in inner), default=0.0)
        sure = 0.8 if name == "invisible_tags" else 0.3 if name in ("base64", "numbers", "escaped") else 0.1
        kind = max(inner, key=lambda f: f.score).kind if inner else "prompt_injection"
        signals.append(Signal(kind, start, end, max(sure, min(1.0, best + 0.15) if best else 0.0), f"encoded:{name}"))
    signals = [_in_context(s, around) for s in signals]
    if config.exemplars != "off":
        about = _unmapped(view, signals)
        near = wording.signals(view.text, exemplars.asks_meaning(config.exemplars), about)
        moved = (_in_context(_moved(s, view), around) for s in near)
        signals += [s for s in moved if not _weakened(s, signals)]
    if any(s.rule == "insert_code" for s in signals):
        if any(harm.blocks(view.text)) and not any(s.rule == "harmful_code" for s in signals):
            # It asks for code that is shown, and nothing is seen that does harm.
            signals = [replace(s, weight=s.weight * _SEEN) if s.rule == WORDING else s for s in signals]
        signals = [replace(s, weight=0.35) if s.rule == "harmful_code" else s for s in signals]
    return together(s for s in signals if s.weight > 0)


def _in_context(signal: Signal, around: Context) -> Signal:
    """A signal that counts little where such things are talked about and it is quoted, or code in a page of prose."""
    explained = around.prose >= 8 and around.in_code(signal.start, signal.end)
    apart = signal.weight > 0 and (explained or around.quoted(signal.start, signal.end))
    if apart and around.talked_about(signal.start, signal.end):
        return replace(signal, weight=signal.weight * _EXPLAINED, told=True)
    return signal


def _weakened(example: Signal, signals: Sequence[Signal]) -> bool:
    """Does the sentence that resembles an attack hold only such orders as are reported, forbidden or quoted?"""
    inside = [s for s in signals if s.start < example.end and example.start < s.end]
    return any(s.told for s in inside) and max(s.weight for s in inside) <= _REPORTED


def _read(view: View, text: str) -> list[Signal]:
    """Words, shapes and other scripts in a folded text."""
    out = _words(view)
    original = text if view.at is None else "".join(text[i] for i in view.at)
    out += [_moved(s, view) for s in forged.signals(view.text, original)]
    if not text.isascii():
        out += raw.signals(text)
    return out


def _words(view: View, plain: View | None = None) -> list[Signal]:
    """Signals of the words; of another reading of ``plain``, those alone that it does not show itself."""
    same = plain.text if plain is not None and len(plain.text) == len(view.text) else ""
    found = grammar().signals(view.text)
    return [_moved(s, view) for s in found if not same or view.text[s.start : s.end] != same[s.start : s.end]]


def _moved(signal: Signal, view: View) -> Signal:
    low, high = sorted((view.span(signal.start, signal.start + 1)[0], view.span(signal.end - 1, signal.end)[1]))
    if view.at is not None and view.at[signal.start] > view.at[signal.end - 1]:  # read backwards
        low, high = view.at[signal.end - 1], view.at[signal.start] + 1
    return replace(signal, start=low, end=high)


def _unmapped(view: View, signals: Sequence[Signal]) -> list[tuple[int, int]]:
    """Stretches of the signals in the folded text, a little too wide where lengths differ."""
    grown = 0 if view.at is None else abs(len(view.text) - view.size)
    return [(s.start - grown, s.end + grown) for s in signals]


def _payloads(kind: str, text: str, around: Context) -> list[Finding]:
    find = _PAYLOADS[kind]
    out = []
    weighed = (
        replace(s, weight=s.weight * _EXPLAINED)
        if around.explained(s.start, s.end) or around.inline.shown(s.start, s.end)
        else s
        for s in find(around.inline.text)
        if s.weight
    )
    out += together(weighed, 200)
    if len(text) <= 600 and _PERCENT.search(text):
        plain = unquote(unquote(text))
        best = max(together(find(plain), 200), key=lambda f: f.score, default=None)
        if best and best.score > max((f.score for f in out), default=0.0):
            seen = around.explained(0, len(text))
            out = [replace(best, start=0, end=len(text), score=round(best.score * (_EXPLAINED if seen else 1), 3))]
    return out


def _secrets(text: str, with_plugins: bool) -> Iterator[Finding]:
    yield from (f for f in secrets.found(text) if not secrets.image(text, f.start))
    if with_plugins:
        yield from plugins.found(text)
